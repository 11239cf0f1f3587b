//! The wire form of a standing, and what it says.

use std::num::NonZeroU64;

use crate::fixtures::{PAREDAO, at, poll_after, tally};
use crate::{
    CandidateId, Percent, Poll, PollDefinition, PollState, Standing, Status, Tally, Transition,
    standing, unweighted,
};

const READ: &str = "2026-11-24T01:02:03.250999Z";

fn sample() -> Standing {
    let poll = poll_after(&[Transition::Open]);
    standing(
        &poll,
        &tally(&[&[935, 265], &[200, 600]]),
        at(READ),
        815,
        Status::Provisional,
    )
}

#[test]
fn has_a_json_form_that_never_changes() {
    assert_eq!(
        serde_json::to_string(&sample()).expect("serialises"),
        concat!(
            r#"{"poll":"paredao-01","title":"Paredão 1","kind":"live","direction":"eliminate","#,
            r#""state":"open","status":"provisional","as_of":"2026-11-24T01:02:03.250Z","revision":815,"#,
            r#""total_votes":2000,"#,
            r#""candidates":[{"id":"ana","name":"Ana","votes":1135,"percent":40.88,"rank":2},"#,
            r#"{"id":"bia","name":"Bia","votes":865,"percent":59.12,"rank":1}],"#,
            r#""channels":[{"id":"torcida","weight":30,"total_votes":1200,"#,
            r#""candidates":[{"id":"ana","name":"Ana","votes":935,"percent":77.92,"rank":1},"#,
            r#"{"id":"bia","name":"Bia","votes":265,"percent":22.08,"rank":2}]},"#,
            r#"{"id":"unico","weight":70,"total_votes":800,"#,
            r#""candidates":[{"id":"ana","name":"Ana","votes":200,"percent":25,"rank":2},"#,
            r#"{"id":"bia","name":"Bia","votes":600,"percent":75,"rank":1}]}]}"#,
        )
    );
}

