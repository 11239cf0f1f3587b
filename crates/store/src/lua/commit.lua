-- Records one batch of votes of one lane, exactly once. See ARCHITECTURE.md, "A vote's way".
--
-- KEYS  1 state     hash    the fence: state, opens_at, closes_at (milliseconds since the epoch); received_at: when
--                           the latest vote of all batches so far was received, by the clock of its writer
--       2 tally     hash    <channel>/<candidate> -> votes
--       3 minutes   hash    <channel>/<candidate> -> votes of the batch's minute
--       4 writers   hash    <writer>/sequence, <writer>/votes: the ledger; <writer>/drained: the
--                           closes_at for which the writer has nothing left to send; <writer>/lost: the
--                           votes that the lane which began as this writer has counted as lost; ended/writers,
--                           ended/batches, ended/votes: how many writers have ended, their last sequences and their
--                           votes, added up
--       5 replies   hash    <writer> -> <sequence>:<reply>, where the reply was not just 'A'
--       6 late      hash    <channel>/<candidate> -> votes that came after closes_at
--       7 seen      hash    <3 bytes of an idempotency digest> -> records of 16 bytes, the oldest first: the sixteenth
--                           of a key window that it is of, the fingerprint of its vote, 12 other bytes of the digest
--       8 ended     hash    <writer> -> '<sequence> <votes>' of each writer that has ended, whose own fields are
--                           no longer in `writers` then, but <writer>/lost
--       9..         hashes  voter buckets that this batch touches: voter digest -> votes used
-- ARGV  1 writer  2 sequence  3 mode: 'live'; 'replay' of a batch that had been acknowledged, which
--         the fence lets pass while the poll isn't over for good, with ' <writer>/<sequence>' behind it for
--         each writer that it had been acknowledged to before; 'burn' uses the sequence and
--         counts nothing. Four only ask whether <sequence> is the last one here: 'check'; 'try', which,
--         if it is, fails where a batch would fail for want of memory, disk, replicas or rights; 'drain',
--         which marks the writer as drained for the closes_at in ARGV 4 (it sends no
--         vote any more that came before); 'end', which says that it never sends again: its entry goes to `ended`
--       4 earliest and 5 latest time at which a vote of the batch was received, milliseconds
--       6 of a question '<writer>/lost <votes>' where the lane has counted votes as lost, which is noted if it is the
--         last one here, else empty  7 lifetime of `seen` after the latest key, milliseconds
--       8 idempotency digests, 15 bytes per checked vote: the field of `seen`, and what its record ends with; all zero
--         where the vote carries no key
--       9 codes, 2 bytes per checked vote: channel and candidate, the fingerprint held in `seen`
--       10 voter digests, 16 bytes per checked vote, all zero where it has none; empty if none has
--       11 buckets, 2 bytes per checked vote, big-endian: which of KEYS 9.. holds its voter
--       12 the sixteenth of a key window that it is, 2 bytes, big-endian
--       13.. four for each channel and candidate of the batch: field, code, votes that need no
--            check, votes a voter has in that channel (0 = no limit, -1 = the candidate is withdrawn: no
--            checked vote for it counts any more, but one that did before is still a duplicate)
-- Returns one of
--       A<outcomes>               applied
--       L<outcomes>               late: counted as such, not in the tally
--       R<state>;<outcomes>       refused by the fence, nothing counted
--       O                         a replay that is here after all, as an earlier writer's: counted nothing
--       X                         burnt: whatever was sent under this sequence can't apply any more
--       W<state>                  it waits: the shard has no fence, or (a replay) none that takes votes yet
--       S<opens_at>;<closes_at>   the batch spans opens_at or closes_at: send its parts apart
--       V<votes> to a question: it is the last one, and the writer has so many votes on record
--       G<last>  a gap: this server knows the writer only up to <last>; nothing was done
--       B<last>  behind: this server knows the writer beyond this batch; nothing was done
-- <outcomes> has a letter per checked vote (a accepted, d duplicate, m mismatch, l limit reached,
-- w candidate withdrawn, x late, r refused) and is left empty where every vote has the letter of its reply.
--
-- A batch that was evaluated has used its sequence, refused ones too: an attempt that was given
-- up and reaches the server afterwards then finds its sequence taken and does nothing.
--
-- What only says something of the writer ('drain', 'end', 'burn', and a question that has votes to note as lost) is sent with `#!lua flags=allow-oom` in front, and so is
-- done on a full server as well; votes are refused there.
--
-- All that can fail (a key of another type, a command that the ACL user may not run) is read or
-- tried before the first write; so an error means that nothing was written.

