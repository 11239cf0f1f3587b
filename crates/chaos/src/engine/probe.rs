//! When Redis takes writes again: asked every 10 ms, apart from the services.

use redis::{AsyncConnectionConfig, Client};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often, and how long an answer may take.
const STEP: Duration = Duration::from_millis(10);
const ANSWER: Duration = Duration::from_millis(200);

/// A key of our own: nothing of the product's.
const KEY: &str = "chaos:probe";

/// Watches for the end of an outage. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Probe {
    task: JoinHandle<Instant>,
}

impl Probe {
    /// Watches the server of this URL.
    pub(crate) fn of(url: &str) -> Self {
        let url = url.to_owned();
        Self::watch(move || {
            let url = url.clone();
            async move { writes(&url, KEY).await }
        })
    }

    /// Watches a condition: it has to fail once before it counts.
    pub(crate) fn watch<F, Fut>(writes: F) -> Self
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = bool> + Send,
    {
        let task = tokio::spawn(async move {
            while writes().await {
                tokio::time::sleep(STEP).await;
            }
            while !writes().await {
                tokio::time::sleep(STEP).await;
            }
            Instant::now()
        });
        Self { task }
    }

    /// When writes were taken again. Waits for it; the scenario's own bound ends the wait.
    pub(crate) async fn back(mut self) -> Instant {
        match (&mut self.task).await {
            Ok(at) => at,
            Err(error) => panic!("the probe ended: {error}"),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the server of this URL takes a write of `key` now.
pub(crate) async fn writes(url: &str, key: &str) -> bool {
    let attempt = async {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let mut connection = Client::open(url)?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let set = redis::cmd("SET").arg(key).arg(1).to_owned();
        set.exec_async(&mut connection).await
    };
    matches!(tokio::time::timeout(2 * ANSWER, attempt).await, Ok(Ok(())))
}
