//! The record minute fails for books that do not agree, and for nothing else.

use crate::books::Books;

/// A thousand votes, of which seven were refused and three are unknown.
fn books() -> Books {
    Books {
        asked: 2_000,
        sent: 1_000,
        accepted: 990,
        refused: 7,
        unknown: 3,
        finding: "within_unknown".to_owned(),
        audited: 990,
        shown: 990,
        ..Books::default()
    }
}

#[test]
fn votes_that_were_refused_unknown_or_never_sent_are_no_error() {
    for audited in 990..=993 {
        let books = Books {
            audited,
            shown: audited,
            ..books()
        };
        let wrong = books.compared().wrong;
        assert!(wrong.is_empty(), "{audited}: {wrong:?}");
    }
}

#[test]
fn each_vote_that_does_not_agree_is_an_error() {
    let found = |change: fn(&mut Books)| {
        let mut books = books();
        change(&mut books);
        books.compared().wrong.len()
    };
    assert_eq!(found(|it| it.sent += 1), 1, "sent, and never ended");
    assert_eq!(found(|it| it.shown -= 1), 1, "not shown");
    assert_eq!(
        found(|it| (it.audited, it.shown) = (989, 989)),
        1,
        "missing from the tally"
    );
    assert_eq!(
        found(|it| (it.audited, it.shown) = (994, 994)),
        1,
        "in the tally, and nobody was told"
    );
    assert_eq!(
        found(|it| (it.refused, it.repeated) = (6, 1)),
        1,
        "a repeat of nothing"
    );
    assert_eq!(found(|it| it.finding = "missing".to_owned()), 1, "the load");
    assert_eq!(found(|it| it.finding = "not read".to_owned()), 1, "unread");
}
