//! `votectl poll demo FILE`

use crate::commands::poll::file;
use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use crate::numbered::{NumberedPolls, RunningPoll, Wanted};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::path::PathBuf;
use vote_domain::wire_time;

/// What to open, and for how long.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The poll's file in YAML or JSON; `-` reads standard input. Its id is counted up (ID-01, ID-02 …), and so is a
    /// number at the end of its title; its times are not used
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// How long a new one takes votes, for example 90m or 48h
    #[arg(long = "for", value_name = "DURATION", default_value = "48h", value_parser = duration::parse)]
    open_for: SignedDuration,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done<'a> {
    poll: &'a str,
    /// `opened`, or `found`: nothing was changed.
    action: &'static str,
    state: &'a str,
    revision: u64,
    #[serde(with = "wire_time")]
    opens_at: Timestamp,
    #[serde(with = "wire_time")]
    closes_at: Timestamp,
}

/// Makes sure that a poll of this file is open.
///
/// # Errors
/// [`Failure::Usage`] where the file or the time is wrong.
pub(super) async fn run(args: DemoArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    duration::longer_than_zero("--for", args.open_for)?;
    let series = NumberedPolls::of(file::read(&args.file)?.definition().clone());
    let operator = context.operator()?;
    let wanted = Wanted {
        now: context.now(),
        at_least: SignedDuration::ZERO,
        open_for: args.open_for,
        by: &context.global.by,
    };
    let RunningPoll { poll, new, written } = series.ensure(&operator, wanted).await?;
    context.wrote(written);
    let id = poll.definition.id();
    if context.json() {
        return context.write_json(&Done {
            poll: id.as_str(),
            action: if new { "opened" } else { "found" },
            state: poll.state.as_str(),
            revision: poll.revision,
            opens_at: poll.definition.opens_at(),
            closes_at: poll.closes_at,
        });
    }
    let until = poll.definition.shown(poll.closes_at);
    let text = if new {
        format!("poll {id} was opened, until {until}")
    } else {
        format!(
            "poll {id} is {} until {until}: nothing was changed",
            poll.state
        )
    };
    context.terminal.line(&text)
}
