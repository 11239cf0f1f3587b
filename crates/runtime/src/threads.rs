//! How a process shares its cores among its threads.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use crate::settings::{ServiceName, Settings};

/// So many threads of `vote-ingest` that answer have one beside them: by the processor time of a vote, lanes take less than a
/// quarter of what answering takes.
const ANSWERING_FOR_ONE_BESIDE: usize = 4;

/// The threads of a process.
///
/// Threads that want the same core stop each other, and a runtime of several wakes another one for each piece of work that it
/// puts off, by a system call: on two cores `vote-ingest` takes some 5 % less processor time for a vote with one thread beside two than with two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Those that answer requests.
    pub answering: usize,
    /// Those of the runtime beside them: lanes, connections to Redis, and whatever else is nobody's request.
    pub beside: usize,
}

impl Threads {
    /// Those of `service`: as many answer as `http.workers` says, or as there are cores.
    #[must_use]
    pub fn of(service: ServiceName, settings: &Settings) -> Self {
        let cores = available_parallelism().map_or(2, NonZeroUsize::get);
        Self::on(service, settings.http.workers, cores)
    }

    fn on(service: ServiceName, workers: usize, cores: usize) -> Self {
        let answering = if workers == 0 { cores.max(1) } else { workers };
        let beside = match service {
            ServiceName::Ingest => answering.div_ceil(ANSWERING_FOR_ONE_BESIDE),
            // Revisions of several polls are made at once, and readers come in between.
            ServiceName::Results => answering,
        };
        Self { answering, beside }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(service: ServiceName, workers: usize, cores: usize) -> (usize, usize) {
        let Threads { answering, beside } = Threads::on(service, workers, cores);
        (answering, beside)
    }

    #[test]
    fn all_cores_answer_and_few_threads_carry_lanes() {
        assert_eq!(on(ServiceName::Ingest, 0, 1), (1, 1));
        assert_eq!(on(ServiceName::Ingest, 0, 2), (2, 1));
        assert_eq!(on(ServiceName::Ingest, 0, 8), (8, 2));
        assert_eq!(on(ServiceName::Ingest, 0, 64), (64, 16));
    }

    #[test]
    fn revisions_have_all_cores_as_readers_have() {
        for cores in [1, 2, 64] {
            assert_eq!(on(ServiceName::Results, 0, cores), (cores, cores));
        }
    }

    #[test]
    fn a_number_that_is_named_is_kept_whatever_the_node_has() {
        assert_eq!(on(ServiceName::Ingest, 5, 64), (5, 2));
        assert_eq!(on(ServiceName::Results, 2, 64), (2, 2));
    }
}
