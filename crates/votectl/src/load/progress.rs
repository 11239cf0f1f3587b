//! How far a load is: a bar on a terminal, a line every five seconds elsewhere.

use crate::terminal::Terminal;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use vote_client::plan::Plan;
use vote_client::stats::Progress;

/// Shows the progress for as long as it is polled; never ends by itself. What it draws goes when it is dropped.
pub(super) async fn show(plan: &Plan, progress: &Progress, terminal: &mut Terminal) {
    if terminal.is_live() {
        draw(plan, progress).await;
    } else {
        tell(plan, progress, terminal).await;
    }
}

async fn draw(plan: &Plan, progress: &Progress) {
    let bar = Finishing(ProgressBar::new(plan.pace.votes()));
    let template = "{bar:40} {pos}/{len} {per_sec} {msg}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.0.set_style(style);
    }
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tick.tick().await;
        bar.0.set_position(Progress::read(&progress.done));
        bar.0.set_message(format!(
            "{} failures, {} waiting",
            Progress::read(&progress.failures),
            Progress::read(&progress.backlog)
        ));
    }
}

async fn tell(plan: &Plan, progress: &Progress, terminal: &mut Terminal) {
    let start = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    tick.tick().await;
    loop {
        tick.tick().await;
        terminal.note(&format!(
            "{:>4} s: {} of {} votes, {} accepted, {} failures, {} waiting",
            start.elapsed().as_secs(),
            Progress::read(&progress.done),
            plan.pace.votes(),
            Progress::read(&progress.accepted),
            Progress::read(&progress.failures),
            Progress::read(&progress.backlog)
        ));
    }
}

/// Takes the bar off the terminal at the end, whichever way it comes.
struct Finishing(ProgressBar);

impl Drop for Finishing {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