local state_key, tally_key, minutes_key, writers_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local replies_key, late_key = KEYS[5], KEYS[6]
local seen_key, ended_key, FIRST_BUCKET = KEYS[7], KEYS[8], 9
local FIRST_PAIR, CHUNK = 13, 1000
local NO_DIGEST, NO_VOTER = string.rep('\0', 12), string.rep('\0', 16)
local FIELD, DIGEST, RECORD = 3, 12, 16
-- A record is found while it is at most so many sixteenths of a key window old, and not after it: ARCHITECTURE.md, "Clocks".
local REMEMBERED, STAMPS = 19, 65536

local writer, sequence, mode = ARGV[1], tonumber(ARGV[2]), string.match(ARGV[3], '^%l+')
local earliest, latest = tonumber(ARGV[4]), tonumber(ARGV[5])
local seen_lifetime = ARGV[7]
local digests, codes, voters, buckets = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local checked, stamp = #codes / 2, ARGV[12]

local ledger = redis.call('HMGET', writers_key, writer .. '/sequence', writer .. '/votes')
-- A writer that the ledger does not name is new, or has ended: then what comes of it came late.
local has_ended = false
if not ledger[1] then
  local entry = redis.call('HGET', ended_key, writer)
  if entry then ledger, has_ended = { string.match(entry, '^(%d+) (%d+)$') }, true end
end
local last, votes_before = tonumber(ledger[1] or '0'), tonumber(ledger[2] or '0')
local asks = mode == 'check' or mode == 'try' or mode == 'drain' or mode == 'end'

-- The ledger's sums of the writers that have ended, with these added.
local function ended_sums(writers, batches, votes)
  local before = redis.call('HMGET', writers_key, 'ended/writers', 'ended/batches', 'ended/votes')
  local function sum(i, added) return string.format('%.0f', tonumber(before[i] or '0') + added) end
  return { 'ended/writers', sum(1, writers), 'ended/batches', sum(2, batches), 'ended/votes', sum(3, votes) }
end

-- A writer that never sends again leaves the ledger, which is read whole at each tick, and stays in `ended`, which is not.
-- Its last reply is known to its lane, or it would not have said so.
local function fold()
  local sums = ended_sums(1, last, votes_before)
  redis.call('HLEN', ended_key)
  redis.call('HDEL', replies_key, writer)
  redis.call('HDEL', writers_key, writer .. '/sequence', writer .. '/votes', writer .. '/drained')
  redis.call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))
  redis.call('HSET', writers_key, unpack(sums))
end

-- Marks a writer whose last batch is here, and notes what its lane has lost. One that has never sent a batch needs no mark.
local function mark()
  local fence = redis.call('HMGET', state_key, 'state', 'closes_at')
  local state = fence[1]
  if state == 'sealed' or state == 'void' then return end
  local lost, votes = string.match(ARGV[6], '^(%x+/lost) (%d+)$')
  -- It only grows: a question may come late.
  if state and lost and tonumber(redis.call('HGET', writers_key, lost) or '0') < tonumber(votes) then
    redis.call('HSET', writers_key, lost, votes)
  end
  if last == 0 or has_ended then return end
  local field = writer .. '/drained'
  if mode == 'end' then
    -- Without a fence it may be a backup that is being written.
    if state then fold() end
  elseif (state == 'open' or state == 'closed') and tonumber(fence[2]) == earliest
    and redis.call('HGET', writers_key, field) ~= ARGV[4] then
    redis.call('HSET', writers_key, field, ARGV[4])
  end
end

-- Whether this server takes writes: one that changes nothing, and that Redis refuses while it is out of memory.
local function try()
  local state = redis.call('HGET', state_key, 'state')
  if state and state ~= 'sealed' and state ~= 'void' then redis.call('HSET', state_key, 'state', state) end
end

if sequence == last and asks then
  if mode == 'try' then try() end
  if mode == 'drain' or mode == 'end' or ARGV[6] ~= '' then mark() end
  return 'V' .. string.format('%.0f', votes_before)
