//! `votectl export POLL`

use crate::commands::definition;
use crate::commands::figures::{self, Beside, Figures, sealed_result_of};
use crate::commands::ledger;
use crate::commands::poll_arg::PollArg;
use crate::commands::spreadsheet::{Spreadsheet, finish, for_spreadsheet};
use crate::context::Context;
use crate::failure::Failure;
use crate::replace::replace;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use vote_domain::{
    Bucket, CandidateStanding, MinuteSeries, Phase, Poll, PollState, Standing, dense_hours,
    dense_minutes, series_range, wire_time,
};
use vote_store::{Backup, PollOperator, TakeError};

/// What to export, and how.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The poll.
    #[command(flatten)]
    pub poll: PollArg,

    /// Form of the export; csv if not given, json with `--output json`, for a sealed result and for a backup, yaml for
    /// a definition
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Write the CSV for people: as this spreadsheet opens it, and without formulas
    #[arg(long = "for", value_enum, value_name = "APP")]
    pub spreadsheet: Option<Spreadsheet>,

    /// Which figures
    #[arg(long, value_enum, default_value_t)]
    pub what: What,

    /// Where to write it, instead of standard output; a file that exists is replaced
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, with a line of headings (RFC 4180)
    Csv,
    /// One JSON document
    Json,
    /// A poll file in YAML (definition only)
    Yaml,
}

/// Which figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Votes and percentages by candidate: weighted (no channel), then by channel
    #[default]
    Results,
    /// Votes by hour, in the poll's time zone
    Hourly,
    /// Votes by minute
    Minutely,
    /// What each writer wrote to each shard
    Ledger,
    /// The whole sealed result with its SHA-256 (JSON only)
    Sealed,
    /// All of the poll that Redis keeps, with its SHA-256, for `votectl import` (JSON only)
    Backup,
    /// The poll's file, as `votectl poll apply` takes it again (YAML or JSON)
    Definition,
}

/// Writes a poll's figures.
///
/// # Errors
/// When the poll doesn't exist or isn't sealed and should be, when its sealed result isn't as it was sealed, when Redis
/// can't be read or the file not written.
pub async fn run(args: ExportArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let form = form(&args, context.json())?;
    if args.spreadsheet.is_some() && form != Format::Csv {
        return Err(Failure::usage(
            "--for: a spreadsheet opens the CSV of results, hourly, minutely and ledger; give --format csv, or leave out --for",
        ));
    }
    let (operator, poll) = context.find(&args.poll.poll).await?;
    let mut export = export(&operator, &poll, args.what, form, context).await?;
    if let Some(spreadsheet) = args.spreadsheet {
        export.text = for_spreadsheet(&export.text, spreadsheet)?;
    }
    write(args.file.as_deref(), &export.text, context)?;
    if let Some(remark) = export.remark {
        context.terminal.note(&remark);
    }
    Ok(())
}

fn form(args: &ExportArgs, json: bool) -> Result<Format, Failure> {
    match (args.what, args.format) {
        (What::Sealed | What::Backup, Some(Format::Csv)) => Err(Failure::usage(
            "--format csv: a sealed result and a backup are JSON documents, leave it out or give --format json",
        )),
        (What::Definition, Some(Format::Csv)) => Err(Failure::usage(
            "--format csv: a definition is a YAML or a JSON document, leave it out or give --format yaml or json",
        )),
        (What::Definition, Some(format)) => Ok(format),
        (What::Definition, None) if !json => Ok(Format::Yaml),
        (_, Some(Format::Yaml)) => Err(Failure::usage(
            "--format yaml: only a definition (--what definition) is written as YAML",
        )),
        (What::Sealed | What::Backup | What::Definition, _) => Ok(Format::Json),
        (_, Some(format)) => Ok(format),
        (_, None) if json => Ok(Format::Json),
        (_, None) => Ok(Format::Csv),
    }
}

