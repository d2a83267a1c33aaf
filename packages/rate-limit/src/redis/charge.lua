-- Charges all meters of one call, or none of them.
--
-- KEYS  the rate meters' keys, then the quota counters' keys, then the leases' keys; all in one slot
-- ARGV  number of rate meters, number of quotas, 'deny' | 'zero' (what a counter does that nothing was
--       based on), start of the UTC day of the quota keys (epoch ms), id of the leases;
--       per rate meter: 'token_bucket' | 'sliding_window', cost, limit, periodMs, capacity;
--       per quota: delta (whole part, billionths), ceiling (whole part, billionths);
--       per lease: limit, leaseMs
-- Reply {outcome, now, then per rate meter: admits, remaining, retry after (-1 never), reset;
--       then per quota: state (0 admits, 1 exhausted, 2 not based), used (whole part, billionths), charged at;
--       then per lease: admits, live, retry after}
--       outcome 1 charged, 0 not charged, 2 the quota keys are of another day than now's

local rate_count, quota_count = tonumber(ARGV[1]), tonumber(ARGV[2])
local when_unbased, day_start, lease_id = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local first_rate = 6
local first_quota = first_rate + rate_count * 5
local first_lease = first_quota + quota_count * 4
local lease_count = #KEYS - rate_count - quota_count

-- A caller whose clock is wrong would charge another day's counter.
if quota_count > 0 and (now < day_start or now >= day_start + DAY_MS) then
  return { 2, now }
end

local admits_all = true
local steps, quotas, leases = {}, {}, {}

for index = 1, rate_count do
  local first = first_rate + (index - 1) * 5
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
  local first = first_quota + (index - 1) * 4
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

for index = 1, lease_count do
  local first = first_lease + (index - 1) * 2
  local key, limit = KEYS[rate_count + quota_count + index], tonumber(ARGV[first])
  local live = live_leases(key)
  local lease = { key = key, live = live, ms = tonumber(ARGV[first + 1]), admits = true, retry = 0 }
  -- Asked again, a lease is the same lease.
  if live >= limit and not redis.call('ZSCORE', key, lease_id) then
    local frees = redis.call('ZRANGE', key, live - limit, live - limit, 'WITHSCORES')
    lease.admits, lease.retry = false, tonumber(frees[2]) - now
  end
  leases[index] = lease
  admits_all = admits_all and lease.admits
end

if admits_all then
  for index = 1, rate_count do
    -- Without anything counted it says no more than an absent one; a period more for a clock that is set back.
    local ttl_ms = steps[index].if_charged[2] + tonumber(ARGV[first_rate + (index - 1) * 5 + 3])
    redis.call('SET', KEYS[index], steps[index].state, 'PX', text(ttl_ms))
  end
  for index = 1, quota_count do
    local key, quota = KEYS[rate_count + index], quotas[index]
    local slot = slot_of(quota.at)
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
  for index = 1, lease_count do
    hold_lease(leases[index].key, lease_id, leases[index].ms)
    leases[index].live = redis.call('ZCARD', leases[index].key)
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
  reply[#reply + 1] = quotas[index].at
end
for index = 1, lease_count do
  reply[#reply + 1] = leases[index].admits and 1 or 0
  reply[#reply + 1] = leases[index].live
  reply[#reply + 1] = leases[index].retry
end
return reply
