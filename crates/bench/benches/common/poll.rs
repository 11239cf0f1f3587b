//! The poll of the benchmarks.

use vote_domain::{Clock as _, Poll, PollDefinition, Transition};
use vote_runtime::SystemClock;
use vote_store::{RedisConfig, Store};

/// Opens it in the Redis at `url`: since yesterday, until tomorrow. Its figures are released from the beginning.
pub(crate) async fn open_poll(url: &str) -> anyhow::Result<()> {
    let operator = Store::new(&RedisConfig::new(url)?)?.operator();
    let now = SystemClock.now();
    // A poll's times are of milliseconds at most.
    let of = |seconds: i64| jiff::Timestamp::from_second(now.as_second() + seconds);
    let text = include_str!("../throughput/poll.yaml")
        .replace("$OPENS_AT", &of(-86_400)?.to_string())
        .replace("$CLOSES_AT", &of(86_400)?.to_string());
    let draft = Poll::draft(PollDefinition::parse_yaml(&text)?, now, "bench");
    operator.save(&draft, 0).await?;
    let open = draft.transition(Transition::Open, now, "bench")?;
    operator.save(&open, draft.revision).await?;
    Ok(())
}
