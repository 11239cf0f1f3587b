#!lua flags=allow-oom
-- Writes a poll's sealed result, if there is none. It runs on a full server as well (`allow-oom`): a result has some
-- kilobytes, and a poll that has ended takes no more.
--
-- KEYS  1 the sealed result (string, JSON)
-- ARGV  1 the sealed result
-- Returns 1 if it was written, 0 where there is one already.

if redis.call('SET', KEYS[1], ARGV[1], 'NX') then return 1 end
return 0
