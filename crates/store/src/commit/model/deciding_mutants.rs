//! Mistakes that `decide_quarantine.lua` could have: the model has to find each.

use super::mutants::Mutant;

/// All of them.
pub(super) const DECIDING_MUTANTS: &[Mutant] = &[
    (
        "what was decided of stays undecided",
        "      add(key, field, -votes)
",
        "",
    ),
    (
        "what was decided of is gone",
        "      add(key, decided_field, votes)
",
        "",
    ),
    (
        "only the quarantine's minutes are changed",
        "ipairs({ KEYS[i], quarantine_key })",
        "ipairs({ KEYS[i] })",
    ),
    (
        "only the quarantine's sums are changed",
        "ipairs({ KEYS[i], quarantine_key })",
        "ipairs({ quarantine_key })",
    ),
    (
        "what is released is in no minute",
        "        add(KEYS[i + 1], pair, votes)
",
        "",
    ),
    (
        "what is released is in the first minute of the call",
        "add(KEYS[i + 1], pair, votes)",
        "add(KEYS[7], pair, votes)",
    ),
    (
        "what is released is not in the tally",
        "        add(tally_key, pair, votes)
",
        "",
    ),
    (
        "what is released does not count",
        "if fate == 'released' then",
        "if false then",
    ),
    (
        "what is annulled counts",
        "if fate == 'released' then",
        "if true then",
    ),
    (
        "what was annulled can be released, and the other way round",
        "'^undecided/([^/]+)/(.+)$'",
        "'^%l+/([^/]+)/(.+)$'",
    ),
    (
        "what was released is released again",
        "'^undecided/([^/]+)/(.+)$'",
        "fate == 'released' and '^%l+/([^/]+)/(.+)$' or '^undecided/([^/]+)/(.+)$'",
    ),
    (
        "all reasons are decided of",
        "if reason and is_wanted[reason] and votes > 0",
        "if reason and votes > 0",
    ),
    (
        "a sealed poll is decided of",
        "if state ~= 'open' and state ~= 'paused' and state ~= 'closed' then return state end",
        "",
    ),
    (
        "nobody decides of a closed poll",
        "and state ~= 'paused' and state ~= 'closed' then",
        "and state ~= 'paused' then",
    ),
    (
        "nobody decides of a paused poll",
        "state ~= 'open' and state ~= 'paused' and",
        "state ~= 'open' and",
    ),
    (
        "of the minutes of a call the last one counts",
        "(values[field] or (call('HGET', key, field) or 0) + 0) + votes",
        "(call('HGET', key, field) or 0) + votes",
    ),
    (
        "figures are overwritten",
        "(values[field] or (call('HGET', key, field) or 0) + 0) + votes",
        "(values[field] or 0) + votes",
    ),
    (
        "the ledger does not name what stands for the decision",
        "call('HSET', ended_key, writer, string.format('%.0f 0', batches))",
        "",
    ),
    (
        "the decision is not among the batches",
        "if all_batches then call",
        "if false then call",
    ),
    (
        "the ledger says nothing of the decision",
        "call('HSET', ended_key, writer, string.format('%.0f 0', batches))
if all_batches then call('HSET', state_key, 'batches', all_batches + 1) end
call('HSET', writers_key, 'ended/writers', (sums[1] or 0) + (entry and 0 or 1), 'ended/batches', (sums[2] or 0) + 1,
  'ended/votes', (sums[3] or 0) + 0)",
        "",
    ),
    (
        "what stands for a decision stands for its last call",
        "local batches = entry and string.match(entry, '^(%d+) ') + 1 or 1",
        "local batches = 1",
    ),
    (
        "each call of a decision is a writer",
        "(sums[1] or 0) + (entry and 0 or 1)",
        "(sums[1] or 0) + 1",
    ),
    (
        "the ledger has what is released twice",
        "(sums[3] or 0) + 0)",
        "(sums[3] or 0) + (fate == 'released' and decided or 0))",
    ),
    (
        "the sums of those that have ended are those of the decision",
        "(sums[2] or 0) + 1",
        "1",
    ),
    (
        "a repeat that finds nothing is in the ledger",
        "if decided == 0 then return '0' end",
        "",
    ),
    (
        "the operator is told of more than was decided of",
        "return string.format('%.0f', decided)",
        "return string.format('%.0f', decided + 1)",
    ),
];
