-- Takes one shard for the restoring of a backup, if the shard holds nothing.
--
-- KEYS  1 marker (string)  2.. all other keys that the shard may not have; of the minutes of a long poll a part, after the
--       others were looked for: none is written without the tally or the quarantine
-- ARGV  1 the backup's SHA-256  2 'look', which writes nothing, or 'claim'
-- Returns 'free' (it is taken now, unless this was only a look), 'mine' (it was taken for this backup
-- before), 'other <sha256>' (for another backup) or 'taken <key>'; nothing is written in the last three.

local found = redis.call('GET', KEYS[1])
if found == ARGV[1] then return 'mine' end
if found then return 'other ' .. found end
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return 'taken ' .. KEYS[i] end
end
if ARGV[2] == 'claim' then redis.call('SET', KEYS[1], ARGV[1]) end
return 'free'
