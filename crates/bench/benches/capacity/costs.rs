//! What a batch and a vote cost, from what was measured.

use anyhow::Context as _;
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
    /// The line through the smallest and the largest batches: `batch + votes × vote`.
    fn through(few: &Case, many: &Case, of_a_vote: impl Fn(&Case) -> f64) -> Self {
        let cost = |case: &Case| of_a_vote(case) * case.votes_per_batch;
        let vote = (cost(many) - cost(few)) / (many.votes_per_batch - few.votes_per_batch);
        let batch = vote.mul_add(-few.votes_per_batch, cost(few));
        Self { batch, vote }
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
        let Measured {
            date,
            mut cases,
            keys,
        } = serde_json::from_str(MEASURED)?;
        cases.sort_by(|one, other| one.votes_per_batch.total_cmp(&other.votes_per_batch));
        let (few, many) = cases
            .first()
            .zip(cases.last())
            .filter(|(few, many)| few.votes_per_batch < many.votes_per_batch)
            .context("two sizes of a batch are needed: run `make sizing-measure`")?;
        let key = keys
            .last()
            .context("no keys were measured: run `make sizing-measure`")?;
        Ok(Self {
            redis_us: Line::through(few, many, |case| case.redis_cpu_s_per_million),
            ingest_us: Line::through(few, many, |case| case.ingest_cpu_s_per_million),
            network_bytes: Line::through(few, many, |case| {
                case.redis_in_bytes + case.redis_out_bytes
            }),
            file_bytes: Line::through(few, many, |case| case.file_bytes),
            key_bytes: key.bytes,
            date,
        })
    }
}
