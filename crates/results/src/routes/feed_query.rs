//! What is asked for of a feed.

use vote_domain::Language;
use vote_http::problem::echo;
use vote_http::query::{Parameter, parameters};
use vote_http::{Problem, ProblemCode};

use crate::documents::feed_table::{Layout, Sort};

/// As many rows as a poll can have candidates.
const MOST_ROWS: usize = 64;

/// The longest tag of a language that is looked at (RFC 5646, section 4.4.1, asks for no more).
const MAX_TAG: usize = 35;

/// The parameters of a feed.
const KNOWN: [&str; 4] = ["rows", "sort", "lang", "token"];

/// Reads the query of a feed's address; who asks is looked at elsewhere.
///
/// # Errors
/// `invalid-query`.
pub(super) fn layout(query: &str) -> Result<Layout, Problem> {
    layout_of(&parameters(query, &KNOWN)?)
}

/// The layout that is among parameters of others as well.
///
/// # Errors
/// `invalid-query`.
pub(super) fn layout_of(given: &[Parameter<'_>]) -> Result<Layout, Problem> {
    let value = |name: &str| {
        let given = given.iter().find(|(given, _)| given == name);
        given.map(|(_, value)| value.as_ref())
    };
    Ok(Layout {
        rows: value("rows").map(rows).transpose()?,
        sort: value("sort").map(sort).transpose()?.unwrap_or_default(),
        language: value("lang").map(language).transpose()?,
    })
}

fn wrong(rule: &str, text: &str) -> Problem {
    let detail = format!("{rule}; is {}.", echo(text));
    Problem::new(ProblemCode::InvalidQuery).detail(detail)
}

fn rows(text: &str) -> Result<usize, Problem> {
    let is_number = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let rows = text.parse().ok().filter(|_| is_number);
    rows.filter(|rows| (1..=MOST_ROWS).contains(rows))
        .ok_or_else(|| {
            wrong(
                &format!("rows must be a whole number from 1 to {MOST_ROWS}"),
                text,
            )
        })
}

fn sort(text: &str) -> Result<Sort, Problem> {
    let named = Sort::NAMED.iter().find(|(name, _)| *name == text);
    named
        .map(|(_, sort)| *sort)
        .ok_or_else(|| wrong("sort must be candidate or rank", text))
}

fn language(text: &str) -> Result<Language, Problem> {
    Some(text)
        .filter(|text| text.len() <= MAX_TAG)
        .and_then(Language::of_tag)
        .ok_or_else(|| {
            let rule = format!(
                "lang must be one of {}, alone or with a region such as pt-BR",
                Language::NAMES.join(", ")
            );
            wrong(&rule, text)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_optional_and_a_token_is_no_part_of_the_layout() {
        for query in ["", "token=x", "_=1", "sort=candidate"] {
            assert_eq!(layout(query).expect(query), Layout::default());
        }
        let all = layout("rows=04&sort=rank&lang=pt-BR&token=x").expect("right");
        let wanted = Layout {
            rows: Some(4),
            sort: Sort::Rank,
            language: Some(Language::Pt),
        };
        assert_eq!(all, wanted);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let long = "9".repeat(10_000);
        for (query, said) in [
            ("rows=", "from 1 to 64"),
            ("rows=0", "from 1 to 64"),
            ("rows=65", "from 1 to 64"),
            ("rows=%2B4", "from 1 to 64"),
            ("rows=-1", "from 1 to 64"),
            ("rows=4.0", "from 1 to 64"),
            (&format!("rows={long}"), "from 1 to 64"),
            ("sort=", "candidate or rank"),
            ("sort=RANK", "candidate or rank"),
            ("lang=", "one of pt, en, es"),
            ("lang=fr", "one of pt, en, es"),
            (&format!("lang=pt-{long}"), "one of pt, en, es"),
            ("rows=1&rows=2", "given twice"),
            ("token=secret&token=secret", "given twice"),
            ("row=1", "takes rows, sort, lang and token"),
        ] {
            let problem = layout(query).expect_err(query);
            assert_eq!(problem.code(), ProblemCode::InvalidQuery);
            let body = String::from_utf8(problem.body().to_vec()).expect("text");
            assert!(body.contains(said), "{query:.40}: {body}");
            assert!(!body.contains("secret") && body.len() < 600, "{body}");
        }
    }
}
