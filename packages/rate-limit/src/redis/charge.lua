-- Charges all meters of one call, or none of them.
--
-- KEYS  the rate meters' keys, then the quota counters' keys; all in one slot
-- ARGV  number of rate meters, 'deny' | 'zero' (what a counter does that nothing was based on),
--       start of the UTC day of the quota keys (epoch ms);
--       per rate meter: 'token_bucket' | 'sliding_window', cost, limit, periodMs, capacity;
--       per quota: delta (whole part, billionths), ceiling (whole part, billionths)
-- Reply {outcome, now, then per rate meter: admits, remaining, retry after (-1 never), reset;
--       then per quota: state (0 admits, 1 exhausted, 2 not based), used (whole part, billionths)}
--       outcome 1 charged, 0 not charged, 2 the quota keys are of another day than now's
--
-- The time is this server's own, so that no caller's clock gains it anything. Every number is whole
-- and below 2^53, which is as far as a Lua number is exact; src/rule.ts and src/charge.ts bound them.

local WINDOW_SLOTS = 20
local DAY_MS = 86400000
local QUOTA_SLOT_MS = 10000
local BILLION = 1000000000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number)
  return string.format('%.0f', number)
end

-- Below 2^52 a quotient is never rounded up to, or past, the next whole number.
local function divide_down(dividend, divisor)
  return math.floor(dividend / divisor)
end

local function divide_up(dividend, divisor)
  return math.ceil(dividend / divisor)
end

