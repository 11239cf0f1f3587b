//! `votectl poll seal POLL`

use crate::commands::figures::{Figures, SetAside, final_result, standing_text};
use crate::commands::poll::change;
use crate::commands::poll::reason::ReasonArg;
use crate::commands::poll::said::refused;
use crate::commands::poll::writers;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use vote_domain::{
    Annulment, Poll, PollId, PollState, SealedPoll, Transition, WriterId, wire_time,
};
use vote_store::{OtherAnnulments, PollOperator, SealingError};

/// Which poll to seal.
#[derive(Debug, Args)]
pub struct SealArgs {
    #[command(flatten)]
    poll: PollArg,

    /// How long after closing votes may still be confirmed that were accepted in time
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    grace: SignedDuration,

    /// Don't wait for the grace to be over
    #[arg(long)]
    now: bool,

    /// How long to wait for every writer to say that all it had accepted is recorded
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    wait: SignedDuration,

    /// Don't wait for this writer, whose process is gone for good; can be given more than once
    #[arg(long, value_name = "WRITER", value_parser = WriterId::parse)]
    abandon: Vec<WriterId>,

    #[command(flatten)]
    why: ReasonArg,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

/// Makes the result of a closed poll final, and shows it. One that is open, and whose end has come, is closed first: to
/// voters it is closed, and nothing can put its end off any more. Of a poll that is sealed it makes sure that all of that is
/// on every server, and shows it.
///
/// # Errors
/// [`Failure::Refused`] when the poll isn't closed and its end is to come, the grace isn't over, a shard doesn't know that it is closed,
/// writers are still waited for, the figures don't agree, or it wasn't confirmed.
pub(super) async fn run(args: SealArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let id = &args.poll.poll;
    if args.grace.is_negative() {
        return Err(Failure::usage("--grace: must not be negative"));
    }
    let patience = Duration::try_from(args.wait)
        .map_err(|_| Failure::usage("--wait: must not be negative"))?;
    let (operator, mut poll) = context.find(id).await?;
    if poll.state == PollState::Sealed {
        return repeat(&operator, &poll, context).await;
    }
    let ended = poll.state != poll.effective_state(context.now());
    if !ended {
        poll.transition(Transition::Seal, context.now(), &context.global.by)
            .map_err(|illegal| refused(&poll.definition, illegal))?;
    }
    if !args.now {
        check_grace(&poll, args.grace, context.now())?;
    }
    if ended {
        // Before anything is changed: else it would be closed, and then refused as wrong input.
        let question = format!("Close and seal poll {id}?");
        context.terminal.can_confirm(&question, args.yes)?;
        poll = change::close_ended(&operator, &poll, context).await?;
    }
    let fenced = operator.fenced_as_closed(&poll).await;
    fenced.map_err(|error| failure(id, error))?;
    let abandoned = writers::wait(&operator, &poll, &args.abandon, patience, context).await?;
    let figures = Figures::read(&operator, &poll, context.now()).await?;
    let question = question(&poll, &figures, &abandoned);
    context.terminal.confirm(&question, args.yes)?;
    let (sealed, written) = operator
        .seal_because(
            &poll,
            &abandoned,
            args.why.reason,
            context.now(),
            &context.global.by,
        )
        .await
        .map_err(|error| failure(id, error))?;
    context.wrote(written);
    report(&context.poll(&operator, id).await?, &sealed, context)
}

/// What is about to become final.
fn question(poll: &Poll, figures: &Figures, abandoned: &BTreeSet<WriterId>) -> String {
    let definition = &poll.definition;
    let annulled = figures.standing.recorded.as_ref();
    let annulled = annulled.map(|recorded| {
        let (annulled, all) = (recorded.annulled, recorded.total_votes);
        format!(", without {annulled} annulled ones of {all} that were recorded")
    });
    let aside = figures
        .set_aside
        .map(|aside| format!(" ({})", aside.line()));
    format!(
        "Seal poll {} ({}) with {} votes{}{}{}? Nothing of it can change afterwards.",
        definition.id(),
        definition.title(),
        figures.standing.total_votes.unwrap_or(0),
        annulled.unwrap_or_default(),
        without(abandoned),
        aside.unwrap_or_default(),
    )
}

/// The poll is sealed: perhaps by an attempt that ended before every replica, or every shard, had that.
async fn repeat(
    operator: &PollOperator,
    poll: &Poll,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let sealed = final_result(operator, poll.definition.id()).await?;
    context.wrote(operator.fence(poll).await?);
    report(poll, &sealed, context)
}

/// Says how the poll was sealed.
fn report(poll: &Poll, sealed: &SealedPoll, context: &mut Context<'_>) -> Result<(), Failure> {
    let id = poll.definition.id();
    let late: u128 = sealed.shards.iter().map(|shard| shard.late.total()).sum();
    let aside = SetAside::of(sealed.shards.iter().map(|shard| &shard.quarantine));
    if context.json() {
        return context.write_json(&json!({
            "poll": id,
            "state": poll.state,
            "revision": poll.revision,
            "quarantine": aside,
            "sealed_at": wire_time::format(sealed.sealed_at),
            "sealed_by": sealed.sealed_by,
            "sha256": sealed.sha256,
            "late": late,
            "abandoned": sealed.abandoned,
            "lost": sealed.lost,
            "standing": sealed.standing,
        }));
    }
    let at = poll.definition.shown(sealed.sealed_at);
    context.terminal.line(&format!(
        "poll {id} is sealed since {at}, by {}{}\n\n{}\n\n{late} votes came too late and are not counted\n{}{}sha256 {}",
        sealed.sealed_by,
        without(&sealed.abandoned.iter().copied().collect()),
        standing_text(&sealed.standing),
        aside.map(|aside| aside.line() + "\n").unwrap_or_default(),
        lost(sealed.lost),
        sealed.sha256
    ))
}

/// What was accepted and is not in the result.
fn lost(votes: u64) -> String {
    match votes {
        0 => String::new(),
        1 => "1 vote was accepted, and is lost\n".to_owned(),
        votes => format!("{votes} votes were accepted, and are lost\n"),
    }
}

/// Who was not waited for.
fn without(abandoned: &BTreeSet<WriterId>) -> String {
    if abandoned.is_empty() {
        return String::new();
    }
    let names: Vec<String> = abandoned.iter().map(WriterId::to_string).collect();
    format!(
        ", and without what {} may have accepted that is not recorded",
        names.join(", ")
    )
}

/// Votes accepted just before closing may still be on their way into the tally.
fn check_grace(poll: &Poll, grace: SignedDuration, now: Timestamp) -> Result<(), Failure> {
    let over = poll
        .closes_at
        .checked_add(grace)
        .map_err(|_| Failure::usage(format!("--grace: `{grace:#}` is too far away")))?;
    if now >= over {
        return Ok(());
    }
    let left = now.duration_until(over).as_millis().div_euclid(1_000) + 1;
    Err(Failure::refused(format!(
        "poll `{}` closed at {}: votes accepted in time may still be confirmed until {} ({left} s from now). \
         Wait, shorten --grace, or give --now",
        poll.definition.id(),
        poll.definition.shown(poll.closes_at),
        poll.definition.shown(over),
    )))
}

fn failure(id: &PollId, error: SealingError) -> Failure {
    match error {
        SealingError::Store(error) => error.into(),
        SealingError::Save(error) => error.into(),
        SealingError::Unfenced(_) => Failure::refused(format!(
            "poll `{id}` is not sealed: {error}.\n\
             `votectl poll close {id}` fences it again (and exits 1 where it is sealed in part). \
             Ingest processes that still run then send again what is missing, within seconds: look at `votectl audit \
             {id}` until it passes with the votes that were there. Where a fence is of a newer revision, the poll's \
             document has lost a change: make that again with `votectl poll apply FILE`. Where one says void, `votectl poll \
             void {id}` completes that"
        )),
        SealingError::Changed(_) => Failure::refused(format!(
            "poll `{id}` is not sealed: {error}.\n\
             `votectl poll apply FILE` changes it back, and exits 1 because shards are sealed already"
        )),
        SealingError::OtherAnnulments(ref other) => Failure::refused(format!(
            "poll `{id}` is not sealed: {error}.\n\
             What it has written is final, and the same votes have to be annulled in the poll:\n{}\
             Each of these exits 1 because shards are sealed already. Seal the poll then",
            as_sealed(id, other)
        )),
        SealingError::Undecided(_) => Failure::refused(format!(
            "poll `{id}` is not sealed: {error}.\n\
             `votectl quarantine show {id}` shows them; `votectl quarantine release {id}` and `votectl quarantine annul {id}` \
             decide of them, for good"
        )),
        other => Failure::refused(other),
    }
}

/// An attempt was cut off after it had written the result, and somebody has annulled votes since: what undoes that.
fn as_sealed(id: &PollId, other: &OtherAnnulments) -> String {
    let mut commands = Vec::new();
    for one in &other.since {
        let number = one.number;
        commands.push(format!(
            "votectl annul {id} --take-back {number} --reason TEXT"
        ));
    }
    for Annulment { votes, .. } in &other.taken_back {
        let (from, until) = (
            wire_time::format(votes.from),
            wire_time::format(votes.until),
        );
        let mut command = format!("votectl annul {id} --from {from} --until {until}");
        if let Some(channel) = &votes.channel {
            command.push_str(&format!(" --channel {channel}"));
        }
        if let Some(candidate) = &votes.candidate {
            command.push_str(&format!(" --candidate {candidate}"));
        }
        commands.push(format!("{command} --reason TEXT"));
    }
    let commands: Vec<String> = commands.iter().map(|one| format!("  {one}\n")).collect();
    commands.concat()
}

#[cfg(test)]
mod tests {
    use super::check_grace;
    use jiff::SignedDuration;
    use vote_domain::{Poll, PollDefinition};

    #[test]
    fn the_grace_counts_from_closing_and_says_how_long_it_lasts() {
        let definition =
            PollDefinition::parse_yaml(crate::built_in::DEMO_FILE).expect("the poll file is right");
        let poll = Poll::draft(
            definition,
            "2026-01-01T00:00:00Z".parse().expect("it can be parsed"),
            "ana",
        );
        let grace = SignedDuration::from_secs(30);
        let at = |seconds| poll.closes_at + SignedDuration::from_secs(seconds);
        let error = check_grace(&poll, grace, at(12)).expect_err("it is refused");
        assert_eq!(error.code(), 1);
        assert!(
            error.to_string().contains("--now") && error.to_string().contains("(19 s from now)"),
            "{error}"
        );
        check_grace(&poll, grace, at(30)).expect("the grace is over");
        check_grace(&poll, SignedDuration::ZERO, at(0)).expect("the grace is over");
    }
}
