//! What was annulled, or taken back, after an attempt to seal the poll had written its result.

use std::fmt;

use vote_domain::{Annulment, Poll};

/// The annulments in which a poll differs from its sealed result. None of them can be in it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherAnnulments {
    /// Those that stand, and that the result does not have.
    pub since: Vec<Annulment>,
    /// Those that the result has, and that stand no more.
    pub taken_back: Vec<Annulment>,
}

impl OtherAnnulments {
    /// Between the poll of a sealed result and the poll as it is; `None` where the same votes are annulled in both.
    pub(super) fn between(sealed: &Poll, poll: &Poll) -> Option<Self> {
        let only_in = |one: &Poll, other: &Poll| {
            let mut annulments: Vec<Annulment> = one.standing_annulments().cloned().collect();
            annulments.retain(|here| {
                let mut there = other.standing_annulments();
                !there.any(|there| there.votes == here.votes)
            });
            annulments
        };
        let found = Self {
            since: only_in(poll, sealed),
            taken_back: only_in(sealed, poll),
        };
        (!found.since.is_empty() || !found.taken_back.is_empty()).then_some(found)
    }
}

impl fmt::Display for OtherAnnulments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.iter().map(|one| ("annulled since", one));
        let back = self.taken_back.iter().map(|one| ("taken back since", one));
        for (place, (what, one)) in since.chain(back).enumerate() {
            let comma = if place > 0 { "; " } else { "" };
            write!(f, "{comma}{what}: {} (annulment {})", one.votes, one.number)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use vote_domain::{Annulled, Reason};
    use vote_testkit::fixtures::{at, demo_poll};

    use super::*;

    fn opens_at() -> Timestamp {
        at("2026-11-24T00:00:00Z")
    }

    fn annul(poll: &Poll, minute: i64) -> Poll {
        let from = opens_at() + SignedDuration::from_mins(minute);
        let votes = Annulled {
            from,
            until: from + SignedDuration::from_mins(1),
            channel: None,
            candidate: None,
        };
        let now = opens_at() + SignedDuration::from_hours(1);
        poll.annul(votes, robots(), now, "ines").expect("legal")
    }

    fn take_back(poll: &Poll, number: u32) -> Poll {
        let now = opens_at() + SignedDuration::from_hours(2);
        poll.take_back(number, robots(), now, "ines")
            .expect("legal")
    }

    fn robots() -> Reason {
        Reason::parse("robots").expect("a reason")
    }

    #[test]
    fn those_are_told_whose_votes_are_annulled_in_one_and_count_in_the_other() {
        let plain = demo_poll().open();
        let sealed = annul(&plain, 0);
        assert_eq!(OtherAnnulments::between(&sealed, &sealed), None);
        let more = annul(&sealed, 5);
        let other = OtherAnnulments::between(&sealed, &more).expect("one more");
        assert_eq!(
            other.to_string(),
            "annulled since: votes from 2026-11-24T00:05:00.000Z until 2026-11-24T00:06:00.000Z (annulment 2)"
        );
        let changed = take_back(&more, 1);
        let other = OtherAnnulments::between(&sealed, &changed).expect("one more, and one less");
        assert_eq!((other.since.len(), other.taken_back.len()), (1, 1));
        assert!(other.to_string().contains("; taken back since: "));
        // What was taken back and said again annuls the same votes, whatever its number.
        let again = annul(&take_back(&changed, 2), 0);
        assert_eq!(OtherAnnulments::between(&sealed, &again), None);
        assert_eq!(again.annulments.len(), 3);
    }
}
