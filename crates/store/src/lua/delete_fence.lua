-- Removes the fence of one shard of a draft that is being deleted. Any other fence stays: the poll has been opened, or
-- is another one.
--
-- KEYS  1 state hash
-- ARGV  1 the draft's revision
-- Returns '' where there is no fence any more, or the state of the one that stays.

local found = redis.call('HMGET', KEYS[1], 'state', 'revision')
local state, revision = found[1], tonumber(found[2] or '0')
if not state then return '' end
if state ~= 'draft' or revision > tonumber(ARGV[1]) then return state end
redis.call('HDEL', KEYS[1], 'state', 'opens_at', 'closes_at', 'revision')
return ''
