//! `votectl poll list`

use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use jiff::Timestamp;
use serde::Serialize;
use vote_domain::{Poll, wire_time};

/// One poll of the list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    poll: &'a str,
    title: &'a str,
    kind: &'a str,
    direction: &'a str,
    state: &'a str,
    phase: &'a str,
    release: &'a str,
    #[serde(with = "wire_time")]
    opens_at: Timestamp,
    #[serde(with = "wire_time")]
    closes_at: Timestamp,
    timezone: &'a str,
    candidates: usize,
    channels: usize,
    shards: u16,
    revision: u64,
}

/// Lists all polls.
///
/// # Errors
/// When Redis can't be read.
pub(super) async fn run(context: &mut Context<'_>) -> Result<(), Failure> {
    let polls = context.operator()?.list().await?;
    let now = context.now();
    let rows: Vec<Row<'_>> = polls.iter().map(|poll| row(poll, now)).collect();
    if context.json() {
        return context.write_json(&rows);
    }
    if rows.is_empty() {
        return context
            .terminal
            .line("no polls yet: `votectl poll apply FILE` makes one");
    }
    let mut table = table([
        "POLL",
        "TITLE",
        "KIND",
        "STATE",
        "VOTERS SEE",
        "ON AIR",
        "OPENS",
        "CLOSES",
        "CANDIDATES",
        "CHANNELS",
    ]);
    for (row, poll) in rows.iter().zip(&polls) {
        table.add_row([
            row.poll.to_owned(),
            row.title.to_owned(),
            row.kind.to_owned(),
            row.state.to_owned(),
            row.phase.to_owned(),
            row.release.to_owned(),
            poll.definition.shown(row.opens_at),
            poll.definition.shown(row.closes_at),
            row.candidates.to_string(),
            row.channels.to_string(),
        ]);
    }
    context.terminal.line(&rendered(table, 8..10))
}

fn row(poll: &Poll, now: Timestamp) -> Row<'_> {
    let definition = &poll.definition;
    Row {
        poll: definition.id().as_str(),
        title: definition.title(),
        kind: definition.kind().as_str(),
        direction: definition.direction().as_str(),
        state: poll.state.as_str(),
        phase: poll.phase(now).as_str(),
        release: poll.release_state().as_str(),
        opens_at: definition.opens_at(),
        closes_at: poll.closes_at,
        timezone: definition.timezone(),
        candidates: definition.candidates().len(),
        channels: definition.channels().len(),
        shards: definition.shards(),
        revision: poll.revision,
    }
}
