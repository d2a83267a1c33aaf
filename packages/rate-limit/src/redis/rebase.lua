-- Sets a strict counter to what a snapshot says was used, plus what was charged since.
--
-- KEYS  the counter
-- ARGV  used (whole part, billionths), as-of (epoch ms), settleMs, start of the counter's UTC day
-- Reply 'applied' | 'settling' | 'older' | 'ahead_of_clock' | 'other_day'

local key = KEYS[1]
local used, used_b = tonumber(ARGV[1]), tonumber(ARGV[2])
local as_of, settle_ms, day_start = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

if day_start + DAY_MS <= now or day_start > now + DAY_MS then
  return 'other_day'
end
if as_of > now then
  return 'ahead_of_clock'
end

local known = redis.call('HMGET', key, 'since', 'based', 'as_of')
local since, based = tonumber(known[1] or now), known[2] == '1'
if known[3] and as_of < tonumber(known[3]) then
  return 'older'
end
-- Before its day begins nothing can have been charged to it.
if not known[1] and now < day_start then
  based = true
end
-- What was charged before the counter was there had reached the broker by the as-of, so `used` has it.
based = based or as_of - settle_ms > since

local fields = redis.call('HGETALL', key)
for index = 1, #fields, 2 do
  local slot = string.match(fields[index], '^s(%d+)$')
  if slot then
    -- So had the events of this slot.
    if (tonumber(slot) + 1) * QUOTA_SLOT_MS <= as_of - settle_ms then
      redis.call('HDEL', key, fields[index])
    else
      local whole, billionths = string.match(fields[index + 1], '^(%d+) (%d+)$')
      used, used_b = used + tonumber(whole), used_b + tonumber(billionths)
      if used_b >= BILLION then
        used, used_b = used + 1, used_b - BILLION
      end
    end
  end
end

redis.call('HSET', key,
  'used', text(used), 'used_b', text(used_b), 'as_of', text(as_of),
  'since', text(since), 'based', based and '1' or '0')
redis.call('PEXPIRE', key, text(day_start + 2 * DAY_MS - now))
return based and 'applied' or 'settling'