local function numbers_of(state)
  local numbers = {}
  for number in string.gmatch(state, '%d+') do
    numbers[#numbers + 1] = tonumber(number)
  end
  return numbers
end

-- State: 'level at periodMs', the level in 1/periodMs of a unit.
local function step_bucket(state, cost, limit, period_ms, capacity)
  local full = capacity * period_ms
  local level, at = full, now
  if state then
    local numbers = numbers_of(state)
    level, at = numbers[1], math.max(numbers[2], now)
    if numbers[3] ~= period_ms then
      level = divide_down(level, numbers[3]) * period_ms
    end
    local elapsed = math.max(0, now - numbers[2])
    if level >= full or elapsed >= divide_up(full - level, limit) then
      level = full
    else
      level = level + elapsed * limit
    end
  end
  -- How far a clock that was set back has to catch up before anything is refilled.
  local behind = at - now
  local never = cost > capacity
  local admits = not never and level >= cost * period_ms
  local function left(units)
    return { divide_down(units, period_ms), behind + divide_up(full - units, limit) }
  end
  local after, retry = level, 0
  if admits then
    after = level - cost * period_ms
  elseif never then
    retry = -1
  else
    retry = behind + divide_up(cost * period_ms - level, limit)
  end
  return {
    admits = admits,
    retry = retry,
    if_charged = left(after),
    if_not = left(level),
    state = text(after) .. ' ' .. text(at) .. ' ' .. text(period_ms),
  }
end

-- State: 'slotMs newest' and the units by slot, the oldest first.
local function step_window(state, cost, limit, period_ms)
  local slot_ms = divide_up(period_ms, WINDOW_SLOTS)
  local newest = divide_down(now, slot_ms)
  local counts, used = {}, 0
  for place = 1, WINDOW_SLOTS + 1 do
    counts[place] = 0
  end
  if state then
    local numbers = numbers_of(state)
    local same = numbers[1] == slot_ms
    newest = same and math.max(newest, numbers[2]) or newest
    for place = 1, WINDOW_SLOTS + 1 do
      -- A rule whose period was changed forgets nothing: what was counted counts as charged now.
      local to = same and place - (newest - numbers[2]) or WINDOW_SLOTS + 1
      if to >= 1 then
        counts[to] = counts[to] + numbers[place + 2]
        used = used + numbers[place + 2]
      end
    end
  end
  local admits = used + cost <= limit
  local function empty_in()
    for place = WINDOW_SLOTS + 1, 1, -1 do
      if counts[place] > 0 then
        return (newest + place) * slot_ms - now
      end
    end
    return 0
  end
  local if_not = { math.max(0, limit - used), empty_in() }
  local retry = 0
  if cost > limit then
    retry = -1
  elseif not admits then
    local freed, place = 0, 0
    while freed < used + cost - limit do
      place = place + 1
      freed = freed + counts[place]
    end
    retry = (newest + place) * slot_ms - now
  end
  counts[WINDOW_SLOTS + 1] = counts[WINDOW_SLOTS + 1] + cost
  local parts = { text(slot_ms), text(newest) }
  for place = 1, WINDOW_SLOTS + 1 do
    parts[#parts + 1] = text(counts[place])
  end
  return {
    admits = admits,
    retry = retry,
    if_charged = { limit - used - cost, empty_in() },
    if_not = if_not,
    state = table.concat(parts, ' '),
  }
end

local function add(whole, billionths, more_whole, more_billionths)
  local sum = billionths + more_billionths
  local carry = sum >= BILLION and 1 or 0
  return whole + more_whole + carry, sum - carry * BILLION
end

local rate_count, when_unbased, day_start = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local quota_count = #KEYS - rate_count

-- A caller whose clock is wrong would charge another day's counter.
if quota_count > 0 and (now < day_start or now >= day_start + DAY_MS) then
  return { 2, now }
end

local admits_all = true
local steps, quotas = {}, {}

for index = 1, rate_count do
  local first = 4 + (index - 1) * 5
  local step = ARGV[first] == 'token_bucket' and step_bucket or step_window
  steps[index] = step(
    redis.call('GET', KEYS[index]),
    tonumber(ARGV[first + 1]),
    tonumber(ARGV[first + 2]),
    tonumber(ARGV[first + 3]),
    tonumber(ARGV[first + 4])
  )
  admits_all = admits_all and steps[index].admits
end

for index = 1, quota_count do
  local first = 4 + rate_count * 5 + (index - 1) * 4
  local delta, delta_b = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
  local ceiling, ceiling_b = tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  local known = redis.call('HMGET', KEYS[rate_count + index], 'used', 'used_b', 'based', 'charged_at')
  local used, used_b = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local after, after_b = add(used, used_b, delta, delta_b)
  local state = 0
  if known[3] ~= '1' and when_unbased == 'deny' then
    state = 2
  elseif after > ceiling or (after == ceiling and after_b > ceiling_b) then
    state = 1
  end
  quotas[index] = {
    state = state,
    used = used,
    used_b = used_b,
    after = after,
    after_b = after_b,
    delta = delta,
    delta_b = delta_b,
    exists = known[1],
    -- A clock that was set back must not date a charge before an as-of that has passed.
    at = math.max(now, tonumber(known[4] or 0)),
  }
  admits_all = admits_all and state == 0
end

if admits_all then
  for index = 1, rate_count do
    -- Without anything counted it says no more than an absent one; a period more for a clock that is set back.
    local ttl_ms = steps[index].if_charged[2] + tonumber(ARGV[4 + (index - 1) * 5 + 3])
    redis.call('SET', KEYS[index], steps[index].state, 'PX', text(ttl_ms))
  end
  for index = 1, quota_count do
    local key, quota = KEYS[rate_count + index], quotas[index]
    local slot = 's' .. text(divide_down(quota.at, QUOTA_SLOT_MS))
    local slot_used = numbers_of(redis.call('HGET', key, slot) or '0 0')
    local slot_after, slot_after_b = add(slot_used[1], slot_used[2], quota.delta, quota.delta_b)
    redis.call('HSET', key,
      'used', text(quota.after), 'used_b', text(quota.after_b), 'charged_at', text(quota.at),
      slot, text(slot_after) .. ' ' .. text(slot_after_b))
    if not quota.exists then
      redis.call('HSET', key, 'since', text(now), 'based', '1')
      redis.call('PEXPIRE', key, text(day_start + 2 * DAY_MS - now))
    end
    quota.used, quota.used_b = quota.after, quota.after_b
  end
end

local reply = { admits_all and 1 or 0, now }
for index = 1, rate_count do
  local step = steps[index]
  local left = admits_all and step.if_charged or step.if_not
  reply[#reply + 1] = step.admits and 1 or 0
  reply[#reply + 1] = left[1]
  reply[#reply + 1] = step.retry
  reply[#reply + 1] = left[2]
end
for index = 1, quota_count do
  reply[#reply + 1] = quotas[index].state
  reply[#reply + 1] = quotas[index].used
  reply[#reply + 1] = quotas[index].used_b
end
return reply
