-- Writes a part of a backup to one hash of a shard that was taken for it. It can be repeated: the values
-- are the same each time, and nothing counts in the shard before it has its fence.
--
-- KEYS  1 marker (string)  2 the hash
-- ARGV  1 the backup's SHA-256  2.. fields and values, at most some thousand (Lua's `unpack` has a limit)
-- Returns 'ok', or 'gone' where the shard is not taken for this backup (any more); nothing is written then.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'gone' end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 'ok'
