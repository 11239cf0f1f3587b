//! Waiting for the writers of a closed poll, before it is sealed.

use crate::context::Context;
use crate::failure::Failure;
use crate::terminal::Terminal;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use vote_domain::{Poll, PollId, WriterId};
use vote_store::{PollOperator, Undrained};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(200);

/// Waits until every writer is drained but those that are abandoned; gives those.
///
/// # Errors
/// [`Failure::Refused`] when one is to be abandoned that isn't waited for, or others still are after `patience`.
pub(super) async fn wait(
    operator: &PollOperator,
    poll: &Poll,
    abandoned: &[WriterId],
    patience: Duration,
    context: &mut Context<'_>,
) -> Result<BTreeSet<WriterId>, Failure> {
    let started = Instant::now();
    let undrained = operator.undrained(poll).await?;
    refuse_strangers(abandoned, &undrained)?;
    let (mut gone, mut waiting) = part(undrained, abandoned);
    let mut progress = Progress::new(context.terminal.is_live());
    while !waiting.is_empty() {
        if started.elapsed() >= patience {
            drop(progress);
            return Err(Failure::refused(still_waiting(
                poll.definition.id(),
                &waiting,
                patience,
            )));
        }
        progress.show(&waiting, started.elapsed(), context.terminal);
        tokio::time::sleep(EVERY).await;
        (gone, waiting) = part(operator.undrained(poll).await?, abandoned);
    }
    Ok(gone)
}

/// The writers that are abandoned, and those that are waited for.
fn part(undrained: Vec<Undrained>, abandoned: &[WriterId]) -> (BTreeSet<WriterId>, Vec<Undrained>) {
    let (gone, waiting): (Vec<_>, Vec<_>) = undrained
        .into_iter()
        .partition(|one| abandoned.contains(&one.writer));
    (gone.into_iter().map(|one| one.writer).collect(), waiting)
}

fn refuse_strangers(abandoned: &[WriterId], undrained: &[Undrained]) -> Result<(), Failure> {
    let stranger = abandoned
        .iter()
        .find(|writer| !undrained.iter().any(|one| one.writer == **writer));
    let Some(stranger) = stranger else {
        return Ok(());
    };
    let there = match undrained {
        [] => "sealing waits for none".to_owned(),
        some => format!("sealing waits for:\n{}", lines(some)),
    };
    Err(Failure::refused(format!(
        "--abandon: the writer {stranger} is drained, or has written nothing to this poll; {there}"
    )))
}

fn lines(undrained: &[Undrained]) -> String {
    let lines: Vec<String> = undrained.iter().map(|one| format!("  {one}")).collect();
    lines.join("\n")
}

fn still_waiting(id: &PollId, waiting: &[Undrained], patience: Duration) -> String {
    let names: BTreeSet<WriterId> = waiting.iter().map(|one| one.writer).collect();
    let abandon: Vec<String> = names
        .iter()
        .map(|writer| format!("--abandon {writer}"))
        .collect();
    format!(
        "poll `{id}` is not sealed: after {} s these have not said that all they had accepted is recorded:\n{}\n\
         A process that runs says so within two seconds of the closing, unless it is cut off from Redis or repairs \
         what Redis has forgotten: then wait for it (--wait 5m). One that was killed never will, and starting it \
         again is no help, for it is another writer then. What it had accepted and Redis has forgotten is lost: look \
         at `votectl audit {id}`, and seal what is recorded with {}",
        patience.as_secs(),
        lines(waiting),
        abandon.join(" ")
    )
}

/// Who is waited for: a line that is refreshed on a terminal, elsewhere one for each change.
struct Progress {
    bar: Option<ProgressBar>,
    said: String,
}

impl Progress {
    fn new(live: bool) -> Self {
        let bar = live.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            said: String::new(),
        }
    }

    fn show(&mut self, waiting: &[Undrained], for_so_long: Duration, terminal: &mut Terminal) {
        let names: Vec<String> = waiting.iter().take(3).map(ToString::to_string).collect();
        let more = match waiting.len().saturating_sub(names.len()) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let text = format!("waiting for {}{more}", names.join("; "));
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{text}, for {} s", for_so_long.as_secs()));
                bar.tick();
            }
            None if text != self.said => terminal.note(&text),
            None => {}
        }
        self.said = text;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{refuse_strangers, still_waiting};
    use std::time::Duration;
    use vote_domain::{PollId, WriterId};
    use vote_store::Undrained;

    fn undrained(id: u8, shard: u16) -> Undrained {
        Undrained {
            shard,
            writer: WriterId::from_bytes([id; 8]),
            last_sequence: 12,
            votes: 345,
        }
    }

    #[test]
    fn who_is_waited_for_is_named_with_what_to_do() {
        let id = PollId::parse("paredao-01").expect("the id is right");
        let waiting = [undrained(1, 0), undrained(1, 3)];
        let text = still_waiting(&id, &waiting, Duration::from_secs(30));
        assert!(
            text.contains("shard 3: writer 0101010101010101 (last batch 12, 345 votes)"),
            "{text}"
        );
        assert_eq!(text.matches("--abandon").count(), 1, "{text}");
    }

    #[test]
    fn only_who_is_waited_for_can_be_abandoned() {
        let (one, other) = (WriterId::from_bytes([1; 8]), WriterId::from_bytes([2; 8]));
        refuse_strangers(&[one], &[undrained(1, 0)]).expect("nobody is a stranger");
        refuse_strangers(&[], &[]).expect("nobody is a stranger");
        let error = refuse_strangers(&[one, other], &[undrained(1, 0)]).expect_err("it is refused");
        assert_eq!(error.code(), 1);
        assert!(
            error.to_string().contains("0202020202020202")
                && error.to_string().contains("0101010101010101"),
            "{error}"
        );
    }
}
