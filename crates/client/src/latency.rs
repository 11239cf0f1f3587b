//! Figures of a histogram.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Figures of a histogram, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How many values there are.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Half of the values are at most this.
    pub p50: u64,
    /// 90 % are at most this.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The largest.
    pub max: u64,
}

impl Latency {
    /// Of this histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

/// How many values lie in which range, by powers of two of microseconds, from the smallest to the largest that occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution(Vec<Bucket>);

/// One range of a [`Distribution`]; it begins where the one before ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its end, in microseconds.
    pub up_to: u64,
    /// How many values lie in it.
    pub count: u64,
}

impl Distribution {
    /// Of this histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let mut buckets = Vec::new();
        if histogram.is_empty() {
            return Self(buckets);
        }
        let mut from = 0;
        let mut up_to = histogram.min().next_power_of_two().max(1);
        loop {
            let count = histogram.count_between(from, up_to.saturating_sub(1));
            buckets.push(Bucket { up_to, count });
            if up_to > histogram.max() {
                return Self(buckets);
            }
            from = up_to;
            up_to = up_to.saturating_mul(2);
        }
    }

    /// Its ranges, the lowest first.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket] {
        &self.0
    }
}
