//! Files that an operator changes while the service runs.

use std::fmt::Display;
use std::time::Duration;

/// How often they are read again: what is taken out of one is of no use a few seconds later.
const LOOK: Duration = Duration::from_secs(2);

/// Reads one again, for ever, and hands on what came of it. Where it can't be read, or is wrong, `refused` is logged with the
/// reason, once until it is right.
pub(crate) async fn reread<T, E>(
    refused: &'static str,
    read: impl Fn() -> Result<T, E> + Clone + Send + 'static,
    take: impl Fn(Result<T, E>),
) where
    T: Send + 'static,
    E: Display + Send + 'static,
{
    let mut is_failing = false;
    loop {
        tokio::time::sleep(LOOK).await;
        // It only fails where the runtime ends.
        let Ok(read) = tokio::task::spawn_blocking(read.clone()).await else {
            return;
        };
        match &read {
            Ok(_) => is_failing = false,
            Err(error) if !std::mem::replace(&mut is_failing, true) => {
                tracing::error!(%error, "{refused}");
            }
            Err(_) => {}
        }
        take(read);
    }
}
