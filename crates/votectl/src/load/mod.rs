//! `votectl load`: open-loop load on an ingest service, reconciled with the tally at its end.

pub mod answer;
pub mod engine;
pub mod http;
mod open_poll;
pub mod plan;
mod progress;
pub mod reconcile;
pub mod report;
pub mod stats;
pub mod stop;
mod vote;

#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use clap::Args;
use http::Target;
use jiff::SignedDuration;
use open_poll::the_open_poll;
use plan::{Ballot, Plan};
use reconcile::{TallySource, reconcile};
use report::{Report, Subject};
use stats::Progress;
use std::sync::Arc;
use std::time::Duration;
use stop::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use vote_domain::{ChannelId, Poll, PollId};
use vote_store::PollOperator;

/// How long the tally may take to agree with the answers.
const RECONCILE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the tally may take when the run is to be reported at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What load to put on what.
#[derive(Debug, Args)]
#[command(
    after_help = "Ctrl-C sends nothing more, neither new votes nor any again, waits for the votes in flight, at most \
                  for --timeout, and reports. A second Ctrl-C waits for nothing any more: votes in flight are of \
                  unknown outcome, and so is a tally that can't be read at once."
)]
pub struct LoadArgs {
    /// The ingest service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Target,

    /// The poll to vote in; may be left out while exactly one takes votes
    #[arg(long, value_parser = PollId::parse)]
    poll: Option<PollId>,

    /// The channel to vote through; the poll's first if left out
    #[arg(long, value_parser = ChannelId::parse)]
    channel: Option<ChannelId>,

    /// Votes a second, sent at even steps whether or not earlier ones have been answered
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,

    /// How long, for example 30s or 5m [default: 10s]
    #[arg(long, conflicts_with = "votes", value_parser = duration::parse)]
    duration: Option<SignedDuration>,

    /// How many votes, instead of a duration
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    votes: Option<u64>,

    /// How many votes may be in flight at once; a vote that has to wait for a connection has waited already
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    connections: u16,

    /// Threads that send
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,

    /// Give every vote an idempotency key, so that it can be sent again until its outcome is known (the default)
    #[arg(long, overrides_with = "no_keys")]
    keys: bool,

    /// Send votes without a key; one whose answer is lost stays unknown
    #[arg(long, overrides_with = "keys")]
    no_keys: bool,

    /// How often a vote is sent at most, while it is refused for the moment or its outcome is unknown; never for longer
    /// than 60 s
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,

    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    timeout: SignedDuration,

    /// Another seed votes for another sequence of candidates; the same one repeats it
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

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
    let plan = plan(&args, &poll).await?;
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
    let seconds = plan.intended(plan.votes).as_secs_f64();
    let poll_id = poll.definition.id();
    context.terminal.note(&format!(
        "{} votes at {} a second ({seconds:.1} s) in poll {poll_id} at {}; Ctrl-C ends it early and reconciles",
        plan.votes, plan.rate, args.url
    ));
    let (outcome, at_once) = send(&plan, context, &mut interrupts).await?;
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
    let reconciliation = reconcile(&tally, before, &outcome.stats, patience, enough).await;
    let url = args.url.to_string();
    let report = Report::new(
        Subject {
            poll: poll_id.as_str(),
            url: &url,
        },
        &plan,
        &outcome,
        reconciliation,
    );
    if context.json() {
        context.write_json(&report)?;
    } else {
        report.write_text(context.terminal.out())?;
    }
    report.failure().map_or(Ok(()), Err)
}

/// Sends all votes while showing the progress. Also says whether it is to be reported at once.
async fn send(
    plan: &Plan,
    context: &mut Context<'_>,
    interrupts: &mut Signal,
) -> Result<(engine::Outcome, bool), Failure> {
    let (progress, stop) = (Arc::new(Progress::default()), Stop::default());
    let running = engine::run(plan.clone(), Arc::clone(&progress), stop.clone());
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => return Ok((outcome?, false)),
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
        outcome = &mut running => return Ok((outcome?, false)),
        _ = interrupts.recv() => {}
    }
    stop.stop_waiting();
    Ok((running.await?, true))
}

async fn plan(args: &LoadArgs, poll: &Poll) -> Result<Plan, Failure> {
    let definition = &poll.definition;
    let channel = args.channel.as_ref().map(ChannelId::as_str);
    if let Some(channel) = channel
        && definition.channel_index(channel).is_none()
    {
        let there: Vec<&str> = definition
            .channels()
            .iter()
            .map(|channel| channel.id.as_str())
            .collect();
        let id = definition.id();
        return Err(Failure::usage(format!(
            "--channel: poll `{id}` has no channel `{channel}`; it has: {}",
            there.join(", ")
        )));
    }
    let duration = |name: &str, given: SignedDuration| {
        let positive = Duration::try_from(given)
            .ok()
            .filter(|duration| !duration.is_zero());
        positive.ok_or_else(|| {
            Failure::usage(format!("{name}: must be longer than zero, is {given:#}"))
        })
    };
    let timeout = duration("--timeout", args.timeout)?;
    let votes = match args.votes {
        Some(votes) => votes,
        None => {
            let duration = duration(
                "--duration",
                args.duration.unwrap_or(SignedDuration::from_secs(10)),
            )?;
            let votes = duration.as_nanos() * u128::from(args.rate) / 1_000_000_000;
            u64::try_from(votes).unwrap_or(u64::MAX).max(1)
        }
    };
    let address = args.url.resolve().await;
    let address = address.map_err(|error| {
        Failure::usage(format!(
            "--url: can't find the host of {}: {error}",
            args.url
        ))
    })?;
    let keys = if args.no_keys {
        None
    } else {
        Some(new_keys()?)
    };
    let candidates: Vec<&str> = definition
        .candidates()
        .iter()
        .map(|candidate| candidate.id.as_str())
        .collect();
    let ballot = Ballot {
        target: &args.url,
        poll: definition.id().as_str(),
        channel,
        candidates: &candidates,
    };
    let mut plan = Plan::new(address, ballot, keys);
    plan.votes = votes;
    plan.rate = args.rate;
    plan.connections = usize::from(args.connections);
    plan.threads = usize::from(args.threads);
    plan.attempts = args.attempts;
    plan.timeout = timeout;
    plan.seed = args.seed;
    Ok(plan)
}

/// The first part of this run's keys: no other run has the same.
fn new_keys() -> Result<String, Failure> {
    let bytes: [u8; 8] = vote_runtime::entropy::random_bytes().map_err(anyhow::Error::from)?;
    Ok(format!("load-{}", data_encoding::HEXLOWER.encode(&bytes)))
}
