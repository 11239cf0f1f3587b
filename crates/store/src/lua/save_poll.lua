#!lua flags=allow-oom
-- Replaces a poll's document if it is still the revision that the change was made from. It runs on a full server as well
-- (`allow-oom`): a changed poll takes hardly more room than before. A new one is not written by this.
--
-- KEYS  1 the poll's document (string, JSON with a number `revision`)
-- ARGV  1 the revision expected  2 the new document
-- Returns the revision found: the expected one if the document was written, 0 where there is none.

local found = redis.call('GET', KEYS[1])
local revision = 0
if found then revision = cjson.decode(found).revision end
if found and revision == tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[2]) end
return revision
