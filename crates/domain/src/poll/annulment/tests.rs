use super::*;
use crate::figures::series::MinuteSeries;
use crate::fixtures::{at, paredao, poll_after};
use crate::poll::state::Transition;
use crate::{RecordedVotes, Tally};

const NOW: &str = "2026-11-25T00:00:30.000Z";

fn reason() -> Reason {
    Reason::parse("robots").expect("a reason")
}

fn votes(from: &str, until: &str, channel: Option<&str>, candidate: Option<&str>) -> Annulled {
    Annulled {
        from: at(from),
        until: at(until),
        channel: channel.map(|id| ChannelId::parse(id).expect("an id")),
        candidate: candidate.map(|id| CandidateId::parse(id).expect("an id")),
    }
}

/// The first two minutes of an hour.
fn window(channel: Option<&str>, candidate: Option<&str>) -> Annulled {
    votes(
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:02:00Z",
        channel,
        candidate,
    )
}

fn open() -> Poll {
    poll_after(&[Transition::Open])
}

fn annulled(poll: &Poll, votes: Annulled) -> Poll {
    poll.annul(votes, reason(), at(NOW), "ines").expect("legal")
}

/// 1, 2, 4 and 8 votes by channel and candidate in each of four minutes.
fn minutes() -> MinuteSeries {
    let mut minutes = MinuteSeries::empty(&paredao());
    let of_minute = Tally::from_rows(&[vec![1, 2], vec![4, 8]]).expect("even");
    for minute in ["11:59", "12:00", "12:01", "12:02"] {
        let minute = Minute::from_timestamp(at(&format!("2026-11-24T{minute}:00Z")));
        minutes.add_minute(minute, &of_minute).expect("fits");
    }
    minutes
}

fn rows(poll: &Poll) -> Vec<Vec<u64>> {
    poll.annulled(&minutes()).expect("fits").into()
}

#[test]
fn votes_are_annulled_until_that_is_taken_back() {
    let poll = open();
    assert!(!poll.has_annulments());
    let out = annulled(&poll, window(None, Some("ana")));
    assert_eq!(out.revision, poll.revision + 1);
    let entry = out.log.last().expect("an entry");
    assert_eq!(
        (
            entry.action.as_str(),
            entry.detail.as_str(),
            entry.reason.clone()
        ),
        (
            "annul",
            "annulment 1: votes from 2026-11-24T12:00:00.000Z until 2026-11-24T12:02:00.000Z, candidate ana",
            Some(reason())
        )
    );
    let again = out.annul(window(None, Some("ana")), reason(), at(NOW), "rui");
    assert_eq!(again.as_ref(), Ok(&out), "said twice is said once");
    let second = annulled(&out, window(Some("unico"), None));
    assert_eq!(second.annulments[1].number, 2);

    let back = second
        .take_back(1, reason(), at(NOW), "rui")
        .expect("legal");
    assert_eq!(
        back.log.last().map(|entry| entry.action.as_str()),
        Some("take-back")
    );
    assert_eq!(back.standing_annulments().count(), 1);
    assert_eq!(back.annulments.len(), 2, "the trail stays");
    let again = back.take_back(1, reason(), at("2026-11-26T00:00:00Z"), "rui");
    assert_eq!(again.as_ref(), Ok(&back));
    // What was taken back can be annulled once more.
    assert_eq!(
        annulled(&back, window(None, Some("ana"))).annulments[2].number,
        3
    );
    assert_eq!(
        back.take_back(3, reason(), at(NOW), "rui")
            .expect_err("none")
            .to_string(),
        "has no annulment 3; its last one is 2"
    );
    assert_eq!(
        poll.take_back(1, reason(), at(NOW), "rui")
            .expect_err("none")
            .to_string(),
        "has no annulment 1: none was made"
    );
}

#[test]
fn it_is_so_while_there_are_votes_and_no_final_result() {
    use Transition::{Close, Open, Pause, Seal, Void};
    for (transitions, is_legal) in [
        (&[][..], false),
        (&[Open][..], true),
        (&[Open, Pause], true),
        (&[Open, Close], true),
        (&[Open, Close, Seal], false),
        (&[Open, Void], false),
    ] {
        let poll = poll_after(transitions);
        let first = poll.definition.opens_at();
        let next = Minute::from_timestamp(first).next().start();
        let window = Annulled {
            from: first,
            until: next,
            channel: None,
            candidate: None,
        };
        let mut poll = poll;
        poll.closes_at = poll.closes_at.max(next);
        let annul = poll.annul(window, reason(), at(NOW), "ines");
        assert_eq!(annul.is_ok(), is_legal, "{}", poll.state);
        let take_back = poll.take_back(1, reason(), at(NOW), "ines");
        let is_state = matches!(take_back, Err(AnnulError::State { .. }));
        assert_eq!(is_state, !is_legal, "{}", poll.state);
    }
}

