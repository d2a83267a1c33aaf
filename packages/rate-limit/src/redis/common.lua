-- What all scripts share; it stands before each of them.
--
-- The time is this server's own, so that no caller's clock gains it anything. Every number is whole
-- and below 2^53, which is as far as a Lua number is exact; src/rule.ts and src/charge.ts bound them.

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

local function add(whole, billionths, more_whole, more_billionths)
  local sum = billionths + more_billionths
  local carry = sum >= BILLION and 1 or 0
  return whole + more_whole + carry, sum - carry * BILLION
end

-- The field of a strict counter that holds what was charged around an instant.
local function slot_of(at)
  return 's' .. text(divide_down(at, QUOTA_SLOT_MS))
end

-- Places of a concurrency limit that are taken now; what is past its time is nobody's.
local function live_leases(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
  return redis.call('ZCARD', key)
end

local function hold_lease(key, id, lease_ms)
  redis.call('ZADD', key, text(now + lease_ms), id)
  -- All of a limit's leases are of one length, unless its plan was changed: then the longest counts.
  redis.call('PEXPIRE', key, text(math.max(lease_ms, redis.call('PTTL', key))))
end
