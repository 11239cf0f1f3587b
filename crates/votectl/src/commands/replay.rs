//! `votectl replay FILE…`

use crate::commands::progress::Shards;
use crate::context::Context;
use crate::failure::Failure;
use crate::input;
use crate::table::{rendered, table};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vote_domain::{escaped, wire_time};
use vote_store::{
    MAX_SPILL_BYTES, PollOperator, ReplayError, ReplayReport, SpillError, SpillPart, SpilledLane,
    WrittenSpill,
};

/// What to replay.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Spills that ended ingest processes have left (`vote-spill-….jsonl`), or their logs in JSON lines; `-` reads
    /// standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Only prove the files, and say what would be recorded
    #[arg(long)]
    dry_run: bool,

    /// Go on without asking
    #[arg(long)]
    yes: bool,
}

/// A lane of one of the files, and what is known of it.
struct Entry<'a> {
    spill: &'a WrittenSpill,
    lane: &'a SpilledLane,
    /// What would be done, or was; or why it can't be.
    report: Result<ReplayReport, ReplayError>,
}

/// Records accepted votes that processes had left behind, as far as Redis lacks them.
///
/// # Errors
/// [`Failure::Usage`] where a file is no spill: nothing is recorded then; [`Failure::Refused`] where some votes could
/// not be recorded.
pub async fn run(args: ReplayArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let spills = read(&args.files)?;
    let operator = context.operator()?;
    let mut entries = Vec::new();
    for spill in &spills {
        for lane in spill.spill.lanes() {
            let report = operator
                .plan_replay(&spill.spill, lane, context.now())
                .await;
            let report = unless_away(report)?;
            entries.push(Entry {
                spill,
                lane,
                report,
            });
        }
    }
    let missing: u64 = entries.iter().map(Entry::recorded).sum();
    if args.dry_run {
        report(&entries, true, context)?;
        return refusal(&entries);
    }
    if missing > 0 {
        if spills
            .iter()
            .any(|spill| spill.outlives_keys(context.now()))
        {
            context.terminal.note(
                "some of these votes are older than idempotency keys are remembered: one that its client has sent \
                 again meanwhile, because it had got no answer, counts twice",
            );
        }
        let files = spills.len();
        let obstacles = obstacles(&entries);
        let question = format!(
            "Redis lacks {missing} votes of {files} {}: record them?{obstacles}",
            if files == 1 { "file" } else { "files" }
        );
        context.terminal.confirm(&question, args.yes)?;
    }
    send(&operator, &mut entries, context).await?;
    report(&entries, false, context)?;
    refusal(&entries)
}

/// Reads all files before anything is done with any.
fn read(files: &[PathBuf]) -> Result<Vec<WrittenSpill>, Failure> {
    let mut spills: Vec<WrittenSpill> = Vec::new();
    let mut known: BTreeMap<String, &Path> = BTreeMap::new();
    for file in files {
        let name = input::name(file);
        let bytes = input::read(file, MAX_SPILL_BYTES)
            .map_err(|error| Failure::usage(format!("can't read {name}: {error}")))?;
        let read = in_file_or_log(&bytes).map_err(|error| {
            // What a file holds may move a terminal's cursor.
            let reason = escaped(&error.to_string());
            Failure::usage(format!(
                "{name} is no spill that can be replayed, nothing was recorded: {reason}"
            ))
        })?;
        for spill in read {
            if let Some(other) = known.insert(spill.sha256.clone(), file) {
                let other = input::name(other);
                return Err(Failure::usage(format!(
                    "{name} has the same content as {other}: name it once; nothing was recorded"
                )));
            }
            spills.push(spill);
        }
    }
    Ok(spills)
}

/// The spill that a file is, or those that are in a log.
fn in_file_or_log(bytes: &[u8]) -> Result<Vec<WrittenSpill>, SpillError> {
    let texts = SpillPart::texts_in(bytes)?;
    if texts.is_empty() {
        return Ok(vec![WrittenSpill::parse(bytes)?]);
    }
    let spills = texts
        .iter()
        .map(|text| WrittenSpill::parse(text.as_bytes()));
    spills.collect()
}

