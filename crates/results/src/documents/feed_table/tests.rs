use jiff::Timestamp;
use utoipa::PartialSchema as _;
use vote_domain::CandidateId;

use super::*;
use crate::documents::feed::CandidateFigures;

fn candidate(id: &str, votes: u128, hundredths: &str, rank: Option<u32>) -> FeedCandidate {
    FeedCandidate {
        id: CandidateId::parse(id).expect("an id"),
        name: id.to_uppercase(),
        photo: None,
        color: Some("#e4572e".to_owned()),
        is_withdrawn: false,
        figures: CandidateFigures {
            votes: Some(votes),
            percent: serde_json::from_str(hundredths).ok(),
            rank,
        },
    }
}

fn feed(candidates: Vec<FeedCandidate>) -> Feed {
    Feed {
        poll: PollId::parse("paredao-01").expect("an id"),
        title: "Paredão 1".to_owned(),
        kind: Kind::Live,
        direction: Direction::Eliminate,
        language: Language::Pt,
        state: PollState::Open,
        closes_at: Timestamp::from_second(3600).expect("a time"),
        status: Status::Provisional,
        as_of: Timestamp::UNIX_EPOCH,
        revision: Some(815),
        release: Release::Released,
        on_air: true,
        total_votes: Some(12_000),
        candidates,
    }
}

fn column(table: &FeedTable<'_>, name: &str) -> Vec<String> {
    let of = |row: &Cells<'_>| {
        let found = row.0.iter().find(|(known, _)| *known == name);
        found.expect(name).1.plain().into_owned()
    };
    table.rows.iter().map(of).collect()
}

fn tied() -> Feed {
    feed(vec![
        candidate("gone", 9000, "null", None),
        candidate("low", 100, "3.33", Some(3)),
        candidate("zoe", 1450, "48.34", Some(1)),
        candidate("ana", 1450, "48.33", Some(1)),
    ])
}

#[test]
fn rows_are_in_the_polls_order_or_by_rank_with_ties_in_that_order() {
    let feed = tied();
    let plain = FeedTable::new(&feed, Layout::default());
    assert_eq!(column(&plain, "id"), ["gone", "low", "zoe", "ana"]);
    let sort = Sort::Rank;
    let ranked = FeedTable::new(
        &feed,
        Layout {
            sort,
            ..Layout::default()
        },
    );
    assert_eq!(column(&ranked, "id"), ["zoe", "ana", "low", "gone"]);
    assert_eq!(
        column(&ranked, "percent_text"),
        ["48,34 %", "48,33 %", "3,33 %", ""]
    );
    assert_eq!(
        column(&ranked, "votes_text"),
        ["1.450", "1.450", "100", "9.000"]
    );
}

#[test]
fn there_are_exactly_as_many_rows_as_were_asked_for_and_blank_ones_are_blank() {
    let feed = tied();
    let rows = |rows| {
        FeedTable::new(
            &feed,
            Layout {
                rows: Some(rows),
                ..Layout::default()
            },
        )
    };
    assert_eq!(column(&rows(2), "id"), ["gone", "low"]);
    let six = rows(6);
    assert_eq!(column(&six, "name"), ["GONE", "LOW", "ZOE", "ANA", "", ""]);
    for (name, cell) in &six.rows[5].0 {
        let wanted = if *name == "withdrawn" { "false" } else { "" };
        assert_eq!(cell.plain(), wanted, "{name}");
        assert_eq!(six.rows[5].0.len(), six.rows[0].0.len());
    }
}

#[test]
fn a_layout_that_says_what_a_feed_is_like_anyway_is_no_other() {
    let feed = tied();
    let same = Layout {
        rows: Some(4),
        sort: Sort::Candidate,
        language: Some(Language::Pt),
    };
    assert_eq!(same.beside(&feed), Layout::default());
    let other = Layout {
        rows: Some(5),
        sort: Sort::Rank,
        language: Some(Language::En),
    };
    assert_eq!(other.beside(&feed), other);
}

#[test]
fn another_language_writes_figures_and_the_word_for_a_rehearsal() {
    let mut feed = tied();
    feed.kind = Kind::Rehearsal;
    let table = |language| {
        let language = Some(language);
        FeedTable::new(
            &feed,
            Layout {
                language,
                ..Layout::default()
            },
        )
    };
    let english = table(Language::En);
    assert_eq!(column(&english, "percent_text")[2], "48.34%");
    let said = |table: &FeedTable<'_>, name: &str| {
        let found = table.poll.0.iter().find(|(known, _)| *known == name);
        found.expect(name).1.plain().into_owned()
    };
    let own = FeedTable::new(&feed, Layout::default());
    assert_eq!(said(&english, "title"), "REHEARSAL – Paredão 1");
    assert_eq!(said(&own, "title"), "ENSAIO – Paredão 1");
    // They say in which language they are: a graphic's own words go with them.
    assert_eq!(said(&english, "language"), "en");
    assert_eq!(said(&own, "language"), "pt");
}

/// Names are bound in scenes: they are never renamed, nor is their order in tables.
#[test]
fn the_names_are_those_of_the_documentation() {
    let feed = tied();
    let table = FeedTable::new(&feed, Layout::default());
    let names: Vec<&str> = table.rows[0]
        .0
        .iter()
        .chain(&table.poll.0)
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(
        names.join(" "),
        "id name rank votes votes_text percent percent_text photo color withdrawn \
         poll title kind direction state status as_of revision total_votes total_votes_text release on_air \
         closes_at language"
    );
    let schema = serde_json::to_value(FeedRow::schema()).expect("JSON");
    // All of them are always there, if only as null.
    let required = schema["required"].as_array().map(Vec::len);
    assert_eq!(required, Some(names.len()));
    let documented = schema["properties"].as_object().expect("an object");
    let mut documented: Vec<&str> = documented.keys().map(String::as_str).collect();
    let mut written = names;
    documented.sort_unstable();
    written.sort_unstable();
    assert_eq!(documented, written);
}
