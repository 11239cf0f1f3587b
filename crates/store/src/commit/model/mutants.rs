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
    ("late votes count", "  verdict = 'L'", "  verdict = 'A'"),
    (
        "votes that are too early count",
        "  verdict = 'Rnot_open;'",
        "  verdict = 'A'",
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
        "without_old(found[i] or '')",
        "''",
    ),
    (
        "keys are forgotten after a sixteenth of their window",
        "local REMEMBERED, STAMPS = 19, 65536",
        "local REMEMBERED, STAMPS = 1, 65536",
    ),
    (
        "keys are not recorded",
        "for from = 1, #changed, CHUNK * 2 do",
        "for from = 1, 0 do",
    ),
    (
        "a key that shares its field with others takes their place",
        "seen[field] = seen[field] .. stamp",
        "seen[field] = stamp",
    ),
    (
        "a key twice in one batch counts twice",
        "local fingerprint = digest and fingerprint_in(seen[field], digest)",
        "local fingerprint = digest and fingerprint_in(before[field], digest)",
    ),
    (
        "a mismatch is called a duplicate",
        "outcome = 'm'",
        "outcome = 'd'",
    ),
    (
        "a voter has one vote more",
        "if votes >= limit then",
        "if votes > limit then",
    ),
    (
        "a withdrawn candidate's votes count",
        "if limit < 0 then",
        "if false then",
    ),
    (
        "votes of voters are not recorded",
        "for id, place in pairs(new_used) do",
        "for id, place in pairs({}) do",
    ),
    (
        "the minutes lack votes",
        "if #minutes > 0 then",
        "if #minutes > 2 then",
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
        "and tonumber(fence[2]) == earliest\n",
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
        "redis.call('HSET', writers_key, field, ARGV[4])",
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
        "redis.call('HDEL', writers_key, writer .. '/sequence', writer .. '/votes', writer .. '/drained')",
        "",
    ),
    (
        "a writer that has ended stays drained in the ledger",
        "writer .. '/votes', writer .. '/drained')",
        "writer .. '/votes')",
    ),
    (
        "a writer that ends leaves nothing that proves its receipts",
        "redis.call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))",
        "",
    ),
    (
        "a writer that ends is not in the sums",
        "  redis.call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))
  redis.call('HSET', writers_key, unpack(sums))",
        "  redis.call('HSET', ended_key, writer, string.format('%.0f %.0f', last, votes_before))",
    ),
    (
        "the sums are those of the writer that ended last",
        "tonumber(before[i] or '0') + added)",
        "added)",
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
        "figures are overwritten",
        "tonumber(before[i] or '0') + added[i]",
        "added[i]",
    ),
];
