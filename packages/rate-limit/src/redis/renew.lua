-- Renews the leases of one id, all of them or none.
--
-- KEYS  the leases' keys; all in one slot
-- ARGV  id; per lease: limit, leaseMs
-- Reply 1 renewed, 0 lost: at least one is somebody else's by now, and the others were given back

local id = ARGV[1]
local holds_all = true
for index = 1, #KEYS do
  local live = live_leases(KEYS[index])
  -- A server that lost its data gives a lease back to its holder, as long as there is room.
  local holds = redis.call('ZSCORE', KEYS[index], id) or live < tonumber(ARGV[index * 2])
  holds_all = holds_all and holds
end
for index = 1, #KEYS do
  if holds_all then
    hold_lease(KEYS[index], id, tonumber(ARGV[index * 2 + 1]))
  else
    redis.call('ZREM', KEYS[index], id)
  end
end
return holds_all and 1 or 0
