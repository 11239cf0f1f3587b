//! `votectl load`: open-loop load on an ingest service, reconciled with the tally at its end.

pub mod args;
pub mod limits;
pub mod merge;
pub mod stages;

pub(crate) mod ending;
mod open_poll;
mod part;
mod planned;
mod progress;
mod report;
mod report_text;
mod tally;

#[cfg(test)]
mod tests;

use self::args::{LoadArgs, LoadCommand};
use self::ending::{Ending, Interrupts};
use self::open_poll::{readable, the_open_poll};
use self::part::Part;
use self::report::{Asked, Report};
use self::tally::{PollTally, RECONCILE_PATIENCE};
use crate::context::Context;
use crate::failure::Failure;
use std::sync::Arc;
use std::time::Duration;
use vote_client::engine::{self, Completed};
use vote_client::keys;
use vote_client::plan::Plan;
use vote_client::reconcile::{NotRead, Reconciliation, TallySource as _, reconcile};
use vote_client::stats::Progress;
use vote_client::stop::Stop;
use vote_domain::{Kind, Poll};

/// How long the tally may take when the run is to be reported at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How long its reading may take in all: Redis may hang as well.
const RECONCILE_AT_MOST: Duration = Duration::from_secs(15);

/// Runs the load, prints its report and reconciles.
///
/// # Errors
/// [`Failure::Refused`] when the tally lacks answered votes, none was accepted, a limit was not kept, or votes had no
/// place there; [`Failure::Broken`] when no vote got a connection, or the tally can't be read. What is known is printed
/// before.
pub async fn run(args: LoadArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    if let Some(LoadCommand::Merge(merge)) = &args.command {
        return merge::run(merge, context).await;
    }
    let url = args.url.target("--url")?;
    let operator = context.operator()?;
    let poll = match &args.poll {
        Some(id) => context.poll(&operator, id).await?,
        None => the_open_poll(&readable(&operator).await?, context.now())?,
    };
    let plan = planned::plan(&args, &url, &poll).await?;
    let tally = PollTally {
        operator: &operator,
        poll: &poll,
    };
    let before = tally
        .total()
        .await
        .map_err(|error| error.context("can't read the tally before the load"))?;
    let part = args.part.as_deref().map(part::create).transpose()?;
    // From here on Ctrl-C no longer kills us: what was sent is to be reported.
    let mut interrupts = Interrupts::new()?;
    let seconds = plan.pace.length().as_secs_f64();
    let poll_id = poll.definition.id();
    note_live(&poll, context);
    let (votes, rate) = (plan.pace.votes(), plan.pace.mean_rate());
    context.terminal.note(&format!(
        "{votes} votes at {rate} per second ({seconds:.1} s) in poll {poll_id} at {url}{}; Ctrl-C ends it early and reconciles",
        planned::through(&args, &url, &plan)
    ));
    let started_at = context.now();
    let (completed, ending) = send(&plan, context, &mut interrupts).await?;
    let asked = Asked::of(poll_id.as_str(), &url.to_string(), &plan);
    if let (Some(file), Some(path)) = (part, &args.part) {
        let part = Part {
            run: keys::fresh("run").map_err(anyhow::Error::from)?,
            poll: asked.poll.clone(),
            url: asked.url.clone(),
            started_at,
            ended_at: context.now().max(started_at),
            rate,
            votes,
            connections: plan.connections,
            stopped: completed.stopped,
            tally_before: before,
            ..Part::of(&completed.stats)
        };
        part.write(file, path)?;
    }
    let reconciliation = reconciled(&tally, before, &completed, ending, &mut interrupts).await;
    let mut report = Report::of(asked, &completed.stats, completed.elapsed, reconciliation);
    report.judge(&args.limits, ending);
    if context.json() {
        context.write_json(&report)?;
    } else {
        report_text::write(&report, context.terminal.out())?;
    }
    report.failure().map_or(Ok(()), Err)
}

/// Compares with the tally. Also where it can't be read: what was answered until then is what a failure drill is for.
async fn reconciled(
    tally: &PollTally<'_>,
    before: u128,
    completed: &Completed,
    ending: Ending,
    interrupts: &mut Interrupts,
) -> Result<Reconciliation, NotRead> {
    let (patience, at_most) = match ending {
        Ending::AtOnce => (Duration::ZERO, AT_ONCE),
        _ => (RECONCILE_PATIENCE, RECONCILE_AT_MOST),
    };
    let enough = async {
        tokio::select! {
            () = interrupts.recv() => {}
            () = tokio::time::sleep(at_most) => {}
        }
    };
    reconcile(tally, before, &completed.stats, patience, enough).await
}

/// Whoever names a live poll by mistake reads it before the first vote.
fn note_live(poll: &Poll, context: &mut Context<'_>) {
    if poll.definition.kind() == Kind::Live {
        let id = poll.definition.id();
        context
            .terminal
            .note(&format!("poll {id} is live: these votes count"));
    }
}

/// Sends all votes while showing the progress. Also says why it has ended.
async fn send(
    plan: &Plan,
    context: &mut Context<'_>,
    interrupts: &mut Interrupts,
) -> Result<(Completed, Ending), Failure> {
    let (progress, stop) = (Arc::new(Progress::default()), Stop::default());
    let running = engine::run(plan.clone(), Arc::clone(&progress), stop.clone());
    tokio::pin!(running);
    let time_up = tokio::time::sleep(plan.pace.length().saturating_add(plan.timeout));
    tokio::pin!(time_up);
    let ending = tokio::select! {
        completed = &mut running => return Ok((completed?, Ending::Whole)),
        // Never ends by itself.
        () = progress::show(plan, &progress, context.terminal) => Ending::Asked,
        () = interrupts.recv() => Ending::Asked,
        () = ending::gone(&progress) => Ending::Gone,
        () = &mut time_up => Ending::TimeUp,
    };
    if ending == Ending::TimeUp {
        stop.stop_waiting();
        return Ok((running.await?, ending));
    }
    stop.stop_sending();
    context.terminal.note(&format!(
        "stopped: votes in flight are waited for, at most {:?}; Ctrl-C again reports at once",
        plan.timeout
    ));
    tokio::select! {
        completed = &mut running => return Ok((completed?, ending)),
        () = interrupts.recv() => {}
        () = &mut time_up => {
            stop.stop_waiting();
            return Ok((running.await?, ending));
        }
    }
    stop.stop_waiting();
    Ok((running.await?, Ending::AtOnce))
}