/// What is written, and what is said about it.
struct Export {
    text: String,
    remark: Option<String>,
}

async fn export(
    operator: &PollOperator,
    poll: &Poll,
    what: What,
    form: Format,
    context: &Context<'_>,
) -> Result<Export, Failure> {
    let csv = form == Format::Csv;
    let (id, now) = (poll.definition.id(), context.now());
    // For what has no place to name who is out.
    let mut remark = match (what, csv) {
        (What::Hourly | What::Minutely, true) | (What::Definition, _) => withdrawn_remark(poll),
        _ => None,
    };
    let text = match what {
        What::Ledger => {
            let rows = ledger::rows(&operator.figures_without_minutes(poll).await?);
            match csv {
                true => ledger::csv(&rows)?,
                false => to_json(&json!({ "poll": id, "ledger": rows }))?,
            }
        }
        What::Results => {
            let figures = Figures::read(operator, poll, now).await?;
            match csv {
                true => to_csv(&results(&figures.standing))?,
                false => to_json(&json!({
                    "standing": figures.standing,
                    "late": figures.late.total(),
                    "sha256": figures.sealed.map(|sealed| sealed.sha256),
                }))?,
            }
        }
        What::Hourly | What::Minutely => {
            let minutes = figures::minutes(operator, poll).await?;
            let buckets = buckets(poll, &minutes, what, now);
            match csv {
                true => series_csv(poll, &buckets)?,
                false => to_json(&series_json(poll, &buckets))?,
            }
        }
        What::Sealed => {
            let sealed = sealed_result_of(operator, poll).await?;
            let none = format!("poll `{id}` is {}, it has no sealed result yet", poll.state);
            to_json(&sealed.ok_or_else(|| Failure::refused(none))?)?
        }
        What::Backup => {
            let backup = backup(operator, poll, context).await?;
            remark = Some(backup_remark(&backup, now));
            backup.to_json().map_err(anyhow::Error::from)?
        }
        What::Definition => match form {
            Format::Json => to_json(&poll.definition)?,
            Format::Yaml | Format::Csv => definition::yaml(&poll.definition)?,
        },
    };
    Ok(Export { text, remark })
}

/// Who is out of the poll.
fn withdrawn_remark(poll: &Poll) -> Option<String> {
    let withdrawn: Vec<String> = poll
        .withdrawn
        .iter()
        .map(|one| format!("{} at {}", one.candidate, poll.definition.shown(one.at)))
        .collect();
    (!withdrawn.is_empty()).then(|| {
        format!(
            "withdrawn from poll {}, and still in what is written here: {}",
            poll.definition.id(),
            withdrawn.join(", ")
        )
    })
}

fn write(file: Option<&Path>, text: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let Some(file) = file else {
        let written = context.terminal.out().write_all(text.as_bytes());
        written.map_err(Failure::output)?;
        return context.terminal.flush();
    };
    replace(file, text.as_bytes()).map_err(|error| Failure::unwritable(file, error))
}

async fn backup(
    operator: &PollOperator,
    poll: &Poll,
    context: &Context<'_>,
) -> Result<Backup, Failure> {
    let id = poll.definition.id();
    let by = &context.global.by;
    let software = concat!("votectl ", env!("CARGO_PKG_VERSION"));
    let taken = operator.backup(id, context.now(), by, software).await;
    match taken {
        Ok(Some(backup)) => Ok(backup),
        Ok(None) => Err(Failure::usage(format!("poll `{id}` has just been removed"))),
        Err(TakeError::Store(error)) => Err(error.into()),
        Err(error) => Err(Failure::refused(format!("poll `{id}`: {error}"))),
    }
}

