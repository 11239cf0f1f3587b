//! The poll of the benchmarks.

use vote_domain::{Clock as _, Poll, PollDefinition, Transition};
use vote_runtime::SystemClock;
use vote_store::{RedisConfig, Store};

use crate::poll_text::poll_text;

/// Opens it in the Redis at `url`: since yesterday, until tomorrow. Its figures are released from the beginning.
pub(crate) async fn open_poll(url: &str) -> anyhow::Result<()> {
    open_poll_as(url, "bench", 1, 1).await
}

/// Opens one with that id, over so many shards, that is open for so many days by now.
pub(crate) async fn open_poll_as(
    url: &str,
    id: &str,
    shards: u16,
    days: i64,
) -> anyhow::Result<()> {
    open_poll_of(url, &poll_text(id, shards, days, SystemClock.now())?).await
}

/// Opens the one of that file.
pub(crate) async fn open_poll_of(url: &str, text: &str) -> anyhow::Result<()> {
    let operator = Store::new(&RedisConfig::new(url)?)?.operator();
    let now = SystemClock.now();
    let draft = Poll::draft(PollDefinition::parse_yaml(text)?, now, "bench");
    operator.save(&draft, 0).await?;
    let open = draft.transition(Transition::Open, now, "bench")?;
    operator.save(&open, draft.revision).await?;
    Ok(())
}
