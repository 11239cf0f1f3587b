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
        // In each case `batch × share + vote × whole` is to be 1: the sums of its normal equations.
        let [mut shares, mut wholes] = [0.0; 2];
        let [mut share_share, mut share_whole, mut whole_whole] = [0.0; 3];
        for case in cases {
            let whole = 1.0 / of_a_vote(case);
            let share = whole / case.votes_per_batch;
            shares += share;
            wholes += whole;
            share_share += share * share;
            share_whole += share * whole;
            whole_whole += whole * whole;
        }
        let determinant = share_share * whole_whole - share_whole * share_whole;
        let line = Self {
            batch: (shares * whole_whole - wholes * share_whole) / determinant,
            vote: (wholes * share_share - shares * share_whole) / determinant,
        };
        ensure!(
            line.batch > 0.0 && line.vote > 0.0,
            "batches of two sizes are needed, of which the larger costs more: run `make sizing-measure`"
        );
        Ok(line)
    }

    /// What a vote takes by it ÷ what it took, the least and the greatest of all cases.
    fn to_seen(self, cases: &[Case], of_a_vote: impl Fn(&Case) -> f64) -> (f64, f64) {
        let ratios = cases
            .iter()
            .map(|case| self.a_vote(case.votes_per_batch) / of_a_vote(case));
        ratios.fold((f64::INFINITY, 0.0), |(least, most), ratio| {
            (ratio.min(least), ratio.max(most))
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
    /// These two ÷ what was measured: the least and the greatest of all cases.
    pub(crate) redis_to_seen: (f64, f64),
    pub(crate) ingest_to_seen: (f64, f64),
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
            redis_to_seen: redis_us.to_seen(&cases, redis),
            ingest_to_seen: ingest_us.to_seen(&cases, ingest),
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
