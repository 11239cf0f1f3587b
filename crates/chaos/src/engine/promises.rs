//! What a scenario promises beyond exactly once, and which of it does not hold.

use crate::engine::load::EndedLoad;
use crate::engine::metrics::Metrics;
use std::time::Duration;
use vote_client::answer::NO_ANSWER;

/// What a scenario promises beyond exactly once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Promises {
    /// Longest time from the store's return to the next accepted vote.
    pub(crate) after_back: Option<Duration>,
    /// Longest time without an accepted vote, where the store never was away.
    pub(crate) longest_stall: Option<Duration>,
    /// How long Redis was away on purpose: if nothing stood still for most of it, nothing was tested.
    pub(crate) away: Option<Duration>,
    /// Whether the fault must have made Redis forget accepted votes.
    pub(crate) repairs: bool,
    /// Whether the ingest processes must have seen a failover, and held votes back for it.
    pub(crate) held: bool,
    /// Whether Redis may have forgotten nothing that was accepted.
    pub(crate) nothing_forgotten: bool,
    /// Whether no connection may be cut without an answer, and no outcome may be left open.
    pub(crate) in_order: bool,
}

impl Promises {
    /// Redis was away, and everything goes on within `bound` once it is back.
    pub(crate) fn back_within(bound: Duration) -> Self {
        Self {
            after_back: Some(bound),
            ..Self::default()
        }
    }

    /// Votes are held back meanwhile.
    pub(crate) fn and_held(self) -> Self {
        Self { held: true, ..self }
    }

    /// There is nothing to repair afterwards.
    pub(crate) fn and_nothing_forgotten(self) -> Self {
        Self {
            nothing_forgotten: true,
            ..self
        }
    }

    /// Redis was away for that long.
    pub(crate) fn after(self, away: Duration) -> Self {
        Self {
            away: Some(away),
            ..self
        }
    }

    /// Redis was there all the time.
    pub(crate) fn no_stall_beyond(bound: Duration) -> Self {
        Self {
            longest_stall: Some(bound),
            ..Self::default()
        }
    }
}

/// Every promise about answers and times that does not hold, in words.
pub(crate) fn broken(load: &EndedLoad, metrics: Metrics, promises: Promises) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, count) in load.undocumented() {
        failures.push(format!("{count} answers that are not documented: {name}"));
    }
    if metrics.unrecoverable > 0 {
        let count = metrics.unrecoverable;
        failures.push(format!("vote_unrecoverable_votes_total is {count}, not 0"));
    }
    if promises.repairs && metrics.repaired == 0 {
        failures.push(
            "nothing was tested: Redis has forgotten no accepted vote, vote_repaired_votes_total is 0"
                .to_owned(),
        );
    }
    if promises.held && metrics.holds == 0 {
        failures.push("no ingest process held votes back for the failover".to_owned());
    }
    if promises.nothing_forgotten && metrics.gaps > 0 {
        failures.push(format!(
            "Redis has forgotten accepted votes, {} times: {} were recorded again",
            metrics.gaps, metrics.repaired
        ));
    }
    failures.extend(wrong_times(load, promises));
    if promises.in_order {
        failures.extend(out_of_order(load));
    }
    failures
}

/// What took too long, and what was too short for a test.
fn wrong_times(load: &EndedLoad, promises: Promises) -> Vec<String> {
    let mut failures = Vec::new();
    let longest = millis(load.longest_stall);
    if let Some(away) = promises.away
        && load.longest_stall < away / 2
    {
        failures.push(format!(
            "nothing was tested: Redis was to be away for {} ms, and nothing stood still for more than {longest} ms",
            millis(away)
        ));
    }
    if let Some(bound) = promises.after_back {
        match load.after_back {
            Some(took) if took <= bound => {}
            Some(took) => failures.push(format!(
                "the next vote was accepted {} ms after Redis was back, which is more than {} ms",
                millis(took),
                millis(bound)
            )),
            None if load.all_went_on => {
                failures.push("nothing was tested: Redis never was away".to_owned());
            }
            None => failures.push("no vote was accepted after Redis was back".to_owned()),
        }
    }
    if let Some(bound) = promises.longest_stall
        && load.longest_stall > bound
    {
        failures.push(format!(
            "nothing was accepted for {longest} ms, which is more than {} ms",
            millis(bound)
        ));
    }
    failures
}

/// What no end in order leaves.
fn out_of_order(load: &EndedLoad) -> Vec<String> {
    let mut failures = Vec::new();
    let resets = load.resets();
    if resets > 0 {
        failures.push(format!(
            "{resets} requests were reset: their connection was cut without an answer"
        ));
    }
    for (name, count) in &load.errors {
        if name.starts_with("504") || name == NO_ANSWER {
            failures.push(format!("{count} outcomes were left open: {name}"));
        }
    }
    failures
}

/// What shows that the fault was felt.
pub(crate) fn details(load: &EndedLoad, metrics: &Metrics, unknown_recorded: u64) -> Vec<String> {
    let mut details = vec![format!(
        "load {:.1} s; gaps {}, repaired votes {}, batches repeated {}, failed attempts of lanes {}, held back {}",
        load.took.as_secs_f64(),
        metrics.gaps,
        metrics.repaired,
        metrics.replays,
        metrics.retries,
        metrics.holds
    )];
    if !load.errors.is_empty() {
        let errors: Vec<String> = load
            .errors
            .iter()
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        details.push(format!("attempts that failed: {}", errors.join(", ")));
    }
    if unknown_recorded > 0 {
        details.push(format!(
            "of unknown outcome, {unknown_recorded} were recorded"
        ));
    }
    details
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
