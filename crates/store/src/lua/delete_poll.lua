#!lua flags=allow-oom
-- Removes the document of a draft, if it is still at the revision at which it was marked as being deleted. It is given a
-- lifetime that is over at once, and not deleted: so the operator's user needs no right to delete documents. It runs on a full
-- server as well (`allow-oom`): it makes room.
--
-- KEYS  1 the poll's document (string, JSON with a number `revision` and a text `state`)
-- ARGV  1 the revision expected
-- Returns the revision found: 0 where there is no document, the expected one if it was removed.

local found = redis.call('GET', KEYS[1])
if not found then return 0 end
local poll = cjson.decode(found)
if poll.revision == tonumber(ARGV[1]) and poll.state == 'draft' then
  redis.call('SET', KEYS[1], found, 'PX', 1)
end
return poll.revision
