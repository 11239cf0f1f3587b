-- Claims an idempotency key in a shard that its vote does not go to any more. From then on no batch counts a vote with the key there, also
-- one that is still on its way. A vote of it that is recorded is found, and nothing is changed.
--
-- KEYS  1 state    hash  the fence (see commit.lua)
--       2 seen     hash  <3 bytes of a keyed hash of an idempotency digest> -> records of 16 bytes
-- ARGV  1 the key's field of `seen`  2 12 bytes of its digest  3 the sixteenth of a key window that it is, 2 bytes, big-endian
--       4 lifetime of `seen` after the latest key, milliseconds
-- Returns the code of the vote that is recorded with the key (2 bytes), '' where it is claimed, by this call or one before, and 'W' where
-- the shard has no fence: then nothing can be said of a vote.

local RECORD, DIGEST_AT, CLAIM = 16, 5, '\255\255'

if not redis.call('HGET', KEYS[1], 'state') then return 'W' end

local records = redis.call('HGET', KEYS[2], ARGV[1]) or ''
local at = string.find(records, ARGV[2], 1, true)
-- It may be in the midst of two records, though hardly ever.
while at and at % RECORD ~= DIGEST_AT do at = string.find(records, ARGV[2], at + 1, true) end
if at then
  local code = string.sub(records, at - 2, at - 1)
  return code == CLAIM and '' or code
end
redis.call('HSET', KEYS[2], ARGV[1], records .. ARGV[3] .. CLAIM .. ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return ''
