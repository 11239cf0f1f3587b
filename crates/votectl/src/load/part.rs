//! What one of several generators has seen, as a file: `load --part` writes it, `load merge` reads it.

use crate::failure::Failure;
use crate::input;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use vote_client::stats::{Counts, ErrorCount, Stats};

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;

/// Far more than both histograms and all errors of a run take.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A part, version 1. Each name is that of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// The version of this form.
    pub(super) paredao_load_part: u64,
    /// New with every run.
    pub(super) run: String,
    pub(super) poll: String,
    pub(super) url: String,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) rate: u32,
    pub(super) votes: u64,
    pub(super) connections: usize,
    pub(super) stopped: bool,
    /// The tally when this run began.
    pub(super) tally_before: u128,
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) repeated: u64,
    pub(super) refused: u64,
    pub(super) no_connection: u64,
    pub(super) unknown: u64,
    pub(super) attempts: u64,
    /// Attempts and votes by error.
    pub(super) errors: BTreeMap<String, (u64, u64)>,
    /// Microseconds and how often, for each value of the histogram that occurs.
    pub(super) latency_us: Vec<(u64, u64)>,
    pub(super) start_delay_us: Vec<(u64, u64)>,
}

impl Part {
    /// The figures alone: whoever has run fills in the rest.
    pub(super) fn of(stats: &Stats) -> Self {
        let pairs = |histogram: &vote_client::stats::Micros| {
            histogram
                .iter_recorded()
                .map(|value| (value.value_iterated_to(), value.count_at_value()))
                .collect()
        };
        let errors = stats.errors.iter();
        Self {
            paredao_load_part: VERSION,
            sent: stats.counts.sent,
            accepted: stats.counts.accepted,
            repeated: stats.counts.repeated,
            refused: stats.counts.refused,
            no_connection: stats.counts.no_connection,
            unknown: stats.counts.unknown,
            attempts: stats.counts.attempts,
            errors: errors
                .map(|(error, count)| (error.clone(), (count.attempts, count.votes)))
                .collect(),
            latency_us: pairs(&stats.latency),
            start_delay_us: pairs(&stats.start_delay),
            ..Self::default()
        }
    }

    /// Reads a part and its figures.
    ///
    /// # Errors
    /// [`Failure::Usage`], with the file's name and what is wrong in it.
    pub(super) fn read(file: &Path) -> Result<(Self, Stats), Failure> {
        let name = input::name(file);
        let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("{name}: {why}"));
        let bytes = input::read(file, MOST_BYTES).map_err(|error| wrong(&error))?;
        Self::parse(&bytes).map_err(|why| wrong(&why))
    }

    fn parse(bytes: &[u8]) -> Result<(Self, Stats), String> {
        #[derive(Deserialize)]
        struct Version {
            paredao_load_part: u64,
        }
        if bytes.len() > MOST_BYTES {
            return Err(format!("is longer than {MOST_BYTES} bytes: it is no part"));
        }
        // A byte-order mark, of an editor or a shell that it went through.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err("is empty: has its load ended? It is written at the end".to_owned());
        }
        let no_part = |why: &str| format!("is no part that `load --part` has written: {why}");
        // A list would be read as the fields in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(no_part("it does not begin as one"));
        }
        let version: Version =
            serde_json::from_slice(bytes).map_err(|error| no_part(&error.to_string()))?;
        if version.paredao_load_part != VERSION {
            return Err(format!(
                "is a part of version {}, this votectl reads version {VERSION}: take the same votectl for all",
                version.paredao_load_part
            ));
        }
        let part: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("is not whole, or was changed: {error}"))?;
        let stats = part
            .stats()
            .ok_or("its figures contradict each other: it was changed")?;
        Ok((part, stats))
    }

    /// The figures, if they agree with each other.
    fn stats(&self) -> Option<Stats> {
        let mut stats = Stats::new();
        stats.counts = Counts {
            sent: self.sent,
            accepted: self.accepted,
            repeated: self.repeated,
            refused: self.refused,
            no_connection: self.no_connection,
            unknown: self.unknown,
            attempts: self.attempts,
        };
        for (error, (attempts, votes)) in &self.errors {
            let count = ErrorCount {
                attempts: *attempts,
                votes: *votes,
            };
            stats.errors.insert(error.clone(), count);
        }
        for (value, count) in &self.latency_us {
            stats.latency.record_n(*value, *count).ok()?;
        }
        for (value, count) in &self.start_delay_us {
            stats.start_delay.record_n(*value, *count).ok()?;
        }
        let sum = |counts: &[u64]| {
            counts
                .iter()
                .try_fold(0_u64, |sum, count| sum.checked_add(*count))
        };
        let counts =
            |pairs: &[(u64, u64)]| sum(&pairs.iter().map(|pair| pair.1).collect::<Vec<u64>>());
        let begun = sum(&[self.sent, self.no_connection])?;
        let agrees = counts(&self.latency_us)? == self.accepted
            && counts(&self.start_delay_us)? == begun
            && sum(&[self.accepted, self.repeated, self.refused, self.unknown])? == self.sent
            && begun <= self.votes
            && self.started_at <= self.ended_at;
        agrees.then_some(stats)
    }

    /// Lets go of the histograms' values.
    pub(super) fn forget_values(&mut self) {
        self.latency_us = Vec::new();
        self.start_delay_us = Vec::new();
    }

    /// Writes it to its file.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it can't be written.
    pub(super) fn write(&self, mut file: File, path: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(|error| {
            let what = format!("can't write the part to {}", path.display());
            Failure::Broken(anyhow::Error::from(error).context(what))
        })
    }
}