#[test]
fn a_window_that_is_wrong_is_told_what_would_be_right() {
    let poll = open();
    for (from, until, says) in [
        (
            "2026-11-24T12:00:30Z",
            "2026-11-24T12:02:00Z",
            "2026-11-24T12:00:00.000Z or 2026-11-24T12:01:00.000Z would be right",
        ),
        (
            "2026-11-24T12:02:00Z",
            "2026-11-24T12:02:00Z",
            "the window is empty",
        ),
        (
            "2026-11-24T12:02:00Z",
            "2026-11-24T12:00:00Z",
            "the window is empty",
        ),
        (
            "2026-11-23T12:00:00Z",
            "2026-11-24T00:00:00Z",
            "the poll takes votes from 2026-11-24T00:00:00.000Z",
        ),
        (
            "2026-11-26T02:00:00Z",
            "2026-11-26T03:00:00Z",
            "the poll takes votes from",
        ),
        (
            "2026-11-24T12:02:00Z",
            "2026-11-25T00:02:00Z",
            "2026-11-25T00:02:00.000Z is still to come",
        ),
    ] {
        let error = poll.annul(votes(from, until, None, None), reason(), at(NOW), "ines");
        let error = error.expect_err(from).to_string();
        assert!(error.contains(says), "{error}");
    }
    // The minute that runs has begun.
    annulled(
        &poll,
        votes("2026-11-25T00:00:00Z", "2026-11-25T00:01:00Z", None, None),
    );
    for (votes, says) in [
        (
            window(Some("zap"), None),
            "has no channel zap; it has torcida, unico",
        ),
        (
            window(None, Some("zoe")),
            "has no candidate zoe; it has ana, bia",
        ),
    ] {
        let error = poll.annul(votes, reason(), at(NOW), "ines");
        assert_eq!(error.expect_err("unknown").to_string(), says);
    }
}

#[test]
fn each_vote_is_annulled_once_however_many_windows_it_is_in() {
    let poll = open();
    assert_eq!(rows(&poll), [[0, 0], [0, 0]]);
    let one = annulled(&poll, window(None, Some("ana")));
    assert_eq!(rows(&one), [[2, 0], [8, 0]]);
    let two = annulled(&one, window(Some("unico"), None));
    assert_eq!(rows(&two), [[2, 0], [8, 16]]);
    let longer = votes(
        "2026-11-24T12:01:00Z",
        "2026-11-24T12:03:00Z",
        None,
        Some("ana"),
    );
    let three = annulled(&two, longer);
    assert_eq!(rows(&three), [[3, 0], [12, 16]]);
    let back = three
        .take_back(1, reason(), at(NOW), "ines")
        .expect("legal");
    assert_eq!(rows(&back), [[2, 0], [12, 16]]);
    let all = annulled(&three, window(None, None));
    let net = all.net_minutes(&minutes());
    let sum = minutes()
        .sum()
        .expect("fits")
        .without(&all.annulled(&minutes()).expect("fits"));
    assert_eq!(net.sum().ok(), sum);
    assert_eq!(
        net.total(),
        15 + 15 - 1 - 4,
        "the first minute, and the last one without ana's"
    );
    assert_eq!(net.first(), minutes().first());
}

#[test]
fn what_was_recorded_stands_beside_what_is_annulled() {
    let recorded = minutes().sum().expect("fits");
    let poll = annulled(&open(), window(Some("unico"), Some("bia")));
    let annulled = poll.annulled(&minutes()).expect("fits");
    let beside = RecordedVotes::of(&poll.definition, &recorded, &annulled).expect("some");
    assert_eq!((beside.total_votes, beside.annulled), (60, 16));
    let bia = &beside.channels[1].candidates[1];
    assert_eq!((bia.votes, bia.annulled), (32, 16));
    assert_eq!(
        RecordedVotes::of(&poll.definition, &recorded, &Tally::new(2, 2)),
        None
    );
}

#[test]
fn a_poll_keeps_so_many_and_no_more() {
    let mut poll = open();
    for minute in 0..MOST {
        let from = at("2026-11-24T12:00:00Z")
            + jiff::SignedDuration::from_mins(i64::try_from(minute).expect("few"));
        let until = from + jiff::SignedDuration::from_mins(1);
        poll = annulled(
            &poll,
            Annulled {
                from,
                until,
                channel: None,
                candidate: None,
            },
        );
    }
    let more = poll.annul(
        votes("2026-11-24T11:00:00Z", "2026-11-24T11:01:00Z", None, None),
        reason(),
        at(NOW),
        "ines",
    );
    assert_eq!(more, Err(AnnulError::TooMany));
    assert_eq!(poll.annulment_mistake(), None);
}

#[test]
fn what_no_command_makes_is_a_mistake() {
    let poll = annulled(&open(), window(None, Some("ana")));
    let back = poll.take_back(1, reason(), at(NOW), "ines").expect("legal");
    for right in [&open(), &poll, &back] {
        assert_eq!(right.annulment_mistake(), None);
    }
    let with = |change: fn(&mut Annulment)| {
        let mut wrong = poll.clone();
        change(&mut wrong.annulments[0]);
        wrong.annulment_mistake().unwrap_or_default()
    };
    assert_eq!(with(|one| one.number = 2), "its annulment 1 is numbered 2");
    assert!(
        with(|one| one.votes.candidate = CandidateId::parse("zoe").ok())
            .contains("has no candidate zoe")
    );
    assert!(with(|one| one.votes.until = one.votes.from).contains("the window is empty"));
    assert!(with(|one| one.at = at("2026-11-24T12:00:00Z")).contains("the log has no annul at"));
    assert!(with(|one| one.taken_back_at = Some(at(NOW))).contains("the log has no take-back at"));
}

#[test]
fn a_poll_without_annulments_is_written_as_ever() {
    let poll = open();
    let json = serde_json::to_string(&poll).expect("serialises");
    assert!(!json.contains("annulments"), "{json}");
    let poll = annulled(&poll, window(Some("unico"), None));
    let json = serde_json::to_string(&poll).expect("serialises");
    assert_eq!(serde_json::from_str::<Poll>(&json).expect("reads"), poll);
}
