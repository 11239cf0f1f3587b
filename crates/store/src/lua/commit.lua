-- Records one batch of votes of one lane, exactly once. See ARCHITECTURE.md, "A vote's way".
--
-- KEYS  1 state     hash    the fence: state, opens_at, closes_at (milliseconds since the epoch); received_at: when
--                           the latest vote of all batches so far was received, by the clock of its writer; batches: how
--                           many there were, which are the last sequences of all writers added up, ended ones too; joined:
--                           the 32 writers that came into the ledger last, the newest first, each with a space behind it
--       2 tally     hash    <channel>/<candidate> -> votes
--       3 minutes   hash    <channel>/<candidate> -> votes of the batch's minute
--       4 writers   hash    <writer>/sequence, <writer>/votes: the ledger; <writer>/drained: the
--                           closes_at for which the writer has nothing left to send; <writer>/lost: the
--                           votes that the lane which began as this writer has counted as lost; ended/writers,
--                           ended/batches, ended/votes: how many writers have ended, their last sequences and their
--                           votes, added up
--       5 replies   hash    <writer> -> <sequence>:<reply>, where the reply was not just 'A'
--       6 late      hash    <channel>/<candidate> -> votes that came after closes_at
--       7 seen      hash    <3 bytes of a keyed hash of an idempotency digest> -> records of 16 bytes, the oldest first: the
--                           sixteenth of a key window that it is of, the fingerprint of its vote, 12 bytes of the digest
--       8 ended     hash    <writer> -> '<sequence> <votes>' of each writer that has ended, whose own fields are
--                           no longer in `writers` then, but <writer>/lost
--       9..         hashes  voter buckets that this batch touches: 12 bytes of a voter digest -> votes used
--       the last two, only of a batch with votes that are set aside as suspect (ARGV 6):
--          quarantine         hash    <fate>/<reason>/<channel>/<candidate> -> votes
--          quarantine:minute  hash    the same of the batch's minute
-- ARGV  1 writer  2 sequence  3 mode: 'live'; 'replay' of a batch that had been acknowledged, which
--         the fence lets pass while the poll isn't over for good, with ' <writer>/<sequence>' behind it for
--         each writer that it had been acknowledged to before; 'burn' uses the sequence and
--         counts nothing. Four only ask whether <sequence> is the last one here: 'check'; 'try', which,
--         if it is, fails where a batch would fail for want of memory, disk, replicas or rights; 'drain',
--         which marks the writer as drained for the closes_at in ARGV 4 (it sends no
--         vote any more that came before); 'end', which says that it never sends again: its entry goes to `ended`
--       4 earliest and 5 latest time at which a vote of the batch was received, milliseconds
--       6 of a question '<writer>/lost <votes>' where the lane has counted votes as lost, which is noted if it is the
--         last one here. Of a batch with votes that are set aside: how many of its channels and candidates are those of
--         such votes, the last of all, 2 bytes; then of each such vote 4 bytes: which checked vote it is, and which of
--         all channels and candidates it counts for, both from 0. All big-endian. Else empty
--       7 lifetime of `seen` after the latest key, milliseconds
--       8 the sixteenth of a key window that it is, 2 bytes, big-endian
--       9 12 bytes of a voter digest per checked vote, all zero where it has none; empty if none has
--       10 buckets, 2 bytes per checked vote, big-endian: which of KEYS 9.. holds its voter
--       11 2 bytes for each checked vote whose field of `seen` another one has as well, big-endian: which, from 0
--       12 p, how many channels and candidates the batch has  13 k, how many checked votes; 0 where none carries a key
--       14.. of each channel and candidate, first all p of the one kind, then all of the next: field, which of votes that
--         are set aside is 'undecided/<reason>/<channel>/<candidate>'; code, 2 bytes;
--         votes, checked ones included; votes a voter has in that channel (0 = no limit, -1 = the candidate is
--         withdrawn: no checked vote for it counts any more, but one that did before is still a duplicate)
--       .. of each of the k checked votes its field of `seen`, empty where it carries no key
--       .. of each checked vote its record in `seen`: ARGV 8, its code, which is the fingerprint, and, where it
--         carries a key, what is held of that
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
-- Votes that are set aside are judged and answered as all others are; those that count do so in the quarantine, and among
-- the writer's, and not in tally and minutes. A key is the same whether its vote was set aside or not.
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
-- tried before the first write; so an error means that nothing was written. The first one must be one that Redis refuses while it is
-- out of memory: after any other one (a PEXPIRE) it would take all the rest as well, beyond `maxmemory`.

