//! Makes the series of the board's polls in their own time zones, a moment after the pages themselves.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vote_domain::PollId;

use crate::documents::Document;
use crate::documents::series::{SeriesPart, Step};
use crate::metrics::Metrics;
use crate::pages::board::PollPages;
use crate::pages::page::{Pages, Subject};
use crate::pages::published::Published;

/// Series take at most one part in so many of a core, however large they are.
const SERIES_SHARE: u32 = 4;

/// Series are made no more often: caches keep them for a second, and nobody sees a minute grow four times as often.
const SERIES_INTERVAL: Duration = Duration::from_secs(1);

/// Makes the series of pages that have none yet, whenever the board has news.
pub(crate) async fn run_series(
    published: Arc<Published>,
    mut news: watch::Receiver<()>,
    metrics: Metrics,
) {
    let mut made: BTreeMap<PollId, Arc<PollPages>> = BTreeMap::new();
    while news.changed().await.is_ok() {
        let board = published.newest();
        made.retain(|id, _| board.polls.contains_key(id));
        let started = Instant::now();
        for (id, pages) in &board.polls {
            if made.get(id).is_some_and(|made| Arc::ptr_eq(made, pages)) {
                continue;
            }
            made.insert(id.clone(), Arc::clone(pages));
            let (of_task, of_metrics) = (Arc::clone(pages), metrics.clone());
            let rendered = tokio::task::spawn_blocking(move || render(&of_task, &of_metrics));
            let error = match rendered.await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(panicked) => panicked.to_string(),
            };
            metrics.render_failures.inc();
            tracing::error!(poll = %id, error, "series could not be made");
            // Those of an earlier revision would go on to say that they are fresh: who asks has them made.
            for step in Step::ALL {
                pages.series.by(step).store(None);
            }
        }
        // Two days of minutes are half a megabyte: a core has more to do than to compress them.
        let elapsed = started.elapsed();
        let pause = elapsed * SERIES_SHARE;
        tokio::time::sleep(pause.max(SERIES_INTERVAL.saturating_sub(elapsed))).await;
    }
}

fn render(poll: &PollPages, metrics: &Metrics) -> io::Result<()> {
    let (snapshot, view) = (&poll.snapshot, &poll.view);
    let definition = &snapshot.poll.definition;
    let part = SeriesPart::own(definition);
    for step in Step::ALL {
        if step == Step::Minute && part.bounds.are_too_far_apart(&snapshot.poll, view.as_of) {
            // It is told in parts, to those who ask.
            poll.series.by(step).store(None);
            continue;
        }
        let subject = Subject::Series(step);
        let pages = metrics.rendered(definition.id().as_str(), subject, || {
            let series = Document::series(snapshot, view, step, &part);
            let known = poll.series.by(step).load();
            Pages::ahead_after(known.as_deref(), subject, &series, &view.cache_control())
        })?;
        poll.series.by(step).store(Some(Arc::new(pages)));
    }
    Ok(())
}
