//! What a batch costs Redis, from what was measured.

use anyhow::Context as _;
use serde::Deserialize;

/// Written by `make sizing-measure`.
const MEASURED: &str = include_str!("../../../../.ci/sizing/measured.json");

#[derive(Deserialize)]
struct Measured {
    date: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    votes_per_batch: f64,
    redis_cpu_s_per_million: f64,
}

/// Processor time of Redis, in microseconds.
pub(crate) struct Costs {
    /// Of a batch, however few votes it has.
    pub(crate) batch_us: f64,
    /// Of each vote, beside that.
    pub(crate) vote_us: f64,
    /// The day on which it was measured.
    pub(crate) date: String,
}

impl Costs {
    /// The line through the costs of the smallest and the largest batches: `batch + votes × vote`.
    pub(crate) fn measured() -> anyhow::Result<Self> {
        let Measured { date, mut cases } = serde_json::from_str(MEASURED)?;
        cases.sort_by(|one, other| one.votes_per_batch.total_cmp(&other.votes_per_batch));
        let (few, many) = cases
            .first()
            .zip(cases.last())
            .filter(|(few, many)| few.votes_per_batch < many.votes_per_batch)
            .context("two sizes of a batch are needed: run `make sizing-measure`")?;
        let cost = |case: &Case| case.redis_cpu_s_per_million * case.votes_per_batch;
        let more_votes = many.votes_per_batch - few.votes_per_batch;
        let vote_us = (cost(many) - cost(few)) / more_votes;
        Ok(Self {
            batch_us: vote_us.mul_add(-few.votes_per_batch, cost(few)),
            vote_us,
            date,
        })
    }
}