async fn send(
    operator: &PollOperator,
    entries: &mut [Entry<'_>],
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut unconfirmed = Vec::new();
    let batches: usize = entries.iter().map(|entry| entry.lane.batches()).sum();
    let progress = Shards::new(batches as u64, context);
    for entry in entries {
        if entry.report.is_err() {
            continue;
        }
        let sent = || progress.advance();
        let replayed = operator.replay(&entry.spill.spill, entry.lane, context.now(), sent);
        let report = replayed.await.map(|(report, written)| {
            unconfirmed.push(written);
            report
        });
        entry.report = unless_away(report).map_err(|failure| match failure {
            Failure::Broken(error) => Failure::Broken(error.context(
                "not all was recorded; the same command goes on where it ended, and counts nothing twice",
            )),
            other => other,
        })?;
    }
    drop(progress);
    for written in unconfirmed {
        context.wrote(written);
    }
    Ok(())
}

/// A Redis that can't be reached ends the command, and is nothing that a file could be blamed for.
fn unless_away(
    report: Result<ReplayReport, ReplayError>,
) -> Result<Result<ReplayReport, ReplayError>, Failure> {
    match report {
        Err(ReplayError::Redis(reason)) => Err(Failure::away(&reason)),
        report => Ok(report),
    }
}

impl Entry<'_> {
    fn recorded(&self) -> u64 {
        self.report.as_ref().map_or(0, |report| report.recorded)
    }

    /// What is to be done before its votes can be recorded.
    fn remedy(&self, error: &ReplayError) -> String {
        let poll = &self.lane.poll;
        let remedy = match error {
            ReplayError::NoPoll => format!(
                "restore it first: `votectl import` from a backup, or `votectl poll apply` and `votectl poll open {poll}`"
            ),
            ReplayError::NoFence(_) => format!(
                "`votectl poll close {poll}` fences a closed poll again, `votectl poll open {poll}` one that is open"
            ),
            ReplayError::NotOpen { .. } => {
                format!("`votectl poll open {poll}` comes first; then this command again")
            }
            ReplayError::NoShard { .. } => {
                "it is not the poll that these votes were for".to_owned()
            }
            ReplayError::Over(_) => "keep the file: it is the only trace of these votes".to_owned(),
            ReplayError::Changed => "run the same command again".to_owned(),
            ReplayError::Redis(_) => String::new(),
        };
        format!("{error}; {remedy}")
    }
}

/// What can't be recorded, for the question.
fn obstacles(entries: &[Entry<'_>]) -> String {
    let stuck = entries.iter().filter(|entry| entry.report.is_err());
    match stuck.map(|entry| entry.lane.votes()).sum::<u64>() {
        0 => String::new(),
        votes => format!(" ({votes} more can't be recorded now)"),
    }
}

/// The whole command's failure, where not all votes are recorded.
fn refusal(entries: &[Entry<'_>]) -> Result<(), Failure> {
    let mut said = Vec::new();
    for entry in entries {
        let (poll, shard) = (&entry.lane.poll, entry.lane.shard);
        match &entry.report {
            Err(error) => said.push(format!(
                "poll {poll}, shard {shard}: {} votes are not recorded: {}",
                entry.lane.votes(),
                entry.remedy(error)
            )),
            Ok(report) if report.refused > 0 => said.push(format!(
                "poll {poll}, shard {shard}: {} votes can't be recorded any more: their keys were used for other \
                 candidates meanwhile, or their voters' limits are used up",
                report.refused
            )),
            Ok(report) if report.unknown > 0 => said.push(format!(
                "poll {poll}, shard {shard}: {} votes can't be recorded: the poll has no such channel or candidate",
                report.unknown
            )),
            Ok(_) => {}
        }
    }
    if said.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(said.join("\n")))
}

fn report(entries: &[Entry<'_>], dry_run: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    if context.json() {
        let lanes: Vec<Value> = entries.iter().map(as_json).collect();
        return context.write_json(&json!({ "dry_run": dry_run, "lanes": lanes }));
    }
    let recorded = if dry_run { "TO RECORD" } else { "RECORDED" };
    let head = [
        "POLL", "SHARD", "WRITER", "LEFT AT", "THERE", recorded, "REPEATED", "REFUSED",
    ];
    let mut rows = table(head);
    for entry in entries {
        let lane = entry.lane;
        let mut row = vec![
            lane.poll.to_string(),
            lane.shard.to_string(),
            lane.writer.to_string(),
            wire_time::format(entry.spill.head.at),
        ];
        row.extend(match &entry.report {
            Ok(report) => [
                report.present,
                report.recorded,
                report.repeated,
                report.refused + report.unknown,
            ]
            .map(|votes| votes.to_string()),
            Err(_) => [
                "?".to_owned(),
                "0".to_owned(),
                String::new(),
                lane.votes().to_string(),
            ],
        });
        rows.add_row(row);
    }
    context.terminal.line(&rendered(rows, 4..8))
}

fn as_json(entry: &Entry<'_>) -> Value {
    let lane = entry.lane;
    let mut json = json!({
        "poll": lane.poll,
        "shard": lane.shard,
        "writer": lane.writer,
        "written_at": wire_time::format(entry.spill.head.at),
        "sha256": entry.spill.sha256,
        "votes": lane.votes(),
    });
    match &entry.report {
        Ok(report) => {
            json["present"] = report.present.into();
            json["recorded"] = report.recorded.into();
            json["repeated"] = report.repeated.into();
            json["refused"] = (report.refused + report.unknown).into();
        }
        Err(error) => json["error"] = error.to_string().into(),
    }
    json
}
