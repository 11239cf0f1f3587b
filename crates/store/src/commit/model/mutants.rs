//! Mistakes that `commit.lua` could have: the model has to find each.
//!
//! That a replay is refused when the poll is over is not among them: nothing is sealed before all gaps of the
//! writers that are there are repaired, and the schedules void nothing before.

/// A mistake: what is wrong, the text, and what it is replaced by.
pub(super) type Mutant = (&'static str, &'static str, &'static str);

/// All of them.
pub(super) const MUTANTS: &[Mutant] = &[
    (
        "a repeat counts again",
        "elseif sequence == last then",
        "elseif false then",
    ),
    (
        "a repeat is always told 'accepted'",
        "if string.sub(stored, 1, #prefix) == prefix then return string.sub(stored, #prefix + 1) end",
        "",
    ),
    (
        "the number of batches forgets earlier ones",
        "local batches = (fence[5] or 0) + 1",
        "local batches = 1",
    ),
    (
        "a writer that comes is not named",
        "if joined then call",
        "if false then call",
    ),
    (
        "an old attempt counts after newer ones",
        "elseif sequence < last then",
        "elseif false then",
    ),
    (
        "a gap is not noticed",
        "elseif sequence > last + 1 or asks then",
        "elseif asks then",
    ),
    (
        "a heartbeat is always content",
        "elseif sequence > last + 1 or asks then",
        "elseif asks then return 'V0' elseif sequence > last + 1 then",
    ),
    (
        "a refused batch does not use its sequence",
        "if terminal then return reply end",
        "if terminal or kind == 'R' then return reply end",
    ),
    (
        "a burnt batch does not use its sequence",
        "if terminal then return reply end",
        "if terminal or kind == 'X' then return reply end",
    ),
    (
        "a late batch does not use its sequence",
        "if terminal then return reply end",
        "if terminal or kind == 'L' then return reply end",
    ),
    (
        "a split batch does not use its sequence",
        "if terminal then return reply end",
        "if terminal or kind == 'S' then return reply end",
    ),
    (
        "a sealed poll's ledger is written to",
        "if terminal then return reply end",
        "",
    ),
    (
        "a replay meets the fence",
        "if mode == 'replay' and takes_replays then",
        "if false then",
    ),
    ("late votes count", "  kind = 'L'", "  kind = 'A'"),
    (
        "votes that are too early count",
        "  kind, reply = 'R', 'Rnot_open;'",
        "  kind = 'A'",
    ),
    (
        "a paused poll takes votes",
        "elseif state ~= 'open' and state ~= 'closed' then",
        "elseif state ~= 'open' and state ~= 'closed' and state ~= 'paused' then",
    ),
    (
        "a batch that spans the closing instant counts whole",
        "elseif latest >= closes_at or earliest < opens_at then",
        "elseif earliest < opens_at then",
    ),
    (
        "a batch that spans the opening instant counts whole",
        "elseif latest >= closes_at or earliest < opens_at then",
        "elseif latest >= closes_at then",
    ),
    (
        "keys are not looked up",
        "found[i - before], letter",
        "nil, letter",
    ),
    (
        "keys are forgotten after a sixteenth of their window",
        "local REMEMBERED, STAMPS, HALF_OF_THEM = 19,",
        "local REMEMBERED, STAMPS, HALF_OF_THEM = 1,",
    ),
    (
        "keys are not recorded",
        "for from = 1, #changed, CHUNK * 2 do",
        "for from = 1, 0 do",
    ),
    (
        "a key that shares its field with others takes their place",
        "if records then record = records .. record end",
        "",
    ),
    (
        "a key twice in one batch counts twice",
        "if place > 0 then records = changed[place] end",
        "",
    ),
    (
        "of two keys of one batch that share their field the second is not recorded",
        "            changed[place] = record\n",
        "",
    ),
    (
        "the keys of a piece are not recorded",
        "      call('HSET', seen_key, unpack(changed))\n",
        "",
    ),
    (
        "a piece takes what it shares a field with for what an earlier one has left",
        "if place_of then place_of = {} end",
        "",
    ),
    (
        "a mismatch is called a duplicate",
        "and 'd' or 'm'",
        "and 'd' or 'd'",
    ),
    (
        "a voter has one vote more",
        "if used >= limit then",
        "if used > limit then",
    ),
    (
        "a withdrawn candidate's votes count",
        "if limit < 0 then return 'w' end",
        "if limit < 0 then return 'a' end",
    ),
    (
        "votes of voters are not recorded",
        "for i = 1, #spent, 3 do",
        "for i = 1, 0 do",
    ),
    (
        "what makes a table of the tally is what it holds",
        "if counted > WIDE then",
        "if counts[2] then counts[2] = 0 end
      if counted > WIDE then",
    ),
    (
        "the minutes lack votes",
        "if minutes[1] then",
        "if minutes[3] then",
    ),
    (
        "the ledger forgets earlier batches",
        "votes_before + total",
        "total",
    ),
    (
        "a heartbeat is told of no votes",
        "return 'V' .. string.format('%.0f', votes_before)",
        "return 'V0'",
    ),
    (
        "a writer is drained for any closing time",
        "and tonumber(fence[2]) == tonumber(ARGV[4])\n",
        "\n",
    ),
    (
        "a writer is drained whose batches are missing",
        "if sequence == last and asks then",
        "if sequence >= last and asks then",
    ),
    (
        "a writer is drained that has newer batches",
        "if sequence == last and asks then",
        "if sequence <= last and asks then",
    ),
    (
        "a writer is drained while the poll is paused",
        "elseif (state == 'open' or state == 'closed') and",
        "elseif",
    ),
    (
        "a writer is marked that has never sent a batch",
        "if last == 0 or has_ended then return end",
        "if has_ended then return end",
    ),
    (
        "a sealed poll's writers are marked",
        "if state == 'sealed' or state == 'void' then return end",
        "",
    ),
    (
        "lost votes are not noted",
        "if state and lost and",
        "if false and",
    ),
    (
        "a writer that ends is marked as drained and stays",
        "if state then fold() end",
        "call('HSET', writers_key, field, ARGV[4])",
    ),
    (
        "a writer that has ended is forgotten",
        "if not ledger[1] then",
        "if false then",
    ),
    (
        "a writer that has ended is taken for a new one where it says so again",
        "if entry then ledger, has_ended =",
        "if entry and mode ~= 'end' then ledger, has_ended =",
    ),
    (
        "a writer ends twice",
        "if last == 0 or has_ended then return end",
        "if last == 0 then return end",
    ),
    (
        "a writer that has ended stays in the ledger",
        "call('HDEL', writers_key, sequence_field, votes_field, writer .. '/drained')",
        "",
    ),
    (
        "a writer that has ended stays drained in the ledger",
        "votes_field, writer .. '/drained')",
        "votes_field)",
    ),
    (
        "a writer that ends leaves nothing that proves its receipts",
        "call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))",
        "",
    ),
    (
        "a writer that ends is not in the sums",
        "    call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))
    call('HSET', writers_key, unpack(sums))",
        "    call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))",
    ),
    (
        "the sums are those of the writer that ended last",
        "return (before[i] or 0) + added end",
        "return added end",
    ),
    (
        "what came late of a writer that has ended is in the ledger by itself",
        "if has_ended then
  -- What",
        "if false then
  -- What",
    ),
    (
        "what came late of a writer that has ended is not in the sums",
        "ended_sums(0, 1, total)",
        "ended_sums(0, 0, 0)",
    ),
    (
        "late votes are the writer's",
        "        total = total + votes\n      end\n",
        "      end\n      total = total + votes\n",
    ),
    (
        "figures are overwritten",
        "(counts_before[i] or 0) + votes",
        "votes",
    ),
    (
        "votes that are set aside are in the tally",
        "if aside ~= '' then",
        "if false then",
    ),
    (
        "the minutes of the quarantine lack votes",
        "  call('HSET', unpack(quarantine_minute))\n",
        "",
    ),
    (
        "the quarantine forgets earlier votes",
        "(quarantine_before[i - counted] or 0) + votes",
        "votes",
    ),
    (
        "a repeat of a vote that is set aside counts",
        "- (uncounted and uncounted[i] or 0)",
        "- 0",
    ),
    (
        "a vote that does not count is taken from those that are not set aside",
        "local code = pair_of and pair_of[i] or sub(record, 3, 4)",
        "local code = sub(record, 3, 4)",
    ),
    (
        "votes that are set aside are not the writer's",
        "      total = total + votes\n    elseif",
        "    elseif",
    ),
    (
        "votes that are not set aside are beside others that are",
        "local counted = pair_count - aside_count",
        "local counted = aside_count > 0 and 0 or pair_count",
    ),
    (
        "all voters of a batch are counted in the bucket of the first",
        "KEYS[FIRST_BUCKET + high * 256 + low]",
        "KEYS[FIRST_BUCKET]",
    ),
    (
        "of a voter's votes in one batch each is the first",
        "local used = place and spent[place] or (",
        "local used = (",
    ),
    (
        "a repeat uses a vote of its voter",
        "if outcome_by_limit and outcome == 'a' then outcome = outcome_by_limit(i, sub(record, 3, 4)) end",
        "local limited = outcome_by_limit and outcome_by_limit(i, sub(record, 3, 4))
      if outcome == 'a' then outcome = limited or outcome end",
    ),
    (
        "what is replayed has no limit",
        "  if kind == 'A' then
    for i = 1, pair_count do",
        "  if kind == 'A' and mode ~= 'replay' then
    for i = 1, pair_count do",
    ),
    (
        "keys and proofs of what is replayed are not looked up",
        "found[i - before], letter",
        "mode ~= 'replay' and found[i - before] or nil, letter",
    ),
    (
        "keys and proofs of what is replayed are not recorded",
        "        if #record == RECORD then",
        "        if #record == RECORD and mode ~= 'replay' then",
    ),
    (
        "what is set aside uses no vote of its voter",
        "local limit = limits[code]
      if not limit then return 'a' end",
        "local limit = limits[code]
      if not limit or aside_count > 0 then return 'a' end",
    ),
    (
        "what was set aside counts where it is replayed",
        "if aside ~= '' then",
        "if aside ~= '' and mode ~= 'replay' then",
    ),
];
