//! What every scenario is given: how much load, where the binaries are, where to write logs, and a way to say what it
//! does.

use crate::engine::service::Env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much, and where.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Accepted votes that a scenario waits for, at least.
    pub(crate) votes: u64,
    /// Votes per second.
    pub(crate) rate: u32,
    /// Requests that may be open at the same time.
    pub(crate) connections: usize,
    /// Longest time of a scenario.
    pub(crate) bound: Duration,
    /// A short run: faults that could last any time last less.
    pub(crate) quick: bool,
    /// How much of its last votes Redis loses, in seconds.
    pub(crate) tail: Duration,
    /// More settings of the ingest processes, in every scenario.
    pub(crate) settings: Env,
    /// Where the services' binaries are.
    pub(crate) bin_dir: PathBuf,
    /// Where the services' logs go.
    pub(crate) logs: PathBuf,
}

/// One scenario's surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) options: Arc<Options>,
    started: Instant,
    last: Arc<Mutex<String>>,
}

impl Scene {
    pub(crate) fn new(name: &'static str, options: Arc<Options>) -> Self {
        Self {
            name,
            options,
            started: Instant::now(),
            last: Arc::default(),
        }
    }

    /// Says what happens now.
    pub(crate) fn step(&self, text: &str) {
        text.clone_into(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner));
        self.say(text);
    }

    /// Says something beside the steps. That it can't be written is no reason to stop.
    pub(crate) fn say(&self, text: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        let _written = writeln!(
            std::io::stderr(),
            "{:<26} {seconds:6.1} s  {text}",
            self.name
        );
    }

    /// The last step, for who has to say where a scenario was stuck.
    pub(crate) fn last_step(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A part of the votes that the scenario waits for, in hundredths.
    pub(crate) fn share(&self, percent: u64) -> u64 {
        self.options.votes * percent / 100
    }

    /// How long a fault lasts: `full`, or `quick` in a short run.
    pub(crate) fn lasting(&self, full: Duration, quick: Duration) -> Duration {
        match self.options.quick {
            true => quick,
            false => full,
        }
    }

    /// The directory of this scenario's logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.options.logs.join(self.name)
    }

    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        Path::new(&self.options.bin_dir).join(name)
    }
}
