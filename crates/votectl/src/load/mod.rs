//! `votectl load`: open-loop load on an ingest service, reconciled with the tally at its end.

pub mod args;

mod open_poll;
mod planned;
mod progress;
mod report;
mod report_text;

#[cfg(test)]
mod tests;

use self::args::LoadArgs;
use self::open_poll::the_open_poll;
use self::report::{Report, Subject};
use crate::context::Context;
use crate::failure::Failure;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use vote_client::engine::{self, Completed};
use vote_client::plan::Plan;
use vote_client::reconcile::{TallySource, reconcile};
use vote_client::stats::Progress;
use vote_client::stop::Stop;
use vote_domain::{Kind, Poll};
use vote_store::PollOperator;

/// How long the tally may take to agree with the answers.
const RECONCILE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the tally may take when the run is to be reported at once.
const AT_ONCE: Duration = Duration::from_secs(1);

struct PollTally<'a> {
    operator: &'a PollOperator,
    poll: &'a Poll,
}

impl TallySource for PollTally<'_> {
    async fn total(&self) -> anyhow::Result<u128> {
        Ok(self.operator.poll_tally_total(self.poll).await?)
    }
}

/// Runs the load, prints its report and reconciles.
///
/// # Errors
/// [`Failure::Refused`] when the tally differs from the answers, or no vote was accepted; [`Failure::Broken`] when no
/// vote got a connection, or the tally can't be read. What is known is printed before.
pub async fn run(args: LoadArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let operator = context.operator()?;
    let poll = match &args.poll {
        Some(id) => context.poll(&operator, id).await?,
        None => the_open_poll(operator.list().await?, context.now())?,
    };
    let plan = planned::plan(&args, &poll).await?;
    let tally = PollTally {
        operator: &operator,
        poll: &poll,
    };
    let before = tally
        .total()
        .await
        .map_err(|error| error.context("can't read the tally before the load"))?;
    // From here on Ctrl-C no longer kills us: what was sent is to be reported.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let seconds = plan.pace.intended(plan.pace.votes).as_secs_f64();
    let poll_id = poll.definition.id();
    if poll.definition.kind() == Kind::Live {
        context
            .terminal
            .note(&format!("poll {poll_id} is live: these votes count"));
    }
    context.terminal.note(&format!(
        "{} votes at {} per second ({seconds:.1} s) in poll {poll_id} at {}; Ctrl-C ends it early and reconciles",
        plan.pace.votes, plan.pace.rate, args.url
    ));
    let (completed, at_once) = send(&plan, context, &mut interrupts).await?;
    let patience = if at_once {
        Duration::ZERO
    } else {
        RECONCILE_PATIENCE
    };
    let enough = async {
        tokio::select! {
            _ = interrupts.recv() => {}
            () = tokio::time::sleep(AT_ONCE), if at_once => {}
        }
    };
    // Also where the tally can't be read: what was answered until then is what a failure drill is for.
    let reconciliation = reconcile(&tally, before, &completed.stats, patience, enough).await;
    let url = args.url.to_string();
    let report = Report::new(
        Subject {
            poll: poll_id.as_str(),
            url: &url,
        },
        &plan,
        &completed,
        reconciliation,
    );
    if context.json() {
        context.write_json(&report)?;
    } else {
        report_text::write(&report, context.terminal.out())?;
    }
    report.failure().map_or(Ok(()), Err)
}

/// Sends all votes while showing the progress. Also says whether it is to be reported at once.
async fn send(
    plan: &Plan,
    context: &mut Context<'_>,
    interrupts: &mut Signal,
) -> Result<(Completed, bool), Failure> {
    let (progress, stop) = (Arc::new(Progress::default()), Stop::default());
    let running = engine::run(plan.clone(), Arc::clone(&progress), stop.clone());
    tokio::pin!(running);
    tokio::select! {
        completed = &mut running => return Ok((completed?, false)),
        // Never ends by itself.
        () = progress::show(plan, &progress, context.terminal) => {}
        _ = interrupts.recv() => {}
    }
    stop.stop_sending();
    context.terminal.note(&format!(
        "stopped: votes in flight are waited for, at most {:?}; Ctrl-C again reports at once",
        plan.timeout
    ));
    tokio::select! {
        completed = &mut running => return Ok((completed?, false)),
        _ = interrupts.recv() => {}
    }
    stop.stop_waiting();
    Ok((running.await?, true))
}
