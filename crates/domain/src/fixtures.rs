//! What the tests of several files share: the documented poll, and short ways to times and tallies.

use jiff::Timestamp;

use crate::{Minute, MinuteSeries, Poll, PollDefinition, Tally, Transition, wire_time};

/// The poll file of the documentation.
pub(crate) const PAREDAO: &str = "\
id: paredao-01
title: Paredão 1
direction: eliminate          # or save
kind: live                    # or rehearsal
opens_at: 2026-11-24T00:00:00Z
closes_at: 2026-11-26T02:00:00Z
timezone: America/Sao_Paulo
visibility: public            # or percentages, embargoed
shards: 1
candidates:
  - { id: ana, name: Ana }
  - { id: bia, name: Bia }
channels:                     # a vote that names none uses the first
  - { id: torcida, weight: 30, eligibility: open }
  - { id: unico, weight: 70, eligibility: voter, votes_per_voter: 1 }
";

pub(crate) fn at(text: &str) -> Timestamp {
    wire_time::parse(text).expect(text)
}

pub(crate) fn paredao() -> PollDefinition {
    PollDefinition::parse_yaml(PAREDAO).expect("the documented poll file")
}

/// The documented poll file with a line of it replaced; lines go by how they begin.
pub(crate) fn paredao_with(beginning: &str, line: &str) -> String {
    let mut found = false;
    let lines: Vec<&str> = PAREDAO
        .lines()
        .map(|old| {
            if old.trim_start().starts_with(beginning) {
                found = true;
                line
            } else {
                old
            }
        })
        .collect();
    assert!(found, "no line begins with {beginning}");
    lines.join("\n")
}

/// What is wrong with a poll file, as `field: rule`.
pub(crate) fn wrong(yaml: &str) -> Vec<String> {
    PollDefinition::parse_yaml(yaml)
        .expect_err(yaml)
        .as_slice()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The documented poll after some transitions, all half an hour after it was to open.
pub(crate) fn poll_after(transitions: &[Transition]) -> Poll {
    let draft = Poll::draft(paredao(), at("2026-11-23T12:00:00Z"), "ines");
    transitions.iter().fold(draft, |poll, &transition| {
        poll.transition(transition, at("2026-11-24T00:30:00Z"), "ines")
            .expect("legal")
    })
}

pub(crate) fn tally(rows: &[&[u64]]) -> Tally {
    let rows: Vec<Vec<u64>> = rows.iter().map(|row| row.to_vec()).collect();
    Tally::from_rows(&rows).expect("even")
}

/// A series of two channels and two candidates: votes for the first, one channel each in turn.
pub(crate) fn series(votes: &[(&str, u64)]) -> MinuteSeries {
    let mut series = MinuteSeries::new(2, 2);
    for (i, &(when, votes)) in votes.iter().enumerate() {
        series
            .add(Minute::from_timestamp(at(when)), i % 2, 0, votes)
            .expect("fits");
    }
    series
}