/// The file for a part, before anything is sent: it must be new, so that no part is lost.
///
/// # Errors
/// [`Failure::Usage`] when there is one, or it can't be made.
pub(super) fn create(path: &Path) -> Result<File, Failure> {
    File::create_new(path).map_err(|error| {
        let path = path.display();
        Failure::usage(match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("--part: {path} exists, and a part is never overwritten: name a new file")
            }
            _ => format!("--part: can't make {path}: {error}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::Part;
    use std::time::Duration;
    use vote_client::latency::Latency;
    use vote_client::stats::{Stats, Verdict};
    use vote_testkit::fixtures::at;

    fn part() -> (Part, Stats) {
        let mut stats = Stats::new();
        for millis in [1, 2, 2, 700, 9_000_000] {
            stats.finish(Verdict::Accepted, 1, Duration::from_millis(millis));
            stats.start_delay.saturating_record(millis);
        }
        stats.finish(Verdict::Unknown, 2, Duration::from_millis(1));
        stats.start_delay.saturating_record(1);
        stats.error("504 outcome_unknown", true);
        let part = Part {
            run: "load-1".to_owned(),
            poll: "ensaio-01".to_owned(),
            url: "http://127.0.0.1:8080".to_owned(),
            started_at: at("2026-11-24T00:00:00Z"),
            ended_at: at("2026-11-24T00:00:10Z"),
            rate: 10,
            votes: 6,
            connections: 4,
            stopped: false,
            tally_before: 7,
            ..Part::of(&stats)
        };
        (part, stats)
    }

    #[test]
    fn a_part_comes_back_as_it_was_written_to_the_last_value_of_its_histograms() {
        let (part, stats) = part();
        let text = serde_json::to_vec(&part).expect("a part is JSON");
        let (read, figures) = Part::parse(&text).expect("it is a part");
        assert_eq!(read, part);
        let marked = [b"\xef\xbb\xbf", text.as_slice()].concat();
        assert_eq!(Part::parse(&marked).expect("it is a part").0, part);
        assert_eq!((figures.counts.accepted, figures.counts.unknown), (5, 1));
        assert_eq!(figures.errors, stats.errors);
        assert_eq!(
            Latency::of(&figures.latency).p99,
            Latency::of(&stats.latency).p99
        );
        assert_eq!(figures.latency, stats.latency);
        assert_eq!(figures.start_delay, stats.start_delay);
    }

    #[test]
    fn what_is_no_part_is_refused_with_the_reason() {
        let good = serde_json::to_string(&part().0).expect("a part is JSON");
        let changed = |from: &str, to: &str| {
            assert!(good.contains(from), "{good}");
            good.replace(from, to)
        };
        for (text, says) in [
            (String::new(), "is empty: has its load ended?"),
            (" \n".to_owned(), "is empty"),
            ("{}".to_owned(), "is no part that `load --part` has written"),
            ("[1]".to_owned(), "is no part"),
            ("\u{0}\u{1}".to_owned(), "is no part"),
            ("[".repeat(100_000), "is no part"),
            (good[..good.len() / 2].to_owned(), "is no part"),
            (changed("load_part\":1", "load_part\":2"), "of version 2"),
            (
                changed("\"rate\":10", "\"rate\":-1"),
                "is not whole, or was changed",
            ),
            (
                changed("\"rate\":10", "\"rate\":10,\"x\":1"),
                "unknown field",
            ),
            (
                changed("\"rate\":10", "\"rate\":10,\"rate\":10"),
                "duplicate field",
            ),
            (
                changed("\"accepted\":5", "\"accepted\":6"),
                "contradict each other",
            ),
            (
                changed("\"votes\":6", "\"votes\":5"),
                "contradict each other",
            ),
            (
                changed("\"sent\":6", "\"sent\":18446744073709551615"),
                "contradict",
            ),
            (
                changed(
                    "\"latency_us\":[[",
                    "\"latency_us\":[[18446744073709551615,1],[",
                ),
                "contradict",
            ),
        ] {
            let error = Part::parse(text.as_bytes()).expect_err("it is refused");
            assert!(error.contains(says), "{error}");
        }
    }
}
