//! `votectl load merge`: several generators' parts, as one run.

use crate::context::Context;
use crate::failure::Failure;
use crate::input;
use crate::load::ending::Ending;
use crate::load::limits::Limits;
use crate::load::part::Part;
use crate::load::report::{Asked, Report};
use crate::load::report_text;
use crate::load::tally::{PollTally, RECONCILE_PATIENCE};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use vote_client::reconcile::reconcile;
use vote_client::stats::Stats;
use vote_domain::PollId;

/// Which parts to join.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The files that `load --part` has written, one from each generator
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the joint run must have kept to
    #[command(flatten)]
    limits: Limits,
}

/// All parts, as one run.
#[derive(Debug)]
struct Joint {
    parts: Vec<Part>,
    stats: Stats,
}

/// Joins the parts, prints their report and reconciles the sum with the tally as it is now.
///
/// # Errors
/// [`Failure::Usage`] when a file is no part, or they don't belong together; [`Failure::Refused`] when the tally differs
/// or a limit was not kept; [`Failure::Broken`] when the tally can't be read.
pub(super) async fn run(args: &MergeArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut joint = Joint {
        parts: Vec::new(),
        stats: Stats::new(),
    };
    let mut runs = BTreeMap::new();
    for file in &args.files {
        let (mut part, stats) = Part::read(file)?;
        let name = input::name(file);
        joint.check(&part, &name)?;
        if let Some(first) = runs.insert(part.run.clone(), name.clone()) {
            return Err(Failure::usage(format!(
                "{name} and {first} are parts of the same run `{}`: name each generator's part once",
                part.run
            )));
        }
        joint.stats.merge(&stats);
        // It is in the sum; without it a thousand parts take no room.
        part.forget_values();
        joint.parts.push(part);
    }
    let poll_id = joint.poll()?;
    let (operator, poll) = context.find(&poll_id).await?;
    let tally = PollTally {
        operator: &operator,
        poll: &poll,
    };
    // It never goes down: the smallest is from before the first vote of any part.
    let before = joint.parts.iter().map(|part| part.tally_before).min();
    let reconciliation = reconcile(
        &tally,
        before.unwrap_or_default(),
        &joint.stats,
        RECONCILE_PATIENCE,
        std::future::pending(),
    )
    .await;
    let mut report = Report::of(joint.asked(), &joint.stats, joint.elapsed(), reconciliation);
    let stopped = joint.parts.iter().any(|part| part.stopped);
    report.judge(&args.limits, Ending::of_parts(stopped));
    if context.json() {
        context.write_json(&report)?;
    } else {
        report_text::write(&report, context.terminal.out())?;
    }
    report.failure().map_or(Ok(()), Err)
}

impl Joint {
    /// Whether another part belongs to these.
    fn check(&self, part: &Part, name: &str) -> Result<(), Failure> {
        match self.parts.first() {
            Some(first) if first.poll != part.poll => Err(Failure::usage(format!(
                "{name} is of poll `{}`, the parts before it are of `{}`: merge the parts of one poll",
                part.poll, first.poll
            ))),
            _ => Ok(()),
        }
    }

    fn poll(&self) -> Result<PollId, Failure> {
        let poll = self.parts.first().map_or("", |part| &part.poll);
        PollId::parse(poll)
            .map_err(|error| Failure::usage(format!("the parts are of poll `{poll}`: {error}")))
    }

    fn asked(&self) -> Asked {
        let urls: BTreeSet<&str> = self.parts.iter().map(|part| &*part.url).collect();
        let parts = self.parts.iter();
        Asked {
            poll: self.parts.first().map_or("", |part| &part.poll).to_owned(),
            url: urls.into_iter().collect::<Vec<_>>().join(", "),
            parts: Some(self.parts.len()),
            keys: None,
            seed: None,
            rate: parts
                .clone()
                .fold(0, |sum, part| u32::saturating_add(sum, part.rate)),
            votes: parts
                .clone()
                .fold(0, |sum, part| u64::saturating_add(sum, part.votes)),
            connections: parts.fold(0, |sum, part| usize::saturating_add(sum, part.connections)),
        }
    }

    /// From the first part's start to the last part's end, by the clocks of their machines.
    fn elapsed(&self) -> Duration {
        let start = self.parts.iter().map(|part| part.started_at).min();
        let end = self.parts.iter().map(|part| part.ended_at).max();
        start
            .zip(end)
            .and_then(|(start, end)| Duration::try_from(end.duration_since(start)).ok())
            .unwrap_or_default()
    }
}
