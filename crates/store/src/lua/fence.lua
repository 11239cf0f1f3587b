#!lua flags=allow-oom
-- Writes the fence of one shard. A fence that is over for good (sealed, void) is never lifted,
-- and an older revision never overwrites a newer one, so repeating a half-done change is safe. Only void follows on sealed:
-- neither takes votes, and void is written only where the poll's document is void, so that no sealing can be finished any
-- more. It changes little, and so runs on a full server as well (`allow-oom`): a poll can be paused and closed there.
--
-- KEYS  1 state hash
-- ARGV  1 state  2 opens_at  3 closes_at (milliseconds since the epoch)  4 revision
--       5 'replace': only where there is a fence (optional)
-- Returns 'ok', 'absent', 'terminal <state>' or 'newer <revision>'; nothing is written in the last three.

local found = redis.call('HMGET', KEYS[1], 'state', 'revision')
local state, revision = found[1], tonumber(found[2] or '0')
if ARGV[5] == 'replace' and not state then return 'absent' end
local terminal = state == 'void' or (state == 'sealed' and ARGV[1] ~= 'void')
if terminal and state ~= ARGV[1] then
  return 'terminal ' .. state
end
if revision > tonumber(ARGV[4]) then
  return 'newer ' .. string.format('%.0f', revision)
end
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'opens_at', ARGV[2], 'closes_at', ARGV[3], 'revision', ARGV[4])
return 'ok'
