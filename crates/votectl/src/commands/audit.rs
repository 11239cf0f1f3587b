//! `votectl audit POLL`

use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use clap::Args;
use vote_store::{AuditReport, ShardAudit};

/// What to audit.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The poll.
    #[command(flatten)]
    pub poll: PollArg,
}

/// Proves that a poll's figures agree, and says where they don't.
///
/// # Errors
/// [`Failure::Refused`] with the first difference, after the report was written.
pub async fn run(args: AuditArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let id = &args.poll.poll;
    let (operator, _poll) = context.find(id).await?;
    let Some(report) = operator.audit(id).await? else {
        return Err(Failure::usage(format!("poll `{id}` has just been removed")));
    };
    if context.json() {
        context.write_json(&report)?;
    } else {
        context.terminal.line(&text(&report))?;
    }
    match report.differences.first() {
        None => Ok(()),
        Some(first) => Err(Failure::refused(format!(
            "poll `{}` does not pass: {first}",
            report.poll
        ))),
    }
}

fn text(report: &AuditReport) -> String {
    let mut text = shards(&report.shards);
    text.push_str(&format!(
        "\n\n{} ({}): {} votes, {} late\n",
        report.poll, report.state, report.total, report.late
    ));
    if report.annulled > 0 {
        let (annulled, net) = (
            report.annulled,
            report.total.saturating_sub(report.annulled),
        );
        text.push_str(&format!(
            "{annulled} of these votes are annulled, {net} count\n"
        ));
    }
    if let Some(sha256) = &report.sha256 {
        text.push_str(&format!("sealed result: sha256 {sha256}\n"));
    }
    for writer in &report.waiting {
        text.push_str(&format!("not drained, sealing waits: {writer}\n"));
    }
    for writer in &report.abandoned {
        text.push_str(&format!("sealed without waiting for the writer {writer}\n"));
    }
    let aside = |of: fn(&ShardAudit) -> u128| report.shards.iter().map(of).sum::<u128>();
    let (undecided, released) = (
        aside(|shard| shard.undecided),
        aside(|shard| shard.released),
    );
    let annulled = aside(|shard| shard.quarantine_annulled);
    if undecided + released + annulled > 0 {
        text.push_str(&format!(
            "set aside as suspect: {undecided} undecided, {released} released, {annulled} annulled; the ledger has all of them, \
             tally and minutes those that were released\n"
        ));
    }
    for lost in &report.lost {
        text.push_str(&format!("accepted, and counted as lost: {lost}\n"));
    }
    for difference in &report.differences {
        text.push_str(&format!("DIFFERENCE {difference}\n"));
    }
    text.push_str(if report.passed {
        "passed: all figures agree"
    } else {
        "FAILED"
    });
    text
}

/// The sums of each shard.
fn shards(shards: &[ShardAudit]) -> String {
    let mut table = table([
        "SHARD", "TALLY", "MINUTES", "LEDGER", "ANNULLED", "SEALED", "LATE", "DRAINED",
    ]);
    for shard in shards {
        table.add_row([
            shard.shard.to_string(),
            shard.tally.to_string(),
            shard.minutes.to_string(),
            shard.ledger.to_string(),
            shard.annulled.to_string(),
            shard
                .sealed
                .map_or_else(|| "-".to_owned(), |sealed| sealed.to_string()),
            shard.late.to_string(),
            format!("{}/{}", shard.drained, shard.writers),
        ]);
    }
    rendered(table, 0..8)
}

#[cfg(test)]
mod tests {
    use super::text;
    use vote_domain::{PollId, PollState, WriterId};
    use vote_store::{AuditReport, Lost, ShardAudit, Undrained};

    #[test]
    fn the_report_names_shard_and_figures() {
        let shard = ShardAudit {
            shard: 0,
            tally: 12,
            minutes: 12,
            ledger: 11,
            annulled: 0,
            late: 3,
            undecided: 0,
            released: 0,
            quarantine_annulled: 0,
            writers: 2,
            drained: 1,
            sealed: None,
        };
        let report = AuditReport {
            poll: PollId::parse("paredao-01").expect("the id is right"),
            state: PollState::Closed,
            shards: vec![
                shard.clone(),
                ShardAudit {
                    shard: 1,
                    ledger: 12,
                    sealed: Some(12),
                    ..shard
                },
            ],
            total: 24,
            annulled: 5,
            late: 6,
            waiting: vec![Undrained {
                shard: 0,
                writer: WriterId::from_bytes([1; 8]),
                last_sequence: 4,
                votes: 5,
            }],
            abandoned: vec![WriterId::from_bytes([2; 8])],
            lost: vec![Lost {
                shard: 1,
                writer: WriterId::from_bytes([3; 8]),
                votes: 7,
            }],
            sha256: None,
            differences: vec!["shard 0: tally 12, ledger 11".to_owned()],
            passed: false,
        };
        insta::assert_snapshot!(text(&report));
    }
}
