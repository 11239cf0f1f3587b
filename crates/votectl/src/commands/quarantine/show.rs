//! `votectl quarantine show POLL`

use crate::commands::poll_arg::PollArg;
use crate::commands::quarantine::selection::{WindowArgs, reason};
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use clap::Args;
use serde::Serialize;
use vote_domain::{
    Fate, Minute, Poll, Quarantine, QuarantineReason, QuarantineSelection, wire_time,
};
use vote_store::{PollOperator, ShardFigures};

/// Which votes to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    poll: PollArg,

    /// Only votes of this reason: deny_list, fast_proof, token_age, client_fields, prefix_share or key_pattern; can be given
    /// more than once
    #[arg(long = "reason", value_name = "REASON", value_parser = reason)]
    reasons: Vec<QuarantineReason>,

    #[command(flatten)]
    window: WindowArgs,
}

/// What was set aside.
#[derive(Debug, Serialize)]
struct Shown {
    poll: String,
    undecided: u128,
    released: u128,
    annulled: u128,
    votes: Vec<Row>,
    minutes: Vec<MinuteRow>,
}

/// The votes of one reason for one candidate through one channel.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    reason: QuarantineReason,
    channel: String,
    candidate: String,
    undecided: u64,
    released: u64,
    annulled: u64,
}

/// The votes of one reason that came in one minute.
#[derive(Debug, Serialize)]
struct MinuteRow {
    start: String,
    reason: QuarantineReason,
    fate: Fate,
    votes: u128,
}

/// Shows what was set aside.
///
/// # Errors
/// [`Failure::Usage`] where the window is none.
pub(super) async fn run(args: ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let (operator, poll) = context.find(&args.poll.poll).await?;
    let reasons = match args.reasons.as_slice() {
        [] => QuarantineReason::ALL,
        given => given,
    };
    let selection = args
        .window
        .selection(reasons.iter().copied(), &poll, context.now())?;
    let figures = operator.figures(&poll).await?;
    let shown = shown(&poll, &figures, &selection)?;
    if context.json() {
        return context.write_json(&shown);
    }
    let text = text(&poll, &shown);
    context.terminal.line(&text)
}

fn shown(
    poll: &Poll,
    figures: &[ShardFigures],
    selection: &QuarantineSelection,
) -> Result<Shown, Failure> {
    let all = PollOperator::set_aside(figures, selection).map_err(anyhow::Error::from)?;
    let total = |fate| {
        let reasons = selection.reasons.iter();
        reasons.map(|reason| all.total_of(fate, *reason)).sum()
    };
    Ok(Shown {
        poll: poll.definition.id().to_string(),
        undecided: total(Fate::Undecided),
        released: total(Fate::Released),
        annulled: total(Fate::Annulled),
        votes: rows(poll, &all, selection),
        minutes: minutes(figures, selection)?,
    })
}

fn rows(poll: &Poll, all: &Quarantine, selection: &QuarantineSelection) -> Vec<Row> {
    let mut rows = Vec::new();
    for &reason in &selection.reasons {
        for (of_channel, channel) in poll.definition.channels().iter().enumerate() {
            for (of_candidate, candidate) in poll.definition.candidates().iter().enumerate() {
                let votes = |wanted: Fate| {
                    let mut found = all.rows();
                    let found = found.find(|(fate, of, _)| (*fate, *of) == (wanted, reason));
                    found.map_or(0, |(.., votes)| votes.get(of_channel, of_candidate))
                };
                let row = Row {
                    reason,
                    channel: channel.id.to_string(),
                    candidate: candidate.id.to_string(),
                    undecided: votes(Fate::Undecided),
                    released: votes(Fate::Released),
                    annulled: votes(Fate::Annulled),
                };
                if row.undecided + row.released + row.annulled > 0 {
                    rows.push(row);
                }
            }
        }
    }
    rows
}

fn minutes(
    figures: &[ShardFigures],
    selection: &QuarantineSelection,
) -> Result<Vec<MinuteRow>, Failure> {
    let mut minutes: Vec<i64> = figures
        .iter()
        .flat_map(|shard| shard.quarantine_minutes.keys().copied())
        .collect();
    minutes.sort_unstable();
    minutes.dedup();
    let mut rows = Vec::new();
    for minute in minutes {
        let Some(minute) = Minute::from_since_epoch(minute).filter(|it| selection.has_minute(*it))
        else {
            continue;
        };
        let mut all = Quarantine::default();
        for shard in figures {
            if let Some(aside) = shard.quarantine_minutes.get(&minute.since_epoch()) {
                all.merge(aside).map_err(anyhow::Error::from)?;
            }
        }
        let of_minute = all.rows().filter(|(_, of, _)| selection.has_reason(*of));
        rows.extend(of_minute.map(|(fate, reason, votes)| MinuteRow {
            start: wire_time::format(minute.start()),
            reason,
            fate,
            votes: votes.total(),
        }));
    }
    Ok(rows)
}

fn text(poll: &Poll, shown: &Shown) -> String {
    let undecided = shown
        .minutes
        .iter()
        .filter(|row| row.fate == Fate::Undecided);
    let starts: Vec<&str> = undecided.map(|row| row.start.as_str()).collect();
    let when = match (starts.first(), starts.last()) {
        (Some(first), Some(last)) => format!(
            "; the undecided ones came from {} to {}",
            in_zone(poll, first),
            in_zone(poll, last)
        ),
        _ => String::new(),
    };
    let mut table = table([
        "REASON",
        "CHANNEL",
        "CANDIDATE",
        "UNDECIDED",
        "RELEASED",
        "ANNULLED",
    ]);
    for row in &shown.votes {
        table.add_row([
            row.reason.to_string(),
            row.channel.clone(),
            row.candidate.clone(),
            row.undecided.to_string(),
            row.released.to_string(),
            row.annulled.to_string(),
        ]);
    }
    format!(
        "{}\n\npoll {}: {} votes undecided, {} released, {} annulled{when}",
        rendered(table, 3..6),
        shown.poll,
        shown.undecided,
        shown.released,
        shown.annulled
    )
}

fn in_zone(poll: &Poll, start: &str) -> String {
    wire_time::parse(start).map_or_else(|_| start.to_owned(), |at| poll.definition.shown(at))
}
