use jiff::SignedDuration;
use vote_domain::{HeldFigures, Poll, Transition, Visibility, standing};

use super::*;
use crate::documents::view::tests_freshness;
use crate::samples::{
    closes_at, confirmed, opens_at, poll, sealed_snapshot, snapshot, snapshot_of,
};

fn feed_at(snapshot: PollSnapshot, now: Timestamp) -> Feed {
    let confirmed = confirmed(snapshot, now);
    let view = View::new(&confirmed, now, tests_freshness());
    Feed::new(&confirmed.snapshot, &view)
}

fn feed(snapshot: PollSnapshot) -> Feed {
    feed_at(snapshot, opens_at())
}

/// An open poll whose figures are released, with votes.
fn released(votes: &[(usize, usize, u64)]) -> PollSnapshot {
    let mut snapshot = snapshot(votes);
    snapshot.poll = release(&snapshot.poll);
    snapshot
}

fn release(poll: &Poll) -> Poll {
    poll.release(opens_at(), "test").expect("legal")
}

fn figures(feed: &Feed) -> Vec<(Option<u128>, Option<u16>, Option<u32>)> {
    let of = |one: &FeedCandidate| {
        let CandidateFigures {
            votes,
            percent,
            rank,
        } = one.figures;
        (votes, percent.map(Percent::hundredths), rank)
    };
    feed.candidates.iter().map(of).collect()
}

const NONE: (Option<u128>, Option<u16>, Option<u32>) = (None, None, None);

/// The figures of the first channel alone, which has all the votes.
fn of(votes: u128, hundredths: u16, rank: u32) -> (Option<u128>, Option<u16>, Option<u32>) {
    (Some(votes), Some(hundredths), Some(rank))
}

#[test]
fn before_the_first_release_there_are_names_and_no_figure() {
    let unreleased = feed(snapshot(&[(0, 0, 3), (0, 1, 1)]));
    assert_eq!(unreleased.release, Release::Unreleased);
    assert!(!unreleased.on_air);
    assert_eq!(figures(&unreleased), [NONE, NONE]);
    assert_eq!(unreleased.total_votes, None);
    assert_eq!(unreleased.candidates[0].name, "Bia");
    assert_eq!(unreleased.candidates[0].color.as_deref(), Some("#e4572e"));
}

#[test]
fn released_figures_are_live_and_on_air() {
    let live = feed(released(&[(0, 0, 3), (0, 1, 1)]));
    assert!(live.on_air);
    assert_eq!(figures(&live), [of(3, 7500, 1), of(1, 2500, 2)]);
    assert_eq!(live.total_votes, Some(4));
    assert_eq!(
        (live.status, live.state, live.closes_at),
        (Status::Provisional, PollState::Open, closes_at())
    );
}

#[test]
fn when_it_closes_is_no_figure_and_is_told_through_a_hold() {
    let held = released(&[(0, 0, 3)]);
    let held = held.poll.hold(None, opens_at(), "test").expect("legal");
    let later = closes_at() + SignedDuration::from_mins(5);
    let extended = held.extend(later, opens_at(), "test").expect("legal");
    let feed = feed(snapshot_of(extended, &[]));
    assert_eq!((feed.release, feed.closes_at), (Release::Held, later));
}

#[test]
fn before_the_first_vote_there_is_no_rank_and_with_ties_there_is() {
    let none = feed(released(&[]));
    assert_eq!(figures(&none), [(Some(0), Some(0), None); 2]);
    assert!(none.on_air, "that nobody has voted yet is a figure too");
    let tie = feed(released(&[(0, 0, 2), (0, 1, 2)]));
    assert_eq!(figures(&tie), [of(2, 5000, 1), of(2, 5000, 1)]);
    // Votes for somebody who has left rank nobody.
    let mut gone = released(&[(0, 0, 5)]);
    let bia = gone.poll.definition.candidates()[0].id.clone();
    gone.poll = gone.poll.withdraw(&bia, opens_at(), "test").expect("legal");
    let gone = feed(gone);
    assert_eq!(
        figures(&gone),
        [(Some(5), None, None), (Some(0), Some(0), None)]
    );
    assert!(gone.candidates[0].is_withdrawn && !gone.candidates[1].is_withdrawn);
}