elseif sequence == last then
  local stored = redis.call('HGET', replies_key, writer) or ''
  local prefix = ARGV[2] .. ':'
  if string.sub(stored, 1, #prefix) == prefix then return string.sub(stored, #prefix + 1) end
  return 'A'
elseif sequence < last then
  return 'B' .. string.format('%.0f', last)
elseif sequence > last + 1 or asks then
  return 'G' .. string.format('%.0f', last)
end

local fence = redis.call('HMGET', state_key, 'state', 'opens_at', 'closes_at', 'received_at')
local state, opens_at, closes_at = fence[1], tonumber(fence[2] or '0'), tonumber(fence[3] or '0')
-- Forgotten, with all else of the shard: nothing can be said of a vote, and nothing is written, before it is there again.
if not state then return 'Wabsent' end

-- A poll that is over for good is not written to any more, not even its ledger.
local terminal = state == 'sealed' or state == 'void'

-- A server that had forgotten a whole writer can have it again: an operator has restored a backup.
local is_original = false
if mode == 'replay' then
  for earlier, its_sequence in string.gmatch(ARGV[3], ' (%x+)/(%d+)') do
    local its_last = redis.call('HGET', writers_key, earlier .. '/sequence')
      or string.match(redis.call('HGET', ended_key, earlier) or '0', '^%d+')
    if tonumber(its_last) >= tonumber(its_sequence) then is_original = true end
  end
end

local takes_replays = state == 'open' or state == 'paused' or state == 'closed'
local verdict
if mode == 'burn' and not terminal then
  verdict = 'X'
elseif is_original and takes_replays then
  verdict = 'O'
elseif mode == 'replay' and takes_replays then
  verdict = 'A'
elseif mode == 'replay' and not terminal then
  -- An operator's change was forgotten as well, and will be made again.
  return 'W' .. state
elseif state ~= 'open' and state ~= 'closed' then
  verdict = 'R' .. state .. ';'
elseif latest < opens_at then
  verdict = 'Rnot_open;'
elseif earliest >= closes_at then
  verdict = 'L'
elseif latest >= closes_at or earliest < opens_at then
  verdict = 'S' .. string.format('%.0f;%.0f', opens_at, closes_at)
else
  verdict = 'A'
end
local kind = string.sub(verdict, 1, 1)

-- Records without those that are too old. One of a clock that is ahead, or of a batch that was made again, is not.
local now_high, now_low = string.byte(stamp, 1, 2)
local function without_old(records)
  local first, size = 1, #records
  while first < size do
    local high, low = string.byte(records, first, first + 1)
    local age = ((now_high - high) * 256 + now_low - low) % STAMPS
    if age <= REMEMBERED or age >= STAMPS / 2 then break end
    first = first + RECORD
  end
  -- Each string that Lua makes is hashed whole.
  return first == 1 and records or string.sub(records, first)
end

-- The records of earlier batches in the fields of `seen` that this one's keys are in, and then this one's as well.
local fields, before, seen, field_of, digest_of = {}, {}, {}, {}, {}
local function look_up()
  local size = FIELD + DIGEST
  for i = 1, checked do
    local digest = string.sub(digests, i * size - DIGEST + 1, i * size)
    if digest ~= NO_DIGEST then
      local field = string.sub(digests, i * size - size + 1, i * size - DIGEST)
      field_of[i], digest_of[i] = field, digest
      if not seen[field] then
        seen[field] = ''
        fields[#fields + 1] = field
      end
    end
  end
  for from = 1, #fields, CHUNK do
    local found = redis.call('HMGET', seen_key, unpack(fields, from, math.min(from + CHUNK - 1, #fields)))
    for i = 1, #found do
      local field, records = fields[from + i - 1], without_old(found[i] or '')
      before[field], seen[field] = records, records
    end
  end
end

-- The fingerprint that is held for a digest, if any.
local function fingerprint_in(records, digest)
  if records == '' then return end
  local at = string.find(records, digest, 1, true)
  -- It may be in the midst of two records, though hardly ever.
  while at and at % RECORD ~= RECORD - DIGEST + 1 do at = string.find(records, digest, at + 1, true) end
  return at and string.sub(records, at - 2, at - 1)
end

local outcome_letter = { A = 'a', L = 'x', R = 'r', S = 'r' }
local letter = outcome_letter[kind]
local outcomes, plain_outcomes = {}, true
local votes_by_code, accepted = {}, {}
local used, new_used = {}, {}
local limit_by_code, field_by_code = {}, {}
local pairs_in_batch = {}
for i = FIRST_PAIR, #ARGV, 4 do
  local code, votes = ARGV[i + 1], tonumber(ARGV[i + 2])
  field_by_code[code] = ARGV[i]
  limit_by_code[code] = tonumber(ARGV[i + 3])
  votes_by_code[code] = votes
  pairs_in_batch[#pairs_in_batch + 1] = code
end

if checked > 0 and kind ~= 'S' and kind ~= 'X' and kind ~= 'O' then
  look_up()
  local function votes_used(bucket, voter)
    local id = bucket .. voter
    if used[id] == nil then used[id] = tonumber(redis.call('HGET', bucket, voter) or '0') end
    return used[id], id
  end
  for i = 1, checked do
    local field, digest = field_of[i], digest_of[i]
    local code = string.sub(codes, i * 2 - 1, i * 2)
    local fingerprint = digest and fingerprint_in(seen[field], digest)
    local outcome = letter
    if fingerprint == code then
      outcome = 'd'
    elseif fingerprint then
      outcome = 'm'
    elseif kind == 'A' then
      local voter = #voters > 0 and string.sub(voters, i * 16 - 15, i * 16) or NO_VOTER
      local limit = limit_by_code[code]
      if limit < 0 then
        outcome = 'w'
      elseif voter ~= NO_VOTER and limit > 0 then
        local high, low = string.byte(buckets, i * 2 - 1, i * 2)
        local bucket = KEYS[FIRST_BUCKET + high * 256 + low]
        local votes, id = votes_used(bucket, voter)
        if votes >= limit then
          outcome = 'l'
        else
          used[id] = votes + 1
          new_used[id] = { bucket, voter }
        end
      end
      if outcome == 'a' then
        votes_by_code[code] = votes_by_code[code] + 1
        if digest then
          seen[field] = seen[field] .. stamp .. code .. digest
        end
      end
    elseif kind == 'L' then
      votes_by_code[code] = votes_by_code[code] + 1
    end
    if outcome ~= letter then plain_outcomes = false end
    outcomes[i] = outcome
  end
end

local reply = verdict
if not plain_outcomes then reply = verdict .. table.concat(outcomes) end
if terminal then return reply end

-- What a hash will hold with the batch's votes of each channel and candidate: one read and one write
-- per hash, however many candidates it has. Figures are whole numbers far below 2^53, which Lua's
-- doubles hold exactly.
local function sums(key)
  local fields, added, total = {}, {}, 0
  for i = 1, #pairs_in_batch do
    local code = pairs_in_batch[i]
    if votes_by_code[code] > 0 then
      fields[#fields + 1] = field_by_code[code]
      added[#added + 1] = votes_by_code[code]
      total = total + votes_by_code[code]
    end
  end
  if total == 0 then return {}, 0 end
  local before = redis.call('HMGET', key, unpack(fields))
  local write = {}
  for i = 1, #fields do
    write[i * 2 - 1] = fields[i]
    write[i * 2] = string.format('%.0f', tonumber(before[i] or '0') + added[i])
  end
  return write, total
end

local tally, minutes, late, total = {}, {}, {}, 0
if kind == 'A' then
  tally, total = sums(tally_key)
  minutes = sums(minutes_key)
elseif kind == 'L' then
  late = sums(late_key)
end
if reply ~= 'A' then redis.call('HLEN', replies_key) end

-- The first write. From here on nothing fails any more. It must be one that Redis refuses while it is
-- out of memory: after any other one (a PEXPIRE) it would take all the rest as well, beyond `maxmemory`.
local votes_now = string.format('%.0f', votes_before + total)
if has_ended then
  -- What its process had left behind, or an attempt that nobody knew of.
  local sums = ended_sums(0, 1, total)
  redis.call('HSET', ended_key, writer, ARGV[2] .. ' ' .. votes_now)
  redis.call('HSET', writers_key, unpack(sums))
else
  redis.call('HSET', writers_key, writer .. '/sequence', ARGV[2], writer .. '/votes', votes_now)
end
if latest > tonumber(fence[4] or '0') then redis.call('HSET', state_key, 'received_at', ARGV[5]) end
if reply ~= 'A' then redis.call('HSET', replies_key, writer, ARGV[2] .. ':' .. reply) end
if #tally > 0 then redis.call('HSET', tally_key, unpack(tally)) end
if #minutes > 0 then redis.call('HSET', minutes_key, unpack(minutes)) end
if #late > 0 then redis.call('HSET', late_key, unpack(late)) end
local changed = {}
for i = 1, #fields do
  local field = fields[i]
  if seen[field] ~= before[field] then
    changed[#changed + 1] = field
    changed[#changed + 1] = seen[field]
  end
end
for from = 1, #changed, CHUNK * 2 do
  redis.call('HSET', seen_key, unpack(changed, from, math.min(from + CHUNK * 2 - 1, #changed)))
end
if #changed > 0 then redis.call('PEXPIRE', seen_key, seen_lifetime) end
for id, place in pairs(new_used) do
  redis.call('HSET', place[1], place[2], used[id])
end
return reply