fn backup_remark(backup: &Backup, now: Timestamp) -> String {
    let (poll, totals) = (backup.poll(), backup.totals());
    let mut text = format!(
        "backup of poll {} ({}): {} votes, {} late, {} shards, sha256 {}",
        poll.definition.id(),
        poll.state,
        totals.votes,
        totals.late,
        backup.shards().len(),
        backup.sha256()
    );
    match poll.state {
        PollState::Open if poll.phase(now) == Phase::Open => text.push_str(
            "\nit takes votes: each shard is as of when it was read, what came later is not in it; it would come back paused",
        ),
        PollState::Open | PollState::Paused if poll.is_over(now) => text.push_str(
            "\nits end has come, and it is not closed yet: what is recorded later is not in it; it would come back paused",
        ),
        PollState::Open => text.push_str("\nit would come back paused"),
        _ => {}
    }
    if backup.forgets_voters() {
        text.push_str("\nwhich voters have used their votes is not in it");
    }
    text
}

/// One line of the results. The names of the columns are stable.
#[derive(Debug, Serialize)]
struct ResultRow<'a> {
    poll: &'a str,
    kind: &'a str,
    direction: &'a str,
    status: &'a str,
    as_of: String,
    /// Empty: the weighted result.
    channel: &'a str,
    weight: Option<u32>,
    candidate: &'a str,
    name: &'a str,
    votes: u128,
    /// Empty where the candidate is withdrawn, as its rank.
    percent: String,
    rank: Option<u32>,
    withdrawn_at: Option<String>,
    /// All votes, of which `votes` are those that count. There is no such column where nothing is annulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<u128>,
    /// What of `recorded` is annulled; as that.
    #[serde(skip_serializing_if = "Option::is_none")]
    annulled: Option<u128>,
}

fn results(standing: &Standing) -> Vec<ResultRow<'_>> {
    let mut rows = Vec::new();
    for (place, candidate) in standing.candidates.iter().enumerate() {
        rows.push(row(standing, None, place, candidate));
    }
    for (channel, of_channel) in standing.channels.iter().enumerate() {
        for (place, candidate) in of_channel.candidates.iter().enumerate() {
            rows.push(row(standing, Some(channel), place, candidate));
        }
    }
    rows
}

/// The row of a candidate, in the channel of this place or in all of them.
fn row<'a>(
    standing: &'a Standing,
    channel: Option<usize>,
    place: usize,
    candidate: &'a CandidateStanding,
) -> ResultRow<'a> {
    let recorded = standing.recorded.as_ref();
    let beside = recorded.map(|recorded| Beside { recorded, channel }.of(place));
    let (recorded, annulled) = beside.unzip();
    let channel = channel.and_then(|channel| standing.channels.get(channel));
    ResultRow {
        poll: standing.poll.as_str(),
        kind: standing.kind.as_str(),
        direction: standing.direction.as_str(),
        status: standing.status.as_str(),
        as_of: wire_time::format(standing.as_of),
        channel: channel.map_or("", |channel| channel.id.as_str()),
        weight: channel.map(|channel| channel.weight),
        candidate: candidate.id.as_str(),
        name: &candidate.name,
        votes: candidate.votes.unwrap_or(0),
        percent: candidate
            .percent
            .map(|percent| percent.to_string())
            .unwrap_or_default(),
        rank: candidate.rank,
        withdrawn_at: candidate.withdrawn_at.map(wire_time::format),
        recorded,
        annulled,
    }
}

fn buckets(poll: &Poll, minutes: &MinuteSeries, what: What, now: Timestamp) -> Vec<Bucket> {
    let Some((from, until)) = series_range(poll, minutes, now) else {
        return Vec::new();
    };
    if what == What::Hourly {
        dense_hours(minutes, poll.definition.zone(), from, until)
    } else {
        dense_minutes(minutes, from, until)
    }
}

