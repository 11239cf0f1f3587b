-- Writes a part of a backup to hashes of a shard that was taken for it. It can be repeated: the values
-- are the same each time, and nothing counts in the shard before it has its fence.
--
-- KEYS  1 marker (string)  2.. hashes
-- ARGV  1 the backup's SHA-256, then for each hash how many fields and values follow, and those; of all hashes at most
--         some thousand (Lua's `unpack` has a limit, and Redis others to serve)
-- Returns 'ok', or 'gone' where the shard is not taken for this backup (any more); nothing is written then.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'gone' end
local from = 2
for i = 2, #KEYS do
  local to = from + tonumber(ARGV[from])
  redis.call('HSET', KEYS[i], unpack(ARGV, from + 1, to))
  from = to + 1
end
return 'ok'
