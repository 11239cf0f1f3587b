//! `votectl annul POLL`: votes of a window leave the result, and come back.

use crate::commands::poll::said::{in_zone, refused};
use crate::commands::poll_arg::PollArg;
use crate::commands::times::time_that_came;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use vote_domain::{
    Annulled, Annulment, CandidateId, ChannelId, Poll, Reason, RecordedVotes, Standing, standing,
};
use vote_store::{Counted, ShardFigures};

/// Which votes count no more, and why; or which annulment is taken back.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["from", "take_back", "list"])))]
pub struct AnnulArgs {
    #[command(flatten)]
    poll: PollArg,

    /// The beginning of the first minute: of the poll's day (`23:00`: the last one), local to its zone, or an instant
    #[arg(long, value_name = "TIME", requires_all = ["until", "reason"])]
    from: Option<String>,

    /// The end of the last minute, as --from
    #[arg(long, value_name = "TIME", requires = "from")]
    until: Option<String>,

    /// Only votes that came through this channel
    #[arg(long, value_name = "CHANNEL", value_parser = ChannelId::parse, requires = "from")]
    channel: Option<ChannelId>,

    /// Only votes for this candidate
    #[arg(long, value_name = "CANDIDATE", value_parser = CandidateId::parse, requires = "from")]
    candidate: Option<CandidateId>,

    /// Take an annulment back, by its number: its votes count again
    #[arg(long, value_name = "NUMBER", requires = "reason")]
    take_back: Option<u32>,

    /// List all annulments, those that were taken back too
    #[arg(long)]
    list: bool,

    /// Why, for the poll's log (`votectl poll journal`) and its result: one line
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    reason: Option<Reason>,

    /// Show the result before and after, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask for a confirmation
    #[arg(long)]
    yes: bool,
}

/// What was done, and what the result is.
#[derive(Debug, Serialize)]
struct Report<'p> {
    poll: &'p str,
    revision: u64,
    /// Whether the poll is other than before.
    changed: bool,
    annulments: &'p [Annulment],
    /// The votes that were recorded, and those of them that are annulled. Absent where none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<RecordedVotes>,
    /// What counts.
    standing: Standing,
    /// What counted before.
    before: Standing,
}

/// Annuls votes after asking, takes an annulment back, or lists them.
///
/// # Errors
/// [`Failure::Refused`] where the poll is not one that has votes and no final result, the window is not right, or it was
/// not confirmed.
pub async fn run(args: AnnulArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let (operator, poll) = context.find(&args.poll.poll).await?;
    if args.list {
        return list(&poll, context);
    }
    let next = changed(&args, &poll, context)?;
    let is_changed = next.revision != poll.revision;
    // Before and after are of the same votes. The minutes are read where one of the two needs them.
    let needs_minutes = if next.has_annulments() { &next } else { &poll };
    let shards = operator.figures_that_count(needs_minutes).await?;
    let before = Seen::of(&shards, &poll, context.now())?;
    let after = Seen::of(&shards, &next, context.now())?;
    if is_changed && !args.dry_run {
        let question = question(&args, &next, &before, &after);
        context.terminal.confirm(&question, args.yes)?;
        context.wrote(operator.save(&next, poll.revision).await?);
    } else if !args.dry_run {
        // An earlier attempt may have failed between the document and the last shard's fence.
        context.wrote(operator.fence(&poll).await?);
        context
            .terminal
            .note("it was done before; nothing was changed");
    }
    if context.json() {
        return context.write_json(&Report {
            poll: poll.definition.id().as_str(),
            revision: next.revision,
            changed: is_changed && !args.dry_run,
            annulments: &next.annulments,
            recorded: after.counted.beside(&next),
            standing: after.standing,
            before: before.standing,
        });
    }
    let head = match (args.dry_run, is_changed) {
        (true, _) => "nothing was changed; it would be:",
        (false, true) => "done:",
        (false, false) => "it is:",
    };
    let text = comparison(&before, &after);
    context.terminal.line(&format!("{head}\n\n{text}"))
}

