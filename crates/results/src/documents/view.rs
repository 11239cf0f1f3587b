//! What is said of a poll beside its figures: its state and status now, and as of when.

use std::time::Duration;

use actix_web::http::header::HeaderValue;
use jiff::Timestamp;
use vote_domain::{Clock, Poll, PollState, SealedPoll, Status};
use vote_runtime::Settings;
use vote_store::{Confirmed, PollSnapshot, SnapshotConfig};

/// The age from which figures are stale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// Of a poll that takes votes.
    open: Duration,
    /// Of one that doesn't: those are read more seldom.
    quiet: Duration,
}

impl Freshness {
    pub(crate) fn new(settings: &Settings, reading: &SnapshotConfig) -> Self {
        let open = settings.snapshot.stale_after;
        Self {
            open,
            quiet: open.max(reading.slowest_confirmation() * 2),
        }
    }

    /// How long the pages may go without being looked at: figures that turn stale have to say so. One that is
    /// only late, on a busy machine, gets as long again.
    pub(crate) fn longest_unchecked(self) -> Duration {
        (self.open * 2).max(Duration::from_secs(1))
    }

    /// Whether what was confirmed then is too old now. A clock that was put back makes nothing stale.
    fn is_over(limit: Duration, confirmed_at: Timestamp, now: Timestamp) -> bool {
        Duration::try_from(now.duration_since(confirmed_at)).is_ok_and(|age| age > limit)
    }

    /// Whether the list of polls is stale.
    pub(crate) fn is_list_stale(self, read_at: Timestamp, now: Timestamp) -> bool {
        Self::is_over(self.quiet, read_at, now)
    }
}

/// What is said of a poll beside its figures. Bodies are made anew only when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) state: PollState,
    pub(crate) status: Status,
    /// The instant of the newest thing that the figures show: a vote, a change of the poll, its opening or closing. It
    /// comes from Redis alone, so that every process says the same of the same figures.
    pub(crate) as_of: Timestamp,
    /// The same of the poll itself, without its votes.
    pub(crate) poll_as_of: Timestamp,
    /// Whether voting may have begun: before, there is no series.
    pub(crate) has_begun: bool,
    /// Whether its opening time has come, of a poll that was opened.
    pub(crate) has_opened: bool,
    /// Whether nobody has confirmed it for too long, of a poll that can still change. One that is not open says so
    /// nowhere else.
    pub(crate) is_unconfirmed: bool,
}

impl View {
    /// The view of a poll now. It is the same while nothing is new, and so the bodies stay.
    pub(crate) fn new(confirmed: &Confirmed, now: Timestamp, freshness: Freshness) -> Self {
        let snapshot = &confirmed.snapshot;
        let poll = &snapshot.poll;
        let phase = poll.phase(now);
        let state = poll.effective_state(now);
        let is_open = matches!(state, PollState::Open | PollState::Paused);
        let limit = if is_open {
            freshness.open
        } else {
            freshness.quiet
        };
        let is_unconfirmed = Freshness::is_over(limit, confirmed.confirmed_at, now);
        let status = match phase.status() {
            Status::Final if sealed(snapshot).is_none() => Status::Provisional,
            settled @ (Status::Final | Status::Void) => settled,
            // There are no figures that could grow old, and by the clock alone it begins.
            Status::NotOpen if is_open => Status::NotOpen,
            _running if is_unconfirmed => Status::Stale,
            running => running,
        };
        let poll_as_of = changed_at(poll, state, phase.status());
        let as_of = match (sealed(snapshot), snapshot.received_at) {
            (Some(sealed), _) => sealed.standing.as_of,
            (None, Some(received_at)) => received_at.max(poll_as_of),
            (None, None) => poll_as_of,
        };
        Self {
            state,
            status,
            as_of,
            poll_as_of,
            has_begun: phase.status() != Status::NotOpen,
            has_opened: poll.is_announced() && now >= poll.definition.opens_at(),
            is_unconfirmed: is_unconfirmed && !matches!(status, Status::Final | Status::Void),
        }
    }

    /// How long caches may keep what this view is said with.
    pub(crate) fn cache_control(&self) -> HeaderValue {
        HeaderValue::from_static(match self.status {
            // It can't change, but what is not marked as immutable can still be corrected.
            Status::Final => "public, max-age=60, stale-while-revalidate=600, stale-if-error=86400",
            Status::Stale => "public, max-age=1",
            Status::NotOpen | Status::Provisional | Status::Void => CHANGES,
        })
    }