fn series_json(poll: &Poll, buckets: &[Bucket]) -> serde_json::Value {
    let candidates = poll.definition.candidates();
    let rows = buckets.iter().map(|bucket| {
        let votes = candidates.iter().zip(&bucket.candidates);
        let votes: std::collections::BTreeMap<&str, u128> = votes
            .map(|(candidate, votes)| (candidate.id.as_str(), *votes))
            .collect();
        json!({
            "start": wire_time::format_in(bucket.start, poll.definition.zone()),
            "total_votes": bucket.total,
            "candidates": votes,
        })
    });
    json!({
        "poll": poll.definition.id(),
        "timezone": poll.definition.timezone(),
        "withdrawn": poll.withdrawn_by_candidate(),
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// One column per candidate, so that a spreadsheet plots it as it is.
fn series_csv(poll: &Poll, buckets: &[Bucket]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let ids = poll
        .definition
        .candidates()
        .iter()
        .map(|candidate| candidate.id.as_str());
    let write =
        |record: csv::Result<()>| record.map_err(|error| Failure::from(anyhow::Error::from(error)));
    write(writer.write_record(["start", "total_votes"].into_iter().chain(ids)))?;
    for bucket in buckets {
        let start = wire_time::format_in(bucket.start, poll.definition.zone());
        let votes = bucket.candidates.iter().map(u128::to_string);
        write(writer.write_record([start, bucket.total.to_string()].into_iter().chain(votes)))?;
    }
    finish(writer)
}

fn to_csv<T: Serialize>(rows: &[T]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(anyhow::Error::from)?;
    }
    finish(writer)
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::{results, to_csv};
    use jiff::Timestamp;
    use vote_domain::{Poll, PollDefinition, RecordedVotes, Standing, Status, Tally, standing};

    fn demo() -> (Poll, Timestamp) {
        let definition =
            PollDefinition::parse_yaml(crate::built_in::DEMO_FILE).expect("the poll file is right");
        let at = "2026-11-24T01:02:03.250Z"
            .parse()
            .expect("it can be parsed");
        (Poll::draft(definition, at, "ana"), at)
    }

    #[test]
    fn where_votes_are_annulled_what_was_recorded_stands_beside_what_counts() {
        let (poll, at) = demo();
        let tally = |rows: &[Vec<u64>]| Tally::from_rows(rows).expect("rows");
        let recorded = tally(&[vec![9, 2, 0, 0], vec![4, 1, 0, 0]]);
        let annulled = tally(&[vec![6, 0, 0, 0], vec![1, 1, 0, 0]]);
        let net = tally(&[vec![3, 2, 0, 0], vec![3, 0, 0, 0]]);
        let plain = standing(&poll, &net, at, 7, Status::Provisional);
        let standing = Standing {
            recorded: RecordedVotes::of(&poll.definition, &recorded, &annulled),
            ..plain.clone()
        };
        let written = to_csv(&results(&standing)).expect("it is written");
        let lines: Vec<&str> = written.lines().collect();
        let (before, after) = (to_csv(&results(&plain)).expect("it is written"), &lines);
        // The columns that there always are come first, and are the same.
        for (line, plain) in after.iter().zip(before.lines()) {
            assert!(line.starts_with(plain), "{line}");
        }
        let ends: Vec<String> = lines
            .iter()
            .map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                format!("{} {} {}", cells[5], cells[7], cells[13..].join(" "))
            })
            .collect();
        assert_eq!(
            (&ends[0], &ends[1], &ends[2]),
            (
                &"channel candidate recorded annulled".to_owned(),
                &" ana 13 7".to_owned(),
                &" bia 3 1".to_owned()
            )
        );
        let of_channel = ends.iter().find(|end| end.starts_with("unico bia"));
        assert_eq!(of_channel.map(String::as_str), Some("unico bia 1 1"));
    }

    #[test]
    fn the_csv_has_the_weighted_result_and_then_each_channel() {
        let (poll, at) = demo();
        let mut tally = Tally::new(2, 4);
        tally.add(0, 0, 3).expect("it fits");
        tally.add(1, 1, 1).expect("it fits");
        let standing = standing(&poll, &tally, at, 7, Status::Provisional);
        insta::assert_snapshot!(to_csv(&results(&standing)).expect("it is written"));
    }
}
