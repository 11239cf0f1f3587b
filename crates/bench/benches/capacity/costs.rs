//! What a batch and a vote cost, from what was measured.

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// Written by `make sizing-measure`.
const MEASURED: &str = include_str!("../../../../.ci/sizing/measured.json");

#[derive(Deserialize)]
struct Measured {
    date: String,
    cases: Vec<Case>,
    keys: Vec<Keys>,
}

#[derive(Deserialize)]
struct Case {
    votes_per_batch: f64,
    ingest_cpu_s_per_million: f64,
    redis_cpu_s_per_million: f64,
    redis_in_bytes: f64,
    redis_out_bytes: f64,
    file_bytes: f64,
}

#[derive(Deserialize)]
struct Keys {
    bytes: f64,
}

/// What a batch takes, however few votes it has, and each vote of it beside that.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) batch: f64,
    pub(crate) vote: f64,
}

impl Line {
    /// The line that is nearest to what a vote took in all cases, each by its part of that (least squares of `a_vote ÷ seen - 1`).
    fn through(cases: &[Case], of_a_vote: impl Fn(&Case) -> f64) -> anyhow::Result<Self> {
        // The sums of the normal equations, for the two unknowns `batch` and `vote`.
        let (mut both, mut batches, mut votes) = (0.0, (0.0, 0.0), (0.0, 0.0));
        for case in cases {
            let vote = 1.0 / of_a_vote(case);
            let batch = vote / case.votes_per_batch;
            both += batch * vote;
            batches = (batches.0 + batch * batch, batches.1 + batch);
            votes = (votes.0 + vote * vote, votes.1 + vote);
        }
        let determinant = batches.0 * votes.0 - both * both;
        let line = Self {
            batch: (batches.1 * votes.0 - both * votes.1) / determinant,
            vote: (batches.0 * votes.1 - both * batches.1) / determinant,
        };
        ensure!(
            line.batch > 0.0 && line.vote > 0.0,
            "batches of two sizes are needed, of which the larger costs more: run `make sizing-measure`"
        );
        Ok(line)
    }

    /// How far it is from what a vote took in each case, as a part of that: the least and the greatest.
    fn misses(self, cases: &[Case], of_a_vote: impl Fn(&Case) -> f64) -> (f64, f64) {
        let misses = cases
            .iter()
            .map(|case| self.a_vote(case.votes_per_batch) / of_a_vote(case) - 1.0);
        misses.fold((0.0, 0.0), |(least, most), miss| {
            (miss.min(least), miss.max(most))
        })
    }

    /// Of a vote, with its share of a batch of so many.
    pub(crate) fn a_vote(self, votes_per_batch: f64) -> f64 {
        self.vote + self.batch / votes_per_batch
    }
}

/// All of it.
pub(crate) struct Costs {
    /// Processor time of Redis, in microseconds.
    pub(crate) redis_us: Line,
    /// Processor time of ingest, in microseconds.
    pub(crate) ingest_us: Line,
    /// How far these two are from what was measured, as a part of that: the least and the greatest.
    pub(crate) redis_misses: (f64, f64),
    pub(crate) ingest_misses: (f64, f64),
    /// To and from Redis.
    pub(crate) network_bytes: Line,
    /// To the append-only file and to each replica, of a poll that has few keys.
    pub(crate) file_bytes: Line,
    /// Of Redis' memory for a key, of a poll that has many.
    pub(crate) key_bytes: f64,
    /// The day on which it was measured.
    pub(crate) date: String,
}

impl Costs {
    pub(crate) fn measured() -> anyhow::Result<Self> {
        let Measured { date, cases, keys } = serde_json::from_str(MEASURED)?;
        let redis = |case: &Case| case.redis_cpu_s_per_million;
        let ingest = |case: &Case| case.ingest_cpu_s_per_million;
        let redis_us = Line::through(&cases, redis)?;
        let ingest_us = Line::through(&cases, ingest)?;
        let key = keys
            .last()
            .context("no keys were measured: run `make sizing-measure`")?;
        Ok(Self {
            redis_misses: redis_us.misses(&cases, redis),
            ingest_misses: ingest_us.misses(&cases, ingest),
            redis_us,
            ingest_us,
            network_bytes: Line::through(&cases, |case| {
                case.redis_in_bytes + case.redis_out_bytes
            })?,
            file_bytes: Line::through(&cases, |case| case.file_bytes)?,
            key_bytes: key.bytes,
            date,
        })
    }
}
