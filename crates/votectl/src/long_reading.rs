//! How far the reading of a poll's figures is, where it takes long.

use indicatif::ProgressBar;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A bar of the minutes that are read of a poll's figures: on a terminal alone, where that takes long enough to be asked
/// about, and gone when all are read.
pub(crate) struct LongReading {
    is_live: bool,
    /// Since when it is read, and the bar once there is one.
    begun: Mutex<Option<(Instant, Option<ProgressBar>)>>,
}

impl LongReading {
    const LONG: Duration = Duration::from_millis(500);

    pub(crate) const fn new(is_live: bool) -> Self {
        let begun = Mutex::new(None);
        Self { is_live, begun }
    }

    /// Tells how many of how many are read.
    pub(crate) fn tell(&self, read: u64, all: u64) {
        let Ok(mut begun) = self.begun.lock() else {
            return;
        };
        if read >= all {
            if let Some((_, Some(bar))) = begun.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let (since, bar) = begun.get_or_insert_with(|| (Instant::now(), None));
        if self.is_live && since.elapsed() >= Self::LONG {
            bar.get_or_insert_with(|| ProgressBar::new(all))
                .set_position(read);
        }
    }
}
