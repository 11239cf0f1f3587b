#!lua flags=allow-oom
-- Says for a while that a draft was deleted. It runs on a full server as well (`allow-oom`).
--
-- KEYS  1 the mark (string)
-- ARGV  1 when the draft was made  2 for how many seconds it is said
-- Returns 1.

redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