-- A table, a closure or a string made of bytes costs about as much as reading a field. So what few batches need is made in
-- their branches, and what few votes need is made for them alone. Arithmetic makes numbers of strings, and Redis makes strings
-- of numbers: exactly, for they are whole and far below 2^53.

local call, KEYS, ARGV = redis.call, KEYS, ARGV
local state_key, writers_key, replies_key, seen_key, ended_key = KEYS[1], KEYS[4], KEYS[5], KEYS[7], KEYS[8]
local FIRST_BUCKET, CHUNK = 9, 128

local writer, sequence, mode = ARGV[1], ARGV[2] + 0, ARGV[3]
local asks = false
if mode ~= 'live' then
  mode = string.match(mode, '^%l+')
  asks = mode == 'check' or mode == 'try' or mode == 'drain' or mode == 'end'
end
local sequence_field, votes_field = writer .. '/sequence', writer .. '/votes'

local ledger = call('HMGET', writers_key, sequence_field, votes_field)
-- A writer that the ledger does not name is new, or has ended: then what comes of it came late.
local has_ended = false
if not ledger[1] then
  local entry = call('HGET', ended_key, writer)
  if entry then ledger, has_ended = { string.match(entry, '^(%d+) (%d+)$') }, true end
end
local last, votes_before = (ledger[1] or 0) + 0, (ledger[2] or 0) + 0

local ended_sums
if asks or has_ended then
  -- The ledger's sums of the writers that have ended, with these added.
  function ended_sums(writers, batches, votes)
    local before = call('HMGET', writers_key, 'ended/writers', 'ended/batches', 'ended/votes')
    local function sum(i, added) return (before[i] or 0) + added end
    return { 'ended/writers', sum(1, writers), 'ended/batches', sum(2, batches), 'ended/votes', sum(3, votes) }
  end
end

if sequence == last and asks then
  -- A writer that never sends again leaves the ledger, which is read whole at each tick, and stays in `ended`, which is not.
  -- Its last reply is known to its lane, or it would not have said so.
  local function fold()
    local sums = ended_sums(1, last, votes_before)
    call('HLEN', ended_key)
    call('HDEL', replies_key, writer)
    call('HDEL', writers_key, sequence_field, votes_field, writer .. '/drained')
    call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))
    call('HSET', writers_key, unpack(sums))
  end

  -- Marks a writer whose last batch is here, and notes what its lane has lost. One that has never sent a batch needs no mark.
  local function mark()
    local fence = call('HMGET', state_key, 'state', 'closes_at')
    local state = fence[1]
    if state == 'sealed' or state == 'void' then return end
    local lost, votes = string.match(ARGV[6], '^(%x+/lost) (%d+)$')
    -- It only grows: a question may come late.
    if state and lost and tonumber(call('HGET', writers_key, lost) or '0') < tonumber(votes) then
      call('HSET', writers_key, lost, votes)
    end
    if last == 0 or has_ended then return end
    local field = writer .. '/drained'
    if mode == 'end' then
      -- Without a fence it may be a backup that is being written.
      if state then fold() end
    elseif (state == 'open' or state == 'closed') and tonumber(fence[2]) == tonumber(ARGV[4])
      and call('HGET', writers_key, field) ~= ARGV[4] then
      call('HSET', writers_key, field, ARGV[4])
    end
  end

  -- Whether this server takes writes: one that changes nothing, and that Redis refuses while it is out of memory.
  local function try()
    local state = call('HGET', state_key, 'state')
    if state and state ~= 'sealed' and state ~= 'void' then call('HSET', state_key, 'state', state) end
  end

  if mode == 'try' then try() end
  if mode == 'drain' or mode == 'end' or ARGV[6] ~= '' then mark() end
  return 'V' .. string.format('%.0f', votes_before)
