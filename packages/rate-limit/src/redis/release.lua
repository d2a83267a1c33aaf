-- Gives the leases of one id back. What is not held, or not any more, is no error.
--
-- KEYS  the leases' keys; all in one slot
-- ARGV  id

for index = 1, #KEYS do
  redis.call('ZREM', KEYS[index], ARGV[1])
end
return 1