#[test]
fn before_it_begins_there_is_no_figure_also_where_nobody_confirms_that() {
    let draft = release(&Poll::draft(
        crate::samples::definition(Visibility::Public),
        opens_at(),
        "test",
    ));
    let early = opens_at() - SignedDuration::from_mins(20);
    for snapshot in [released(&[]), snapshot_of(draft, &[])] {
        let confirmed = confirmed(snapshot, early);
        let now = early + SignedDuration::from_secs(60);
        let view = View::new(&confirmed, now, tests_freshness());
        assert!(view.is_unconfirmed);
        let feed = Feed::new(&confirmed.snapshot, &view);
        assert_eq!((feed.on_air, feed.total_votes), (false, None));
        assert_eq!(figures(&feed), [NONE, NONE]);
    }
}

#[test]
fn each_state_shows_what_may_be_shown() {
    let later = |ms: i64| opens_at() + SignedDuration::from_millis(ms);
    let draft = release(&Poll::draft(
        crate::samples::definition(Visibility::Public),
        opens_at(),
        "test",
    ));
    let shown = feed(snapshot_of(draft, &[]));
    assert_eq!(
        (shown.status, shown.on_air, figures(&shown)[0]),
        (Status::NotOpen, false, NONE)
    );
    let scheduled = feed_at(released(&[]), later(-1));
    assert_eq!(
        (scheduled.status, scheduled.on_air, figures(&scheduled)[0]),
        (Status::NotOpen, false, NONE)
    );

    let after = |transition: Transition| {
        let mut snapshot = released(&[(0, 0, 3)]);
        snapshot.poll = snapshot
            .poll
            .transition(transition, opens_at(), "test")
            .expect("legal");
        feed(snapshot)
    };
    let paused = after(Transition::Pause);
    assert_eq!((paused.state, paused.on_air), (PollState::Paused, true));
    let closed = after(Transition::Close);
    assert_eq!((closed.state, closed.on_air), (PollState::Closed, true));
    assert_eq!(figures(&closed)[0], of(3, 10_000, 1));
    let void = after(Transition::Void);
    assert_eq!(
        (void.state, void.status, void.on_air),
        (PollState::Void, Status::Void, false)
    );
    assert_eq!((figures(&void)[0], void.total_votes), (NONE, None));

    let mut sealed = sealed_snapshot(&[(0, 0, 3)]);
    sealed.poll = sealed.poll.release(closes_at(), "test").expect("legal");
    let sealed = feed_at(sealed, closes_at());
    assert_eq!((sealed.status, sealed.on_air), (Status::Final, true));
    assert_eq!(figures(&sealed)[0], of(3, 10_000, 1));
    let unreleased = feed_at(sealed_snapshot(&[(0, 0, 3)]), closes_at());
    assert_eq!((unreleased.on_air, figures(&unreleased)[0]), (false, NONE));
}

#[test]
fn stale_figures_stay_and_are_not_on_air() {
    let confirmed = confirmed(released(&[(0, 0, 3)]), opens_at());
    let view = |ms: i64| {
        View::new(
            &confirmed,
            opens_at() + SignedDuration::from_millis(ms),
            tests_freshness(),
        )
    };
    assert!(Feed::new(&confirmed.snapshot, &view(2000)).on_air);
    let stale = Feed::new(&confirmed.snapshot, &view(2001));
    assert_eq!((stale.status, stale.on_air), (Status::Stale, false));
    assert_eq!(figures(&stale)[0], of(3, 10_000, 1));
}

#[test]
fn a_rehearsal_is_never_on_air() {
    let rehearsal = vote_testkit::fixtures::demo_poll().with("kind", "rehearsal");
    let snapshot = snapshot_of(rehearsal.open(), &[(0, (0, 0, 3))]);
    let feed = feed(snapshot);
    assert_eq!((feed.release, feed.on_air), (Release::Released, false));
    assert_eq!(figures(&feed)[0], of(3, 10_000, 1));
}