    /// The same of what also says how the figures are released: a result that is final is only kept for long where
    /// `is_settled`.
    pub(crate) fn cache_control_with(&self, is_settled: bool) -> HeaderValue {
        match self.status {
            Status::Final if !is_settled => HeaderValue::from_static(CHANGES),
            _ => self.cache_control(),
        }
    }
}

/// `Cache-Control` of what may change at any moment.
pub(crate) const CHANGES: &str = "public, max-age=1, stale-while-revalidate=5, stale-if-error=60";

/// When the newest of what has happened to the poll itself did: a change by an operator, or what the clock does.
fn changed_at(poll: &Poll, state: PollState, status: Status) -> Timestamp {
    let changed = poll.log.iter().map(|entry| entry.at);
    let opened =
        (state != PollState::Draft && state != PollState::Void && status != Status::NotOpen)
            .then(|| poll.definition.opens_at());
    let closed = matches!(state, PollState::Closed | PollState::Sealed).then_some(poll.closes_at);
    let newest = changed.chain(opened).chain(closed).max();
    newest.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The sealed result of a poll that is sealed.
pub(crate) fn sealed(snapshot: &PollSnapshot) -> Option<&SealedPoll> {
    let is_sealed = snapshot.poll.state == PollState::Sealed;
    snapshot.sealed.as_deref().filter(|_| is_sealed)
}

/// Age of what was confirmed then, in seconds; never negative.
pub(crate) fn age_s(clock: &dyn Clock, confirmed_at: Timestamp) -> f64 {
    clock
        .now()
        .duration_since(confirmed_at)
        .as_secs_f64()
        .max(0.0)
}

/// Stale after 2 s, or 5 s where a poll takes no votes.
#[cfg(test)]
pub(crate) fn tests_freshness() -> Freshness {
    Freshness {
        open: Duration::from_secs(2),
        quiet: Duration::from_secs(5),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::samples::{closes_at, confirmed, opens_at, sealed_snapshot, snapshot};

    use super::tests_freshness as freshness;

    fn view(state: Option<PollState>, read_at: Timestamp, now: Timestamp) -> View {
        let mut snapshot = snapshot(&[]);
        if let Some(state) = state {
            snapshot.poll.state = state;
        }
        View::new(&confirmed(snapshot, read_at), now, freshness())
    }

    fn after(at: Timestamp, ms: i64) -> Timestamp {
        at + SignedDuration::from_millis(ms)
    }

    #[test]
    fn status_follows_the_clock() {
        let just_before = after(opens_at(), -1);
        for (state, now, status, effective) in [
            (
                PollState::Draft,
                opens_at(),
                Status::NotOpen,
                PollState::Draft,
            ),
            (
                PollState::Open,
                just_before,
                Status::NotOpen,
                PollState::Open,
            ),
            (
                PollState::Open,
                opens_at(),
                Status::Provisional,
                PollState::Open,
            ),
            (
                PollState::Paused,
                opens_at(),
                Status::Provisional,
                PollState::Paused,
            ),
            (
                PollState::Open,
                after(closes_at(), -1),
                Status::Provisional,
                PollState::Open,
            ),
            (
                PollState::Open,
                closes_at(),
                Status::Provisional,
                PollState::Closed,
            ),
            (
                PollState::Closed,
                closes_at(),
                Status::Provisional,
                PollState::Closed,
            ),
            (PollState::Void, closes_at(), Status::Void, PollState::Void),
        ] {
            let view = view(Some(state), now, now);
            assert_eq!(
                (view.status, view.state),
                (status, effective),
                "{state} {now}"
            );
        }
    }

    #[test]
    fn old_figures_are_stale_and_keep_the_time_of_the_newest_vote() {
        let read_at = after(opens_at(), 60_000);
        assert_eq!(
            view(None, read_at, after(read_at, 2000)).status,
            Status::Provisional
        );
        let stale = view(None, read_at, after(read_at, 2001));
        assert_eq!((stale.status, stale.as_of), (Status::Stale, opens_at()));
    }

    #[test]
    fn a_poll_that_is_read_seldom_is_not_stale_so_soon() {
        let read_at = after(closes_at(), 1000);
        for state in [PollState::Closed, PollState::Draft] {
            let at = |ms| view(Some(state), read_at, after(read_at, ms)).status;
            assert_ne!(at(5000), Status::Stale);
            assert_eq!(at(5001), Status::Stale);
        }
    }

    #[test]
    fn a_poll_that_nobody_confirms_is_not_open_until_its_time_comes() {
        let read_at = after(opens_at(), -60_000);
        for state in [PollState::Open, PollState::Paused] {
            let at = |now| {
                let view = view(Some(state), read_at, now);
                (view.status, view.state, view.is_unconfirmed)
            };
            let fresh = at(after(read_at, 2000));
            assert_eq!(fresh, (Status::NotOpen, state, false));
            let late = at(after(read_at, 2001));
            assert_eq!(late, (Status::NotOpen, state, true));
            assert_eq!(at(after(opens_at(), -1)), late);
            assert_eq!(at(opens_at()), (Status::Stale, state, true));
        }
    }

    #[test]
    fn what_is_settled_is_never_stale() {
        let much_later = after(closes_at(), 1_000_000_000);
        assert_eq!(
            view(Some(PollState::Void), closes_at(), much_later).status,
            Status::Void
        );
        let confirmed = confirmed(sealed_snapshot(&[(0, 0, 7)]), closes_at());
        let view = View::new(&confirmed, much_later, freshness());
        let sealed = confirmed.snapshot.sealed.as_ref().expect("sealed");
        assert_eq!(
            (view.status, view.as_of),
            (Status::Final, sealed.standing.as_of)
        );
    }

    #[test]
    fn a_sealed_poll_without_its_result_is_not_final() {
        let view = view(Some(PollState::Sealed), closes_at(), closes_at());
        assert_eq!(
            (view.status, view.state),
            (Status::Provisional, PollState::Sealed)
        );
    }

    #[test]
    fn a_clock_that_was_put_back_makes_nothing_stale() {
        let read_at = after(opens_at(), 60_000);
        assert_eq!(
            view(None, read_at, after(read_at, -30_000)).status,
            Status::Provisional
        );
    }

    #[test]
    fn as_of_is_that_of_the_data_whoever_reads_it_and_when() {
        let read_at = after(opens_at(), 60_000);
        let snapshot = snapshot(&[(0, 0, 7)]);
        let next = |confirmed_at: Timestamp, now: Timestamp| {
            let confirmed = confirmed(snapshot.clone(), confirmed_at);
            View::new(&confirmed, now, freshness())
        };
        let first = View::new(&confirmed(snapshot.clone(), read_at), read_at, freshness());
        // Confirmed again, nothing new.
        let second = next(after(read_at, 250), after(read_at, 260));
        assert_eq!(second, first);
        // Redis goes away, and comes back.
        let stale = next(after(read_at, 500), after(read_at, 9_000));
        assert_eq!((stale.status, stale.as_of), (Status::Stale, first.as_of));
        let back = next(after(read_at, 10_000), after(read_at, 10_010));
        assert_eq!(
            (back.status, back.as_of),
            (Status::Provisional, first.as_of)
        );
        assert_eq!(first.as_of, opens_at(), "the minute of the vote");
        // A minute without votes is no news, to the series neither.
        let minute = next(after(read_at, 60_100), after(read_at, 60_200));
        assert_eq!(minute, back);
    }

    #[test]
    fn caches_keep_a_final_result_longest_and_a_stale_one_shortest() {
        let of = |status| {
            let mut view = view(None, opens_at(), opens_at());
            view.status = status;
            view.cache_control().to_str().expect("text").to_owned()
        };
        assert!(of(Status::Final).contains("max-age=60,"));
        assert_eq!(of(Status::Stale), "public, max-age=1");
        for status in [Status::NotOpen, Status::Provisional, Status::Void] {
            assert_eq!(of(status), CHANGES);
        }
        // What production may still say something of is not kept for minutes.
        let of = |status, is_settled| {
            let mut view = view(None, opens_at(), opens_at());
            view.status = status;
            view.cache_control_with(is_settled)
        };
        assert_eq!(of(Status::Final, false), CHANGES);
        assert_eq!(of(Status::Stale, false), "public, max-age=1");
        let kept = of(Status::Final, true);
        assert!(kept.to_str().expect("text").contains("max-age=60,"));
    }
}
