//! `votectl import FILE`

use crate::commands::progress::Shards;
use crate::context::Context;
use crate::failure::Failure;
use crate::input;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use vote_domain::{Poll, PollState, wire_time};
use vote_store::{Backup, BackupError, MAX_BACKUP_BYTES, RestoreError, SaveError};

/// What to import.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The backup (`votectl export POLL --what backup`); `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Only prove the backup, and say what would be written
    #[arg(long)]
    dry_run: bool,
}

/// Restores a poll from its backup, where Redis holds nothing of it.
///
/// # Errors
/// [`Failure::Usage`] where the file is no backup or does not agree; [`Failure::Refused`] where something of that
/// poll is there.
pub async fn run(args: ImportArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let name = input::name(&args.file);
    let bytes = input::read(&args.file, MAX_BACKUP_BYTES)
        .map_err(|error| Failure::usage(format!("can't read {name}: {error}")))?;
    let backup = Backup::parse(&bytes).map_err(|error| unusable(&name, &error))?;
    drop(bytes);
    let operator = context.operator()?;
    let id = backup.poll().definition.id().clone();
    let failed = |error: RestoreError| failure(id.as_str(), error);
    if args.dry_run {
        let resumed = operator.restorable(&backup).await.map_err(failed)?;
        let poll = backup.restored_poll(context.now(), &context.global.by);
        return report(&backup, &poll, resumed, true, context);
    }
    let progress = Shards::new(backup.shards().len() as u64, context);
    let written = |shards| progress.set(shards);
    let (now, by) = (context.now(), context.global.by.clone());
    let restored = operator.restore(&backup, now, &by, written).await;
    drop(progress);
    let restored = restored.map_err(failed)?;
    context.wrote(restored.written);
    context.memory.see(&restored.poll, context.clock.now());
    report(&backup, &restored.poll, restored.resumed, false, context)
}

fn unusable(name: &str, error: &BackupError) -> Failure {
    // What a file holds may move a terminal's cursor.
    let clean = |c: char| match c {
        '\n' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let reason: String = error.to_string().chars().map(clean).collect();
    let hint = match error {
        BackupError::Syntax(_) | BackupError::Format(_) | BackupError::Empty => {
            "; `votectl export POLL --what backup` makes one"
        }
        _ => "",
    };
    Failure::usage(format!(
        "{name} is no backup that can be restored, nothing was written: {reason}{hint}"
    ))
}

fn failure(id: &str, error: RestoreError) -> Failure {
    let half = format!(
        "the import of poll `{id}` is half done, and not to be seen as a poll; the same command completes it"
    );
    match error {
        RestoreError::NotBegun(_) => Failure::Broken(anyhow::Error::from(error)),
        RestoreError::Taken(_) | RestoreError::Other(_) => {
            Failure::refused(format!("poll `{id}`: {error}; nothing was written"))
        }
        RestoreError::Store(error) => match Failure::from(error) {
            Failure::Broken(error) => Failure::Broken(error.context(half)),
            other => other,
        },
        RestoreError::Save(SaveError::Store(error) | SaveError::HalfWritten(error)) => {
            failure(id, RestoreError::Store(error))
        }
        error => Failure::refused(format!("poll `{id}`: {error}; {half}")),
    }
}

fn report(
    backup: &Backup,
    poll: &Poll,
    resumed: bool,
    dry_run: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let totals = backup.totals();
    let taken = backup.taken();
    if context.json() {
        return context.write_json(&json!({
            "poll": poll.definition.id(),
            "dry_run": dry_run,
            "resumed": resumed,
            "state_in_backup": backup.poll().state,
            "state": poll.state,
            "revision": poll.revision,
            "shards": poll.definition.shards(),
            "votes": totals.votes,
            "late": totals.late,
            "writers": totals.writers,
            "taken_at": wire_time::format(taken.at),
            "sha256": backup.sha256(),
            "sealed_sha256": backup.sealed().map(|sealed| &sealed.sha256),
            "voters_forgotten": backup.forgets_voters(),
        }));
    }
    context
        .terminal
        .line(&text(backup, poll, resumed, dry_run, context.clock.now()))
}

fn text(
    backup: &Backup,
    poll: &Poll,
    resumed: bool,
    dry_run: bool,
    now: jiff::Timestamp,
) -> String {
    let id = poll.definition.id();
    let totals = backup.totals();
    let taken_at = wire_time::format(backup.taken().at);
    let done = match (dry_run, resumed) {
        (true, false) => "would be imported, nothing was written",
        (true, true) => "is half imported and would be completed, nothing was written",
        (false, false) => "imported",
        (false, true) => "imported: what an earlier attempt had left undone is complete",
    };
    let mut text = format!(
        "poll {id} {done}\n\
         {} (revision {}), {} votes, {} late, {} shards; backup of {taken_at}, sha256 {}",
        poll.state,
        poll.revision,
        totals.votes,
        totals.late,
        poll.definition.shards(),
        backup.sha256()
    );
    if let Some(sealed) = backup.sealed() {
        text.push_str(&format!("\nsealed result: sha256 {}", sealed.sha256));
    }
    if poll.state == PollState::Paused {
        let resume = if now < poll.closes_at {
            format!("`votectl poll resume {id}` takes votes again, ")
        } else {
            String::new()
        };
        text.push_str(&format!(
            "\nit was {}; votes after {taken_at} are not in it: {resume}`votectl poll close {id}` ends it",
            backup.poll().state
        ));
    }
    if backup.forgets_voters() {
        text.push_str(
            "\nwhich voters have used their votes is not in a backup: after `poll resume` each could vote again",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::unusable;
    use vote_store::BackupError;

    #[test]
    fn a_hostile_file_moves_no_cursor() {
        let error = unusable("x", &BackupError::Format("\u{1b}[2J\r".to_owned()));
        assert!(!error.to_string().contains(['\u{1b}', '\r']), "{error}");
        assert_eq!(error.code(), 2);
    }
}
