//! How each kind was treated, and what of that is not as promised.

use super::crowd::{Crowd, Kind};
use super::hall::{COST, MOST_COST};
use crate::engine::client_record::{ClientRecord, Told};
use crate::engine::findings::Treated;
use crate::engine::recorded::Recorded;
use crate::engine::votes::Votes as _;

/// Of a thousand votes of people, at most so many may be refused, and so many set aside.
const MOST_REFUSED: u64 = 1;
const MOST_SET_ASIDE: u64 = 1;

/// What the clients were told, by kind, beside where their votes are.
pub(super) fn treated(crowd: &Crowd, record: &ClientRecord, recorded: &Recorded) -> Vec<Treated> {
    let mut all = Kind::ALL.map(|kind| Treated {
        who: kind.name(),
        ..Treated::default()
    });
    for index in 0..record.room() {
        let Some(told) = record.told(index) else {
            continue;
        };
        let of = &mut all[crowd.candidate(index)];
        of.sent += 1;
        match told {
            Told::Accepted { .. } => of.accepted += 1,
            Told::Refused => of.refused += 1,
            Told::Unknown => of.unknown += 1,
        }
    }
    for (candidate, of) in all.iter_mut().enumerate() {
        of.counted = recorded.tally[candidate];
        for (reason, votes) in &recorded.set_aside {
            if votes[candidate] > 0 {
                of.set_aside.insert(reason.as_str(), votes[candidate]);
            }
        }
    }
    all.to_vec()
}

/// Every promise that does not hold, in words.
pub(super) fn broken(all: &[Treated]) -> Vec<String> {
    let mut failures = Vec::new();
    for of in all {
        let set_aside: u64 = of.set_aside.values().sum();
        if of.who == Kind::Honest.name() {
            let refused = of.refused + of.unknown;
            for (count, most, what) in [
                (refused, MOST_REFUSED, "refused"),
                (set_aside, MOST_SET_ASIDE, "set aside"),
            ] {
                if count * 1_000 > of.sent * most {
                    failures.push(format!(
                        "{count} of {} votes of people were {what}, which is more than {most} of a thousand",
                        of.sent
                    ));
                }
            }
        } else if (of.refused + set_aside) * 2 < of.sent {
            failures.push(format!(
                "of {} votes of the {}, only {} were refused and {set_aside} set aside",
                of.sent, of.who, of.refused
            ));
        }
    }
    failures
}

/// What is not as promised of what a proof cost at the dearest, in words: with a proof farm about it rises, within its bound.
pub(super) fn cost_broken(dearest: u32) -> Option<String> {
    if dearest <= COST {
        Some(format!(
            "a proof of work never cost more than its channel's {COST} iterations, although many proofs were wrong"
        ))
    } else if dearest > MOST_COST {
        Some(format!(
            "a proof of work cost {dearest} iterations, and may cost {MOST_COST}"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_that_never_rose_or_rose_too_far_is_found() {
        assert_eq!(cost_broken(COST * 2), None);
        assert_eq!(cost_broken(MOST_COST), None);
        assert!(cost_broken(COST).is_some_and(|said| said.contains("never")));
        assert!(cost_broken(MOST_COST + 1).is_some());
    }

    fn of(kind: Kind, refused: u64, set_aside: u64) -> Treated {
        Treated {
            who: kind.name(),
            sent: 2_000,
            refused,
            set_aside: [("deny_list", set_aside)].into(),
            ..Treated::default()
        }
    }

    #[test]
    fn people_who_are_refused_or_set_aside_and_bots_who_are_not_are_found() {
        let good = [of(Kind::Honest, 2, 2), of(Kind::Script, 500, 500)];
        assert_eq!(broken(&good), Vec::<String>::new());
        for bad in [
            of(Kind::Honest, 3, 0),
            of(Kind::Honest, 0, 3),
            of(Kind::ServerRoom, 500, 499),
        ] {
            assert_eq!(broken(&[bad]).len(), 1);
        }
    }
}