#[test]
fn what_is_held_stays_whatever_happens_but_a_void_poll_shows_nothing() {
    let before = released(&[(0, 0, 3), (0, 1, 1)]);
    let (now, poll) = (opens_at(), &before.poll);
    let frozen = standing(poll, &before.tally, now, 77, Status::Provisional);
    let frozen = HeldFigures::of(&frozen);
    let held = poll.hold(frozen, now, "test").expect("legal");
    let with = |poll: &Poll, votes: &[(usize, usize, u64)]| {
        let timed: Vec<_> = votes.iter().map(|vote| (0, *vote)).collect();
        snapshot_of(poll.clone(), &timed)
    };
    let more = [(0, 0, 30), (0, 1, 100)];
    let first = feed(with(&held, &more));
    assert_eq!(figures(&first), [of(3, 7500, 1), of(1, 2500, 2)]);
    assert_eq!(
        (
            first.release,
            first.on_air,
            first.revision,
            first.status,
            first.total_votes
        ),
        (Release::Held, false, Some(77), Status::Provisional, Some(4))
    );
    // Later, stale, with somebody less, closed: the same figures, and the state as it is.
    let bia = held.definition.candidates()[0].id.clone();
    let gone = held.withdraw(&bia, now, "test").expect("legal");
    let closed = gone
        .transition(Transition::Close, now, "test")
        .expect("legal");
    let much_later = now + SignedDuration::from_hours(1);
    let confirmed = confirmed(with(&closed, &more), now);
    let view = View::new(&confirmed, much_later, tests_freshness());
    let later = Feed::new(&confirmed.snapshot, &view);
    assert_eq!(view.status, Status::Stale);
    assert_eq!(figures(&later), figures(&first));
    assert_eq!(
        (later.revision, later.as_of, later.status, later.total_votes),
        (first.revision, first.as_of, first.status, first.total_votes)
    );
    assert_eq!((later.state, later.on_air), (PollState::Closed, false));
    let void = held
        .transition(Transition::Void, now, "test")
        .expect("legal");
    let void = feed(with(&void, &more));
    assert_eq!((figures(&void)[0], void.status), (NONE, Status::Void));
    // Without figures there are none, also where there are some by now.
    let none = poll.hold(None, now, "test").expect("legal");
    let none = feed(with(&none, &more));
    assert_eq!((figures(&none), none.on_air), (vec![NONE; 2], false));
    let again = held.release(now, "test").expect("legal");
    let again = feed(with(&again, &more));
    assert_eq!((again.on_air, again.total_votes), (true, Some(130)));
}

#[test]
fn a_sealed_result_does_not_show_through_what_is_held() {
    let mut sealed = sealed_snapshot(&[(0, 0, 9)]);
    let before = released(&[(0, 0, 3)]);
    let frozen = standing(
        &before.poll,
        &before.tally,
        opens_at(),
        77,
        Status::Provisional,
    );
    let released = sealed.poll.release(closes_at(), "test").expect("legal");
    let held = released.hold(HeldFigures::of(&frozen), closes_at(), "test");
    sealed.poll = held.expect("legal");
    let feed = feed_at(sealed, closes_at());
    // They are not the final figures, and do not say so.
    assert_eq!(
        (feed.status, feed.state),
        (Status::Provisional, PollState::Sealed)
    );
    assert_eq!(figures(&feed)[0], of(3, 10_000, 1));
}

#[test]
fn who_sees_percentages_alone_sees_no_count() {
    let seen = feed(released(&[(0, 0, 3), (0, 1, 1)])).seen(Sight::Percentages);
    assert_eq!(
        figures(&seen),
        [(None, Some(7500), Some(1)), (None, Some(2500), Some(2))]
    );
    assert_eq!((seen.total_votes, seen.revision), (None, None));
    assert!(seen.on_air);
}

#[test]
fn the_poll_of_the_samples_is_one_that_production_has_to_release() {
    assert_eq!(
        poll(Visibility::Public).release_state(),
        Release::Unreleased
    );
}
