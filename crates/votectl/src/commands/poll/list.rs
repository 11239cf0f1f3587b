//! `votectl poll list`

use crate::context::{Context, RESTORE};
use crate::failure::Failure;
use crate::memory::Seen;
use crate::table::{rendered, table};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use vote_domain::{Poll, PollId, wire_time};
use vote_store::{ListedPoll, StoreError};

/// Which polls to list.
#[derive(Debug, Args)]
#[command(
    after_help = "Also says which polls this user of this machine has seen in this Redis, and that are gone: \
                  they are remembered in ~/.local/state/votectl (VOTECTL_STATE_DIR names another directory, or `off`)."
)]
pub struct ListArgs {
    /// Miss no more polls that are gone
    #[arg(long)]
    forget_gone: bool,
}

/// An entry of the list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Poll(Row<'a>),
    Unreadable {
        poll: &'a str,
        error: String,
    },
    Gone {
        poll: &'a PollId,
        error: &'static str,
        last_state: &'a str,
        #[serde(with = "wire_time")]
        last_seen_at: Timestamp,
    },
}

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

/// Lists all polls, those that can't be read among them, and those that are gone.
///
/// # Errors
/// When Redis can't be read; [`Failure::Refused`] after the list where not all of it are polls that are well.
pub(super) async fn run(args: ListArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let polls = context.operator()?.listed().await?;
    let now = context.now();
    for poll in polls.iter().filter_map(|one| one.poll.as_ref().ok()) {
        context.memory.see(poll, now);
    }
    let mut gone = context.memory.missed();
    gone.retain(|id, _| polls.iter().all(|one| one.id != id.as_str()));
    if args.forget_gone {
        for id in std::mem::take(&mut gone).keys() {
            context.memory.forget(id);
        }
    }
    if context.json() {
        let missing = gone.iter().map(|(poll, seen)| Entry::Gone {
            poll,
            error: "gone: Redis had it, and does not list it any more",
            last_state: seen.state.as_str(),
            last_seen_at: seen.at,
        });
        let entries = polls.iter().map(|one| entry(one, now)).chain(missing);
        context.write_json(&entries.collect::<Vec<_>>())?;
    } else if !polls.is_empty() {
        context.terminal.line(&text(&polls, now))?;
    } else if gone.is_empty() {
        return context
            .terminal
            .line("no polls yet: `votectl poll apply FILE` makes one");
    } else {
        context.terminal.line("no polls")?;
    }
    verdict(&polls, &gone)
}

fn entry(listed: &ListedPoll, now: Timestamp) -> Entry<'_> {
    match &listed.poll {
        Ok(poll) => Entry::Poll(row(poll, now)),
        Err(error) => Entry::Unreadable {
            poll: &listed.id,
            error: error.to_string(),
        },
    }
}

fn text(polls: &[ListedPoll], now: Timestamp) -> String {
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
    for one in polls {
        let Ok(poll) = &one.poll else {
            table.add_row([one.id.as_str(), "", "", "UNREADABLE"]);
            continue;
        };
        let row = row(poll, now);
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
    rendered(table, 8..10)
}

/// What is wrong with the list, each in a line.
fn verdict(polls: &[ListedPoll], gone: &BTreeMap<PollId, Seen>) -> Result<(), Failure> {
    let unreadable = polls.iter().filter_map(|one| {
        let error: &StoreError = one.poll.as_ref().err()?;
        Some(format!("{} can't be read: {error}", one.id))
    });
    let mut wrong: Vec<String> = unreadable.collect();
    wrong.extend(gone.iter().map(|(id, seen)| {
        let at = wire_time::format(seen.at);
        format!(
            "{id} is gone: it was there, {}, at {at}. {RESTORE}",
            seen.state
        )
    }));
    if wrong.is_empty() {
        return Ok(());
    }
    if !gone.is_empty() {
        wrong.push(
            "if what is gone is not missed: `votectl poll list --forget-gone`, once".to_owned(),
        );
    }
    Err(Failure::refused(wrong.join("\n")))
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