elseif sequence == last then
  local stored = call('HGET', replies_key, writer) or ''
  local prefix = ARGV[2] .. ':'
  if string.sub(stored, 1, #prefix) == prefix then return string.sub(stored, #prefix + 1) end
  return 'A'
elseif sequence < last then
  return 'B' .. string.format('%.0f', last)
elseif sequence > last + 1 or asks then
  return 'G' .. string.format('%.0f', last)
end

local earliest, latest = ARGV[4] + 0, ARGV[5] + 0
local fence = call('HMGET', state_key, 'state', 'opens_at', 'closes_at', 'received_at', 'batches')
local state, opens_at, closes_at, received_at = fence[1], (fence[2] or 0) + 0, (fence[3] or 0) + 0, (fence[4] or 0) + 0
-- Forgotten, with all else of the shard: nothing can be said of a vote, and nothing is written, before it is there again.
if not state then return 'Wabsent' end

-- A poll that is over for good is not written to any more, not even its ledger.
local terminal = state == 'sealed' or state == 'void'
local takes_replays = state == 'open' or state == 'paused' or state == 'closed'

-- A server that had forgotten a whole writer can have it again: an operator has restored a backup.
local is_original = false
if mode == 'replay' then
  for earlier, its_sequence in string.gmatch(ARGV[3], ' (%x+)/(%d+)') do
    local its_last = call('HGET', writers_key, earlier .. '/sequence')
      or string.match(call('HGET', ended_key, earlier) or '0', '^%d+')
    if tonumber(its_last) >= tonumber(its_sequence) then is_original = true end
  end
end

local kind, reply
if mode == 'burn' and not terminal then
  kind = 'X'
elseif is_original and takes_replays then
  kind = 'O'
elseif mode == 'replay' and takes_replays then
  kind = 'A'
elseif mode == 'replay' and not terminal then
  -- An operator's change was forgotten as well, and will be made again.
  return 'W' .. state
elseif state ~= 'open' and state ~= 'closed' then
  kind, reply = 'R', 'R' .. state .. ';'
elseif latest < opens_at then
  kind, reply = 'R', 'Rnot_open;'
elseif earliest >= closes_at then
  kind = 'L'
elseif latest >= closes_at or earliest < opens_at then
  kind, reply = 'S', string.format('S%.0f;%.0f', opens_at, closes_at)
else
  kind = 'A'
end
reply = reply or kind

-- How many channels and candidates are those of votes that are set aside.
local aside, aside_count = ARGV[6], 0
if aside ~= '' then
  local high, low = string.byte(aside, 1, 2)
  aside_count = high * 256 + low
end

-- Where in ARGV the columns begin: each is the place before its first.
local pair_count, key_count = ARGV[12] + 0, ARGV[13] + 0
local PAIR_FIELDS = 13
local PAIR_CODES, PAIR_VOTES, PAIR_LIMITS = 13 + pair_count, 13 + 2 * pair_count, 13 + 3 * pair_count
local SEEN_FIELDS = 13 + 4 * pair_count
local RECORDS = SEEN_FIELDS + key_count
local checked = #ARGV - RECORDS

-- The hashes that the batch's votes are added to: tally and minute, or `late`.
local counts_key, minutes_key
if kind == 'A' then
  counts_key, minutes_key = KEYS[2], KEYS[3]
elseif kind == 'L' then
  counts_key = KEYS[6]
end
local counted = pair_count - aside_count

-- What they hold, and what else is read before the first write: one read and one write per hash, however many candidates it has.
-- The fields of `seen` and the voters' buckets follow below.
local counts_before, minutes_before, quarantine_key, quarantine_minute_key, quarantine_before, quarantine_minute_before
if counts_key and counted > 0 then
  counts_before = call('HMGET', counts_key, unpack(ARGV, PAIR_FIELDS + 1, PAIR_FIELDS + counted))
  minutes_before = minutes_key and call('HMGET', minutes_key, unpack(ARGV, PAIR_FIELDS + 1, PAIR_FIELDS + counted))
end
if minutes_key and aside_count > 0 then
  quarantine_key, quarantine_minute_key = KEYS[#KEYS - 1], KEYS[#KEYS]
  quarantine_before = call('HMGET', quarantine_key, unpack(ARGV, PAIR_FIELDS + counted + 1, PAIR_CODES))
  quarantine_minute_before = call('HMGET', quarantine_minute_key, unpack(ARGV, PAIR_FIELDS + counted + 1, PAIR_CODES))
elseif counts_key and aside_count > 0 then
  call('HLEN', counts_key)
end
local joined = not terminal and not ledger[1] and writer .. ' ' .. (call('HGET', state_key, 'joined') or '')

-- To be written: fields of `seen`, each with its records behind it; and buckets, each with a voter and with the votes that the
-- voter has used then. By code, or of those that are set aside by the place of their channel and candidate, the checked votes
-- that do not count.
local changed, spent, uncounted, is_seen = {}, nil, nil, false

if checked > 0 and kind ~= 'S' and kind ~= 'X' and kind ~= 'O' then
  local sub, byte, find = string.sub, string.byte, string.find
  local RECORD, DIGEST_AT = 16, 5
  -- A record is found while it is at most so many sixteenths of a key window old, and not after it: ARCHITECTURE.md, "Clocks".
  local REMEMBERED, STAMPS, HALF_OF_THEM = 19, 65536, 32768
  local now_high, now_low = byte(ARGV[8], 1, 2)
  local now = now_high * 256 + now_low
  local letter = kind == 'A' and 'a' or kind == 'L' and 'x' or 'r'

  -- Records without those that are too old. One of a clock that is ahead, or of a batch that was made again, is not.
  local function without_old(records)
    local first, size = 1, #records
    while first < size do
      local high, low = byte(records, first, first + 1)
      local age = (now - high * 256 - low) % STAMPS
      if age <= REMEMBERED or age >= HALF_OF_THEM then break end
      first = first + RECORD
    end
    return sub(records, first)
  end

  -- By code, the limits that there are; and what comes of a vote that has one.
  local limits, outcome_by_limit
  if kind == 'A' then
    for i = 1, pair_count do
      if ARGV[PAIR_LIMITS + i] ~= '0' then
        limits = limits or {}
        limits[ARGV[PAIR_CODES + i]] = ARGV[PAIR_LIMITS + i] + 0
      end
    end
  end
  if limits then
    local voters, buckets, place_of = ARGV[9], ARGV[10], {}
    function outcome_by_limit(i, code)
      local limit = limits[code]
      if not limit then return 'a' end
      if limit < 0 then return 'w' end
      local voter = sub(voters, i * 12 - 11, i * 12)
      if voter == '' or voter == '\0\0\0\0\0\0\0\0\0\0\0\0' then return 'a' end
      local high, low = byte(buckets, i * 2 - 1, i * 2)
      local bucket = KEYS[FIRST_BUCKET + high * 256 + low]
      local id = bucket .. voter
      local place = place_of[id]
      local used = place and spent[place] or (call('HGET', bucket, voter) or 0) + 0
      if used >= limit then return 'l' end
      if not place then
        spent = spent or {}
        place = #spent + 3
        spent[place - 2], spent[place - 1] = bucket, voter
        place_of[id] = place
      end
      spent[place] = used + 1
      return 'a'
    end
  end

  -- The next vote whose field of `seen` another one has as well, and where in `changed` the records of such fields are.
  local shared, shared_at, next_shared, place_of = ARGV[11], -1, nil, nil
  local function find_next_shared()
    shared_at = shared_at + 2
    local high, low = byte(shared, shared_at, shared_at + 1)
    next_shared = high and high * 256 + low + 1
  end
  if shared ~= '' then
    place_of = {}
    find_next_shared()
  end
  local size, found, outcomes, pair_of = 0, {}, nil, nil
  if aside_count > 0 then
    pair_of = {}
    for at = 3, #aside, 4 do
      local vote_high, vote_low, high, low = byte(aside, at, at + 3)
      pair_of[vote_high * 256 + vote_low + 1] = high * 256 + low + 1
    end
  end
  -- The records of many votes are written in the pieces in which they are read, while what was looked up is still in the processor's
  -- caches: with two million keys a thousand take three quarters of the time then. Not where buckets are read as well, which may fail.
  local in_pieces = checked > CHUNK and not outcome_by_limit
  if in_pieces then call('HLEN', replies_key) end
  for from = 1, checked, CHUNK do
    local to, before = math.min(from + CHUNK - 1, checked), from - 1
    if key_count > 0 then found = call('HMGET', seen_key, unpack(ARGV, SEEN_FIELDS + from, SEEN_FIELDS + to)) end
    for i = from, to do
      local record, records, outcome, place = ARGV[RECORDS + i], found[i - before], letter, nil
      if i == next_shared then
        place = place_of[ARGV[SEEN_FIELDS + i]] or 0
        if place > 0 then records = changed[place] end
        find_next_shared()
      end
      if records then
        local high, low = byte(records, 1, 2)
        local age = (now - high * 256 - low) % STAMPS
        if age > REMEMBERED and age < HALF_OF_THEM then records = without_old(records) end
        local digest = sub(record, DIGEST_AT)
        local at = find(records, digest, 1, true)
        -- It may be in the midst of two records, though hardly ever.
        while at and at % RECORD ~= DIGEST_AT do at = find(records, digest, at + 1, true) end
        if at then outcome = sub(records, at - 2, at - 1) == sub(record, 3, 4) and 'd' or 'm' end
      end
      if outcome_by_limit and outcome == 'a' then outcome = outcome_by_limit(i, sub(record, 3, 4)) end
      if outcome == 'a' then
        if #record == RECORD then
          if records then record = records .. record end
          if place and place > 0 then
            changed[place] = record
          else
            changed[size + 1] = ARGV[SEEN_FIELDS + i]
            size = size + 2
            changed[size] = record
            if place then place_of[ARGV[SEEN_FIELDS + i]] = size end
          end
        end
      elseif outcome ~= letter then
        outcomes, uncounted = outcomes or {}, uncounted or {}
        outcomes[i] = outcome
        local code = pair_of and pair_of[i] or sub(record, 3, 4)
        uncounted[code] = (uncounted[code] or 0) + 1
      end
    end
    if in_pieces and to < checked and size > 0 then
      call('HSET', seen_key, unpack(changed))
      is_seen, changed, size = true, {}, 0
      -- The next piece reads what this one has written.
      if place_of then place_of = {} end
    end
  end
  if outcomes then
    for i = 1, checked do outcomes[i] = outcomes[i] or letter end
    reply = reply .. table.concat(outcomes)
  end
end
if terminal then return reply end

-- What the hashes will hold with the batch's votes of each channel and candidate.
local counts, minutes, total = {}, {}, 0
if counts_before then
  local size = 0
  for i = 1, counted do
    local votes = ARGV[PAIR_VOTES + i] + 0
    if uncounted then votes = votes - (uncounted[ARGV[PAIR_CODES + i]] or 0) end
    if votes > 0 then
      local field = ARGV[PAIR_FIELDS + i]
      size = size + 2
      counts[size - 1], counts[size] = field, (counts_before[i] or 0) + votes
      -- Late votes are in no minute, and not among the writer's.
      if minutes_key then
        minutes[size - 1], minutes[size] = field, (minutes_before[i] or 0) + votes
        total = total + votes
      end
    end
  end
end

-- The same of those that are set aside. Late ones are late as any other; what the others have of their candidate in this
-- batch is added up with them when it is written.
local quarantine, quarantine_minute, late_aside
if counts_key and aside_count > 0 then
  for i = counted + 1, pair_count do
    local field, votes = ARGV[PAIR_FIELDS + i], ARGV[PAIR_VOTES + i] - (uncounted and uncounted[i] or 0)
    if votes > 0 and minutes_key then
      quarantine, quarantine_minute = quarantine or { quarantine_key }, quarantine_minute or { quarantine_minute_key }
      local size = #quarantine
      quarantine[size + 1], quarantine[size + 2] = field, (quarantine_before[i - counted] or 0) + votes
      quarantine_minute[size + 1], quarantine_minute[size + 2] = field, (quarantine_minute_before[i - counted] or 0) + votes
      total = total + votes
    elseif votes > 0 then
      late_aside = late_aside or {}
      late_aside[#late_aside + 1] = string.match(field, '^[^/]+/[^/]+/(.+)$')
      late_aside[#late_aside + 1] = votes
    end
  end
end
if reply ~= 'A' then call('HLEN', replies_key) end

-- The first write, where there were no pieces. From here on nothing fails any more.
local votes_now = votes_before + total
if has_ended then
  -- What its process had left behind, or an attempt that nobody knew of.
  local sums = ended_sums(0, 1, total)
  call('HSET', ended_key, writer, string.format('%.0f %.0f', sequence, votes_now))
  call('HSET', writers_key, unpack(sums))
else
  call('HSET', writers_key, sequence_field, ARGV[2], votes_field, votes_now)
end
-- By these two readers of a long ledger know whether they have read all that has changed of it, and who is new there.
local batches = (fence[5] or 0) + 1
if latest > received_at then
  call('HSET', state_key, 'batches', batches, 'received_at', ARGV[5])
else
  call('HSET', state_key, 'batches', batches)
end
if joined then call('HSET', state_key, 'joined', string.sub(joined, 1, 17 * 32)) end
if reply ~= 'A' then call('HSET', replies_key, writer, ARGV[2] .. ':' .. reply) end
-- Up to 512 fields Redis keeps as one piece of memory, and searches it from its beginning for each field that is named: for a few that
-- is quick, and for hundreds a batch would hold up the server. A value that is too long for it makes a table of the hash, for good, and
-- what the field holds is written next.
local WIDE = 16
if counted > WIDE then
  local too_long = string.rep('0', 65)
  if counts[2] then call('HSET', counts_key, counts[1], too_long) end
  if minutes[2] then call('HSET', minutes_key, minutes[1], too_long) end
end
if counts[1] then call('HSET', counts_key, unpack(counts)) end
if minutes[1] then call('HSET', minutes_key, unpack(minutes)) end
if quarantine then
  call('HSET', unpack(quarantine))
  call('HSET', unpack(quarantine_minute))
end
if late_aside then
  for i = 1, #late_aside, 2 do
    local field = late_aside[i]
    call('HSET', counts_key, field, (call('HGET', counts_key, field) or 0) + late_aside[i + 1])
  end
end
for from = 1, #changed, CHUNK * 2 do
  call('HSET', seen_key, unpack(changed, from, math.min(from + CHUNK * 2 - 1, #changed)))
  is_seen = true
end
if is_seen then call('PEXPIRE', seen_key, ARGV[7]) end
if spent then
  for i = 1, #spent, 3 do call('HSET', spent[i], spent[i + 1], spent[i + 2]) end
end
return reply
