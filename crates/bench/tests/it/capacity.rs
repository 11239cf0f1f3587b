//! What docs/capacity.md says is what is worked out by today's rules of lanes, from today's costs.

use crate::costs::Costs;
use crate::shows::{SHOWS, head, row};

const PAGE: &str = include_str!("../../../../docs/capacity.md");
/// Larger ones take long in a build that is not optimised.
const VOTES_AT_MOST: usize = 100_000;

#[test]
fn the_shows_of_the_page_are_those_that_are_worked_out_now() {
    let costs = Costs::measured().expect("measured");
    let of_page = |line: &str| PAGE.lines().any(|written| written == line);
    let written = head(&costs);
    for line in written.lines() {
        assert!(of_page(line), "`make capacity` writes {line}");
    }
    let small = SHOWS
        .into_iter()
        .filter(|show| show.votes_per_second <= VOTES_AT_MOST);
    let rows: Vec<String> = small.map(|show| row(show, &costs)).collect();
    assert!(rows.len() >= 8);
    for row in rows {
        assert!(of_page(&row), "`make capacity` writes {row}");
    }
}
