//! How a process shares its cores among its threads.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use crate::settings::{ServiceName, Settings};

/// So many threads of `vote-ingest` that answer have one beside them: by the processor time of a vote, lanes take less than a
/// quarter of what answering takes.
const ANSWERING_FOR_ONE_BESIDE: usize = 4;

/// The threads of a process.
///
/// Threads that want the same core stop each other, and each time one wakes another that is a system call or two: on two cores `vote-ingest` takes a
/// tenth less processor time for a vote with one thread of each kind than with two of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Those that answer requests.
    pub answering: usize,
    /// Those of the runtime beside them: lanes, connections to Redis, and whatever else is nobody's request.
    pub beside: usize,
}

impl Threads {
    /// Those of `service`: as many answer as `http.workers` says, or as there are cores for.
    #[must_use]
    pub fn of(service: ServiceName, settings: &Settings) -> Self {
        let cores = available_parallelism().map_or(2, NonZeroUsize::get);
        Self::on(
            service,
            settings.http.workers,
            cores,
            settings.voters.has_keys(),
        )
    }

    fn on(service: ServiceName, workers: usize, cores: usize, verifies_tokens: bool) -> Self {
        match service {
            ServiceName::Ingest => {
                let answering = match workers {
                    // A token takes as long as several votes, beside which lanes have little to do.
                    0 if verifies_tokens => cores.max(1),
                    // Lanes want one as well.
                    0 => cores.saturating_sub(1).max(1),
                    count => count,
                };
                let beside = answering.div_ceil(ANSWERING_FOR_ONE_BESIDE);
                Self { answering, beside }
            }
            // Revisions of several polls are made at once, and readers come in between.
            ServiceName::Results => {
                let answering = if workers == 0 { cores.max(1) } else { workers };
                Self {
                    answering,
                    beside: answering,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_a_core_of_their_own_where_there_are_several() {
        let on = |cores| {
            let Threads { answering, beside } = Threads::on(ServiceName::Ingest, 0, cores, false);
            (answering, beside)
        };
        assert_eq!(on(1), (1, 1));
        assert_eq!(on(2), (1, 1));
        assert_eq!(on(4), (3, 1));
        assert_eq!(on(8), (7, 2));
        assert_eq!(on(64), (63, 16));
    }

    #[test]
    fn readers_have_all_cores() {
        for cores in [1, 2, 64] {
            let threads = Threads::on(ServiceName::Results, 0, cores, true);
            assert_eq!((threads.answering, threads.beside), (cores, cores));
        }
    }

    #[test]
    fn tokens_are_verified_on_all_cores() {
        for (cores, beside) in [(1, 1), (2, 1), (4, 1), (8, 2)] {
            let threads = Threads::on(ServiceName::Ingest, 0, cores, true);
            assert_eq!((threads.answering, threads.beside), (cores, beside));
        }
    }

    #[test]
    fn a_number_that_is_named_is_kept_whatever_the_node_has() {
        let ingest = Threads::on(ServiceName::Ingest, 4, 64, true);
        assert_eq!((ingest.answering, ingest.beside), (4, 1));
        let results = Threads::on(ServiceName::Results, 2, 64, false);
        assert_eq!((results.answering, results.beside), (2, 2));
    }
}
