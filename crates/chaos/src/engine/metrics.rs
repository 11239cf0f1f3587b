//! What the ingest processes count, read from outside.

use vote_store::metric_names;

/// What the ingest metrics say of lost and repaired votes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Metrics {
    pub(crate) gaps: u64,
    pub(crate) repaired: u64,
    pub(crate) unrecoverable: u64,
    pub(crate) replays: u64,
    pub(crate) retries: u64,
    /// Failovers for which votes were held back.
    pub(crate) holds: u64,
}

impl Metrics {
    /// Reads the Prometheus text format.
    pub(crate) fn parse(text: &str) -> Self {
        let sum = |name: &str| {
            let total = format!("{name}_total");
            text.lines()
                .filter_map(|line| line.strip_prefix(total.as_str()))
                .filter(|rest| rest.starts_with(['{', ' ']))
                .filter_map(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok())
                .sum()
        };
        Self {
            gaps: sum(metric_names::GAPS),
            repaired: sum(metric_names::REPAIRED_VOTES),
            unrecoverable: sum(metric_names::UNRECOVERABLE_VOTES),
            replays: sum(metric_names::BATCH_REPLAYS),
            retries: sum(metric_names::COMMIT_RETRIES),
            holds: sum(metric_names::FAILOVER_HOLDS),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            gaps: self.gaps + other.gaps,
            repaired: self.repaired + other.repaired,
            unrecoverable: self.unrecoverable + other.unrecoverable,
            replays: self.replays + other.replays,
            retries: self.retries + other.retries,
            holds: self.holds + other.holds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn counters_are_added_up_over_their_labels() {
        let text = "# TYPE vote_gaps counter\nvote_gaps_total{poll=\"a\"} 2\nvote_gaps_total{poll=\"b\"} 1\n\
                    vote_repaired_votes_total{poll=\"a\"} 40\nvote_repaired_votes_created{poll=\"a\"} 17\n\
                    vote_unrecoverable_votes_total 0\n";
        let metrics = Metrics::parse(text);
        assert_eq!(
            (metrics.gaps, metrics.repaired, metrics.unrecoverable),
            (3, 40, 0)
        );
        assert_eq!(metrics.and(metrics).repaired, 80);
    }
}
