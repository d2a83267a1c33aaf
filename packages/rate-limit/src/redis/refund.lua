-- Gives back to strict counters what one call charged, once.
--
-- KEYS  the mark of the refund, then the counters; all in one slot
-- ARGV  settleMs; per counter: delta (whole part, billionths), the instant that it was charged at
-- Reply 'refunded' | 'repeated' | 'forgotten' | 'too_late'

local settle_ms = tonumber(ARGV[1])

local function subtract(whole, billionths, less_whole, less_billionths)
  local rest = billionths - less_billionths
  local borrow = rest < 0 and 1 or 0
  return whole - less_whole - borrow, rest + borrow * BILLION
end

if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'repeated'
end

local left_ms = settle_ms
for index = 2, #KEYS do
  left_ms = math.min(left_ms, tonumber(ARGV[(index - 1) * 3 + 1]) + settle_ms - now)
end
-- From now on a rebase alone takes it out, and this refund's mark need not be kept.
if left_ms < 0 then
  return 'too_late'
end

local refunded = false
for index = 2, #KEYS do
  local key, first = KEYS[index], (index - 2) * 3 + 2
  local delta, delta_b, at = tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2])
  local slot = slot_of(at)
  local known = redis.call('HMGET', key, 'used', 'used_b', 'since', slot)
  -- A counter that was lost and made anew since does not have the charge, and would give back another's;
  -- one whose slot was dropped by a rebase has it no more.
  if known[4] and tonumber(known[3]) <= at then
    local kept = numbers_of(known[4])
    local slot_left, slot_left_b = subtract(kept[1], kept[2], delta, delta_b)
    local used, used_b = subtract(tonumber(known[1]), tonumber(known[2]), delta, delta_b)
    if slot_left >= 0 then
      redis.call('HSET', key, 'used', text(used), 'used_b', text(used_b),
        slot, text(slot_left) .. ' ' .. text(slot_left_b))
      refunded = true
    end
  end
end
redis.call('SET', KEYS[1], '1', 'PX', text(left_ms + 1))
return refunded and 'refunded' or 'forgotten'