#[test]
fn what_is_lost_is_said_where_there_is_something_and_read_back() {
    let mut whole = sample();
    assert!(
        serde_json::to_value(&whole)
            .expect("serialises")
            .get("lost")
            .is_none()
    );
    whole.lost = NonZeroU64::new(7);
    let json = serde_json::to_string(&whole).expect("serialises");
    assert!(json.contains(r#""total_votes":2000,"lost":7,"candidates""#));
    assert_eq!(
        serde_json::from_str::<Standing>(&json).expect("read"),
        whole
    );
    // Unknown is not none: there is no 0.
    let zero = json.replace(r#""lost":7"#, r#""lost":0"#);
    assert!(serde_json::from_str::<Standing>(&zero).is_err());
}

#[test]
fn without_counts_no_count_is_left() {
    let whole = Standing {
        lost: NonZeroU64::new(7),
        ..sample()
    };
    let public = whole.without_counts();
    let json = serde_json::to_string(&public).expect("serialises");
    assert!(!json.contains("votes"), "{json}");
    assert_eq!(
        json,
        concat!(
            r#"{"poll":"paredao-01","title":"Paredão 1","kind":"live","direction":"eliminate","#,
            r#""state":"open","status":"provisional","as_of":"2026-11-24T01:02:03.250Z","#,
            r#""candidates":[{"id":"ana","name":"Ana","percent":40.88,"rank":2},"#,
            r#"{"id":"bia","name":"Bia","percent":59.12,"rank":1}],"#,
            r#""channels":[{"id":"torcida","weight":30,"#,
            r#""candidates":[{"id":"ana","name":"Ana","percent":77.92,"rank":1},"#,
            r#"{"id":"bia","name":"Bia","percent":22.08,"rank":2}]},"#,
            r#"{"id":"unico","weight":70,"#,
            r#""candidates":[{"id":"ana","name":"Ana","percent":25,"rank":2},"#,
            r#"{"id":"bia","name":"Bia","percent":75,"rank":1}]}]}"#,
        )
    );
    assert_eq!(
        serde_json::from_str::<Standing>(&json).expect("reads"),
        public
    );
}

#[test]
fn pictures_and_colours_come_with_the_candidates() {
    let file = PAREDAO.replace(
        "name: Ana",
        "name: Ana, image_url: 'https://host/ana.png', color: '#e4572e'",
    );
    let definition = PollDefinition::parse_yaml(&file).expect("legal");
    let poll = Poll::draft(definition, at(READ), "ines");
    let json = serde_json::to_string(&standing(
        &poll,
        &Tally::new(2, 2),
        at(READ),
        1,
        Status::NotOpen,
    ));
    let json = json.expect("serialises");
    assert!(
        json.contains(
            r##"{"id":"ana","name":"Ana","image_url":"https://host/ana.png","color":"#e4572e","votes":0,"percent":0,"rank":1}"##
        ),
        "{json}"
    );
}

#[test]
fn counts_beyond_64_bits_are_exact_and_read_back() {
    let poll = poll_after(&[Transition::Open]);
    let max = [u64::MAX, u64::MAX];
    let standing = standing(
        &poll,
        &tally(&[&max, &max]),
        at(READ),
        1,
        Status::Provisional,
    );
    let json = serde_json::to_string(&standing).expect("serialises");
    assert!(
        json.contains(r#""total_votes":73786976294838206460,"#),
        "{json}"
    );
    assert!(
        json.contains(r#""votes":36893488147419103230,"percent":50,"#),
        "{json}"
    );
    assert_eq!(
        serde_json::from_str::<Standing>(&json).expect("reads"),
        standing
    );
}

#[test]
fn without_votes_all_have_nothing() {
    let poll = poll_after(&[Transition::Open]);
    let standing = standing(&poll, &Tally::new(2, 2), at(READ), 1, Status::Provisional);
    assert_eq!(standing.total_votes, Some(0));
    for candidate in &standing.candidates {
        assert_eq!(
            (candidate.votes, candidate.percent, candidate.rank),
            (Some(0), Some(Percent::ZERO), Some(1))
        );
    }
}

#[test]
fn the_state_is_that_at_the_instant_of_reading() {
    let poll = poll_after(&[Transition::Open]);
    let state = |read| standing(&poll, &Tally::new(2, 2), at(read), 1, Status::Provisional).state;
    assert_eq!(state("2026-11-23T00:00:00Z"), PollState::Open);
    assert_eq!(state("2026-11-26T01:59:59.999Z"), PollState::Open);
    assert_eq!(state("2026-11-26T02:00:00Z"), PollState::Closed);
}

#[test]
fn a_tally_that_is_too_small_counts_as_no_votes_where_it_ends() {
    let poll = poll_after(&[Transition::Open]);
    let standing = standing(&poll, &tally(&[&[3]]), at(READ), 1, Status::Provisional);
    assert_eq!(standing.total_votes, Some(3));
    let percents: Vec<_> = standing
        .candidates
        .iter()
        .map(|c| c.percent.expect("it stands").to_string())
        .collect();
    assert_eq!(percents, ["100.00", "0.00"]);
    assert_eq!(standing.candidates.len(), 2);
}

/// The documented poll with a third candidate, of whom one is withdrawn.
fn without(withdrawn: &str) -> Poll {
    let file = PAREDAO.replace(
        "  - { id: bia, name: Bia }\n",
        "  - { id: bia, name: Bia }\n  - { id: caio, name: Caio }\n",
    );
    let definition = PollDefinition::parse_yaml(&file).expect("legal");
    let open = Poll::draft(definition, at(READ), "ines")
        .transition(Transition::Open, at(READ), "ines")
        .expect("legal");
    let withdrawn = CandidateId::parse(withdrawn).expect("an id");
    open.withdraw(&withdrawn, at(READ), "ines").expect("legal")
}

#[test]
fn a_withdrawn_candidate_keeps_its_votes_and_is_in_no_percentage_and_no_rank() {
    // Without ana it is the documented result: 935 to 265 by one channel, 200 to 600 by the other.
    let votes = tally(&[&[5000, 935, 265], &[1, 200, 600]]);
    let standing = standing(&without("ana"), &votes, at(READ), 815, Status::Provisional);
    assert_eq!(
        serde_json::to_string(&standing.candidates).expect("serialises"),
        concat!(
            r#"[{"id":"ana","name":"Ana","votes":5001,"withdrawn_at":"2026-11-24T01:02:03.250Z"},"#,
            r#"{"id":"bia","name":"Bia","votes":1135,"percent":40.88,"rank":2},"#,
            r#"{"id":"caio","name":"Caio","votes":865,"percent":59.12,"rank":1}]"#,
        )
    );
    assert_eq!(standing.total_votes, Some(7001));
    let torcida = &standing.channels[0];
    let percents: Vec<_> = torcida.candidates.iter().map(|c| c.percent).collect();
    assert_eq!(
        percents,
        [
            None,
            Percent::from_hundredths(7792),
            Percent::from_hundredths(2208)
        ]
    );
    assert_eq!(torcida.total_votes, Some(6200));
    let json = serde_json::to_string(&standing).expect("serialises");
    assert_eq!(
        serde_json::from_str::<Standing>(&json).expect("reads"),
        standing
    );
}

#[test]
fn a_channel_that_has_votes_for_the_withdrawn_alone_weighs_nothing() {
    let votes = tally(&[&[7, 0, 0], &[0, 1, 3]]);
    let standing = standing(&without("ana"), &votes, at(READ), 1, Status::Provisional);
    let percents: Vec<_> = standing.candidates.iter().map(|c| c.percent).collect();
    assert_eq!(
        percents,
        [
            None,
            Percent::from_hundredths(2500),
            Percent::from_hundredths(7500)
        ]
    );
    let alone: Vec<_> = standing.channels[0]
        .candidates
        .iter()
        .map(|c| (c.percent, c.rank))
        .collect();
    let nothing = (Some(Percent::ZERO), Some(1));
    assert_eq!(alone, [(None, None), nothing, nothing]);
}

#[test]
fn without_counts_a_withdrawn_candidate_says_that_it_is_and_no_more() {
    let votes = tally(&[&[5000, 935, 265], &[1, 200, 600]]);
    let standing = standing(&without("ana"), &votes, at(READ), 815, Status::Provisional);
    let public = serde_json::to_string(&standing.without_counts()).expect("serialises");
    assert!(!public.contains("votes"), "{public}");
    assert!(
        public.contains(r#"{"id":"ana","name":"Ana","withdrawn_at":"2026-11-24T01:02:03.250Z"}"#),
        "{public}"
    );
}

#[test]
fn unweighted_every_vote_counts_alike_and_who_is_withdrawn_has_no_share() {
    let poll = poll_after(&[Transition::Open]);
    let votes = tally(&[&[935, 265], &[200, 600]]);
    let shares = |poll: &Poll| -> Vec<(Option<u128>, Option<String>, Option<u32>)> {
        let rows = unweighted(poll, &votes).into_iter();
        let percent = |percent: Option<Percent>| percent.map(|percent| percent.to_string());
        rows.map(|row| (row.votes, percent(row.percent), row.rank))
            .collect()
    };
    let (ana, bia) = (Some(1135), Some(865));
    assert_eq!(
        shares(&poll),
        [
            (ana, Some("56.75".to_owned()), Some(1)),
            (bia, Some("43.25".to_owned()), Some(2))
        ]
    );
    let out = CandidateId::parse("ana").expect("an id");
    let without = poll.withdraw(&out, at(READ), "test").expect("legal");
    assert_eq!(
        shares(&without),
        [(ana, None, None), (bia, Some("100.00".to_owned()), Some(1))]
    );
}
