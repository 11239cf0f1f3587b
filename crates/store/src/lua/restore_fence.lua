-- Gives the fence to a shard that has all of a backup, and gives the shard free.
--
-- KEYS  1 marker (string)  2 state hash
-- ARGV  1 the backup's SHA-256  2 state  3 opens_at  4 closes_at (milliseconds since the epoch)  5 revision
--       6 the last sequences of all writers, added up: how many batches there were (commit.lua)
-- Returns 'ok', 'fenced' where it has a fence already, or 'gone' where it is not taken for this backup (any
-- more); nothing is written in the last two.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'gone' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'fenced' end
-- The first write is one that Redis refuses while it is out of memory.
redis.call('HSET', KEYS[2], 'state', ARGV[2], 'opens_at', ARGV[3], 'closes_at', ARGV[4], 'revision', ARGV[5],
  'batches', ARGV[6])
redis.call('DEL', KEYS[1])
return 'ok'
