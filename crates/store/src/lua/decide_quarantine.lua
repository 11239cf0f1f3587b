-- Decides of votes of one shard that were set aside as suspect: all undecided ones of some reasons in some minutes are released
-- into tally and minutes, or annulled. What is undecided leaves that place in the same step, so each vote is decided once,
-- whoever repeats the call, and whoever decides at the same time. The ledger has the votes already, of the writer that has
-- recorded them. Here it is told that the figures have changed, by a batch without votes: it is that of a writer that has
-- ended, so that nobody waits for it.
--
-- KEYS  1 state  2 tally  3 writers  4 ended  5 quarantine: hashes, as in commit.lua
--       6.. of each minute two hashes: its quarantine, its votes; so few minutes that a call takes Redis a millisecond or two
-- ARGV  1 the writer that stands for the decision  2 fate: 'released' or 'annulled'  3.. reasons
-- Returns how many votes were decided of, or, where nothing was done, 'absent' where the shard has no fence, or the state of a
-- fence that lets nobody decide any more, or not yet.
--
-- All that can fail is read before the first write.

local call = redis.call
local state_key, tally_key, writers_key, ended_key, quarantine_key = unpack(KEYS, 1, 5)
local writer, fate = ARGV[1], ARGV[2]

local state = call('HGET', state_key, 'state')
if not state then return 'absent' end
if state ~= 'open' and state ~= 'paused' and state ~= 'closed' then return state end

local is_wanted = {}
for i = 3, #ARGV do is_wanted[ARGV[i]] = true end

-- To be written, for each hash the fields with their new values; and what of each hash was read.
local values_of, decided = {}, 0
local function add(key, field, votes)
  local values = values_of[key]
  if not values then
    values = {}
    values_of[key] = values
  end
  values[field] = (values[field] or (call('HGET', key, field) or 0) + 0) + votes
end

for i = 6, #KEYS, 2 do
  local found = call('HGETALL', KEYS[i])
  for j = 1, #found, 2 do
    local field, votes = found[j], found[j + 1] + 0
    local reason, pair = string.match(field, '^undecided/([^/]+)/(.+)$')
    if reason and is_wanted[reason] and votes > 0 then
      local decided_field = fate .. '/' .. reason .. '/' .. pair
      for _, key in ipairs({ KEYS[i], quarantine_key }) do
        add(key, field, -votes)
        add(key, decided_field, votes)
      end
      if fate == 'released' then
        add(KEYS[i + 1], pair, votes)
        add(tally_key, pair, votes)
      end
      decided = decided + votes
    end
  end
end
if decided == 0 then return '0' end

local entry = call('HGET', ended_key, writer)
local batches = entry and string.match(entry, '^(%d+) ') + 1 or 1
local sums = call('HMGET', writers_key, 'ended/writers', 'ended/batches', 'ended/votes')
local all_batches = call('HGET', state_key, 'batches')

-- The first write is one that Redis refuses while it is out of memory.
for key, values in pairs(values_of) do
  for field, votes in pairs(values) do call('HSET', key, field, votes) end
end
call('HSET', ended_key, writer, string.format('%.0f 0', batches))
if all_batches then call('HSET', state_key, 'batches', all_batches + 1) end
call('HSET', writers_key, 'ended/writers', (sums[1] or 0) + (entry and 0 or 1), 'ended/batches', (sums[2] or 0) + 1,
  'ended/votes', (sums[3] or 0) + 0)
return string.format('%.0f', decided)
