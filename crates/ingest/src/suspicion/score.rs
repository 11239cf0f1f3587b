//! What is said against a vote, in points. Pure.

use std::sync::atomic::{AtomicU8, Ordering};

use vote_domain::QuarantineReason;

/// How many signals there are.
const SIGNALS: usize = QuarantineReason::ALL.len();

/// The signals that a vote gives. They are noted where each comes to be known.
#[derive(Debug, Default)]
pub(crate) struct Signs(AtomicU8);

impl Signs {
    pub(crate) fn note(&self, signal: QuarantineReason) {
        self.0.fetch_or(1 << signal as u8, Ordering::Relaxed);
    }

    fn has(&self, signal: QuarantineReason) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << signal as u8) != 0
    }
}

/// How many points each signal gives, and how many it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Points {
    /// In the order of [`QuarantineReason::ALL`].
    pub(crate) of: [u16; SIGNALS],
    /// A vote with so many is set aside.
    pub(crate) threshold: u16,
}

impl Points {
    /// Whether a signal can count: what can't need not be looked for.
    pub(crate) const fn counts(&self, signal: QuarantineReason) -> bool {
        self.of[signal as usize] > 0
    }

    /// For what reason a vote is set aside, if it is: the signal with the most points, of equals the first.
    pub(crate) fn verdict(&self, signs: &Signs) -> Option<QuarantineReason> {
        let mut sum = 0_u32;
        let mut reason: Option<(u16, QuarantineReason)> = None;
        for (&signal, &points) in QuarantineReason::ALL.iter().zip(&self.of) {
            if !signs.has(signal) {
                continue;
            }
            sum += u32::from(points);
            if reason.is_none_or(|(most, _)| points > most) {
                reason = Some((points, signal));
            }
        }
        let (_, reason) = reason?;
        (sum >= u32::from(self.threshold)).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QuarantineReason::{ClientFields, DenyList, FastProof, KeyPattern, PrefixShare};

    /// In the order of all: deny-list, fast proof, token's age, client's fields, prefix' share, keys' pattern.
    const POINTS: Points = Points {
        of: [100, 60, 40, 40, 30, 0],
        threshold: 100,
    };

    fn verdict(signals: &[QuarantineReason]) -> Option<QuarantineReason> {
        let signs = Signs::default();
        for signal in signals {
            signs.note(*signal);
        }
        POINTS.verdict(&signs)
    }

    #[test]
    fn a_vote_is_set_aside_from_the_threshold_on_and_not_below_it() {
        assert_eq!(verdict(&[]), None);
        assert_eq!(verdict(&[FastProof]), None);
        assert_eq!(verdict(&[FastProof, PrefixShare]), None, "90 points");
        assert_eq!(verdict(&[FastProof, ClientFields]), Some(FastProof), "100");
        assert_eq!(verdict(&[DenyList]), Some(DenyList));
        assert_eq!(verdict(&[KeyPattern]), None, "no points");
    }

    #[test]
    fn the_reason_is_the_signal_with_the_most_points() {
        assert_eq!(verdict(&QuarantineReason::ALL[1..]), Some(FastProof));
        assert_eq!(verdict(QuarantineReason::ALL), Some(DenyList));
        let equal = Points {
            of: [50; SIGNALS],
            threshold: 100,
        };
        let signs = Signs::default();
        signs.note(PrefixShare);
        signs.note(ClientFields);
        assert_eq!(
            equal.verdict(&signs),
            Some(ClientFields),
            "the first of them"
        );
    }

    #[test]
    fn a_signal_that_is_noted_twice_counts_once() {
        assert_eq!(verdict(&[FastProof, FastProof]), None);
    }
}