/// The poll after what is asked for.
fn changed(args: &AnnulArgs, poll: &Poll, context: &Context<'_>) -> Result<Poll, Failure> {
    let (now, by) = (context.now(), &context.global.by);
    let Some(reason) = args.reason.clone() else {
        return Err(Failure::usage("--reason <TEXT> is needed".to_owned()));
    };
    let next = match (args.take_back, &args.from, &args.until) {
        (Some(number), _, _) => poll.take_back(number, reason, now, by),
        (None, Some(from), Some(until)) => {
            let votes = Annulled {
                from: time_that_came("--from", from, poll, now)?,
                until: time_that_came("--until", until, poll, now)?,
                channel: args.channel.clone(),
                candidate: args.candidate.clone(),
            };
            poll.annul(votes, reason, now, by)
        }
        _ => return Err(Failure::usage("--from needs --until".to_owned())),
    };
    next.map_err(|error| refused(&poll.definition, error))
}

/// The figures of a poll at one moment.
struct Seen {
    counted: Counted,
    standing: Standing,
}

impl Seen {
    fn of(shards: &[ShardFigures], poll: &Poll, now: Timestamp) -> Result<Self, Failure> {
        let counted = Counted::of(poll, shards)?;
        let sequences: u64 = shards.iter().map(ShardFigures::sequences).sum();
        let revision = poll.revision + sequences;
        let status = poll.phase(now).status();
        let standing = standing(poll, &counted.net, now, revision, status);
        Ok(Self { counted, standing })
    }
}

fn question(args: &AnnulArgs, next: &Poll, before: &Seen, after: &Seen) -> String {
    let definition = &next.definition;
    let number = args
        .take_back
        .unwrap_or_else(|| next.annulments.last().map_or(0, |last| last.number));
    let annulment = next.annulments.iter().find(|one| one.number == number);
    let votes = annulment.map(|one| in_zone(&one.votes.to_string(), definition));
    let votes = votes.unwrap_or_default();
    let (id, title) = (definition.id(), definition.title());
    let what = match args.take_back {
        Some(_) => format!(
            "Take annulment {number} ({votes}) of poll {id} ({title}) back? Its votes count again."
        ),
        None => format!(
            "Annul {votes} of poll {id} ({title})? They leave the published result, whoever is shown it; the tally keeps them, \
             and `--take-back {number}` brings them back until the poll is sealed."
        ),
    };
    format!("{}\n\n{what}", comparison(before, after))
}

/// The result before and after, by candidate.
fn comparison(before: &Seen, after: &Seen) -> String {
    let mut table = table([
        "CANDIDATE",
        "VOTES BEFORE",
        "PERCENT",
        "VOTES AFTER",
        "PERCENT",
    ]);
    let rows = before.standing.candidates.iter();
    for (before, after) in rows.zip(&after.standing.candidates) {
        let figures = |one: &vote_domain::CandidateStanding| {
            let percent = one.percent.map(|percent| percent.to_string());
            let percent = percent.unwrap_or_else(|| "withdrawn".to_owned());
            (one.votes.unwrap_or(0).to_string(), percent)
        };
        let (was, is) = (figures(before), figures(after));
        table.add_row([before.id.to_string(), was.0, was.1, is.0, is.1]);
    }
    let counted = &after.counted;
    format!(
        "{}\n\n{} votes recorded, {} annulled, {} count",
        rendered(table, 1..5),
        counted.recorded.total(),
        counted.annulled.total(),
        counted.net.total()
    )
}

fn list(poll: &Poll, context: &mut Context<'_>) -> Result<(), Failure> {
    if context.json() {
        return context.write_json(&json!({
            "poll": poll.definition.id(),
            "revision": poll.revision,
            "annulments": poll.annulments,
        }));
    }
    if poll.annulments.is_empty() {
        let none = format!("no votes of poll {} were annulled", poll.definition.id());
        return context.terminal.line(&none);
    }
    context.terminal.line(&annulments_text(poll))
}

/// The annulments of a poll as a table, those that were taken back too.
pub(super) fn annulments_text(poll: &Poll) -> String {
    let definition = &poll.definition;
    let mut table = table(["NUMBER", "VOTES", "AT", "BY", "TAKEN BACK", "REASON"]);
    for one in &poll.annulments {
        let taken_back = one.taken_back_at.map(|at| definition.shown(at));
        table.add_row([
            one.number.to_string(),
            in_zone(&one.votes.to_string(), definition),
            definition.shown(one.at),
            one.by.clone(),
            taken_back.unwrap_or_else(|| "-".to_owned()),
            one.reason.to_string(),
        ]);
    }
    rendered(table, 0..1)
}
