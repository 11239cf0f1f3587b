//! What a reader of the stream asks for.

use std::time::Duration;

use vote_http::query::Parameter;
use vote_http::{Problem, ProblemCode};

/// Most events per second, whatever is asked for.
const MAX_RATE: f64 = 4.0;

/// Fewest events per second that can be asked for: one in a minute and a bit.
const MIN_RATE: f64 = 0.015;

/// The query parameters; those of a feed's layout are for rows alone.
pub(crate) const KNOWN: [&str; 7] = [
    "view", "max_rate", "encoding", "rows", "sort", "lang", "token",
];

/// How a reader wants the events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StreamQuery {
    pub(crate) view: StreamView,
    /// The time between two events, in the long run.
    pub(crate) interval: Duration,
    /// Whether the stream is to be one of brotli.
    pub(crate) is_brotli: bool,
}

/// What an event holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StreamView {
    /// The whole standing.
    Standing,
    /// The whole standing first, and then what has changed.
    Delta,
    /// What may go on air, as in the feed of rows.
    Rows,
}

impl StreamView {
    pub(crate) const ALL: [Self; 3] = [Self::Standing, Self::Delta, Self::Rows];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Standing => "standing",
            Self::Delta => "delta",
            Self::Rows => "rows",
        }
    }
}

impl StreamQuery {
    /// Reads the parameters of a stream.
    ///
    /// # Errors
    /// `invalid-query`.
    pub(crate) fn of(given: &[Parameter<'_>]) -> Result<Self, Problem> {
        let mut parsed = Self {
            view: StreamView::Standing,
            interval: Duration::from_secs_f64(1.0 / MAX_RATE),
            is_brotli: false,
        };
        for (name, value) in given {
            match name.as_ref() {
                "view" => parsed.view = view(value)?,
                "max_rate" => parsed.interval = interval(value)?,
                "encoding" => parsed.is_brotli = is_brotli(value)?,
                // Who asks, and how rows are laid out, is another matter.
                _ => {}
            }
        }
        let of_rows =
            |(name, _): &&Parameter<'_>| matches!(name.as_ref(), "rows" | "sort" | "lang");
        match given.iter().find(of_rows) {
            Some((name, _)) if parsed.view != StreamView::Rows => Err(invalid(format!(
                "The query parameter {name} is taken with view=rows."
            ))),
            _ => Ok(parsed),
        }
    }
}

fn view(value: &str) -> Result<StreamView, Problem> {
    let found = StreamView::ALL
        .into_iter()
        .find(|view| view.as_str() == value);
    found.ok_or_else(|| {
        let [standing, delta, rows] = StreamView::ALL.map(StreamView::as_str);
        invalid(format!(
            "The query parameter view takes {standing}, {delta} and {rows}."
        ))
    })
}

fn interval(value: &str) -> Result<Duration, Problem> {
    let rate = value
        .parse::<f64>()
        .ok()
        .filter(|rate| (MIN_RATE..=MAX_RATE).contains(rate));
    rate.map(|rate| Duration::from_secs_f64(1.0 / rate)).ok_or_else(|| {
        invalid(format!(
            "The query parameter max_rate takes the most events per second, {MIN_RATE} to {MAX_RATE}."
        ))
    })
}

fn is_brotli(value: &str) -> Result<bool, Problem> {
    match value {
        "identity" => Ok(false),
        "br" => Ok(true),
        _ => Err(invalid(
            "The query parameter encoding takes identity and br.".to_owned(),
        )),
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemCode::InvalidQuery).detail(detail)
}

#[cfg(test)]
mod tests {
    use vote_http::query::parameters;

    use super::*;

    fn parse(query: &str) -> Result<StreamQuery, Problem> {
        StreamQuery::of(&parameters(query, &KNOWN)?)
    }

    #[test]
    fn what_is_not_asked_for_has_its_default() {
        let parsed = parse("").expect("fine");
        assert_eq!(parsed.view, StreamView::Standing);
        assert_eq!(parsed.interval, Duration::from_millis(250));
        assert!(!parsed.is_brotli);
        let parsed = parse("view=delta&max_rate=0.5&encoding=br").expect("fine");
        assert_eq!(parsed.view, StreamView::Delta);
        assert_eq!(parsed.interval, Duration::from_secs(2));
        assert!(parsed.is_brotli);
        assert!(parse("view=rows&lang=en&rows=3&sort=rank").is_ok());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (query, said) in [
            ("view=", "takes standing, delta and rows"),
            ("view=Delta", "takes standing, delta and rows"),
            ("max_rate=0", "0.015 to 4"),
            ("max_rate=-1", "0.015 to 4"),
            ("max_rate=4.01", "0.015 to 4"),
            ("max_rate=NaN", "0.015 to 4"),
            ("max_rate=inf", "0.015 to 4"),
            ("max_rate=", "0.015 to 4"),
            ("encoding=gzip", "identity and br"),
            (
                "x=1",
                "takes view, max_rate, encoding, rows, sort, lang and token",
            ),
            ("view=delta&view=delta", "given twice"),
            ("lang=en", "lang is taken with view=rows"),
            ("view=delta&rows=3", "rows is taken with view=rows"),
        ] {
            let problem = parse(query).expect_err(query);
            let body = String::from_utf8(problem.body().to_vec()).expect("text");
            assert!(body.contains(said), "{query}: {body}");
        }
    }
}
