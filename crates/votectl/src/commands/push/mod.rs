//! `votectl push POLL`: the feed of a poll to a data stream that wants it put there.

mod frame;
mod peer;

use crate::commands::push::frame::{Frame, Layout};
use crate::commands::push::peer::{Answer, Peer};
use crate::context::Context;
use crate::failure::Failure;
use crate::load::ending::Interrupts;
use crate::service_url::ServiceUrl;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;
use vote_domain::{PollId, Secret};
use vote_runtime::secret_file;

/// Figures that nobody has confirmed for so long are not to be on air any more.
const FRESH: Duration = Duration::from_secs(2);

/// The longest pause after a refusal, whatever the other side asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Answers after which trying again won't help, where none was better before: the address or the request is wrong.
const HOPELESS: [u16; 7] = [400, 401, 403, 404, 405, 410, 413];

/// What is pushed, and where to.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The poll's id, or `current`: the live poll that is on
    #[arg(value_name = "POLL", value_parser = PollId::parse)]
    poll: PollId,

    /// File with the private address of the data stream (https://…), to which JSON is put; it is never shown
    #[arg(long, value_name = "FILE")]
    to_file: PathBuf,

    /// The results service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    results: ServiceUrl,

    /// File with the token of a feed, for a poll whose figures are not public
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// One flat object, or an array of rows
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// So many rows exactly, blank ones included
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u8).range(1..=64))]
    rows: Option<u8>,

    /// The poll's order, or most votes first
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,

    /// Language of the texts, such as pt-BR; the poll's own where it is missing
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    lang: Option<String>,

    /// Most requests to the data stream in a second
    #[arg(long, default_value = "2", value_parser = clap::value_parser!(u32).range(1..=20))]
    rate: u32,

    /// Most bytes that the data stream takes; a larger feed is not sent, and ends the command
    #[arg(long, default_value = "65536", value_parser = clap::value_parser!(u32).range(256..=1_048_576))]
    max_bytes: u32,
}

/// What is put there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `results.flat.json`
    #[default]
    Flat,
    /// `results.rows.json`
    Rows,
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// That of the poll's file
    #[default]
    Candidate,
    /// Most votes first
    Rank,
}

fn language(text: &str) -> Result<String, String> {
    match vote_domain::Language::of_tag(text) {
        Some(language) => Ok(language.to_string()),
        None => Err(format!(
            "must be one of {}, alone or with a region such as pt-BR",
            vote_domain::Language::NAMES.join(", ")
        )),
    }
}

/// How it went.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Requests that the data stream took.
    taken: u64,
    /// Requests that it refused, or that had no answer.
    refused: u64,
}

/// Puts the newest feed to a data stream whenever it says something new, until it is interrupted. What is put there last
/// says that it is not to be on air: the data stream keeps it.
///
/// # Errors
/// [`Failure::Usage`] where an option or file is wrong; [`Failure::Refused`] where the feed or the data stream says that no
/// request of this kind will do, or the feed is too large.
pub async fn run(args: PushArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let mut push = Push::new(&args)?;
    let pace = Duration::from_secs(1) / args.rate;
    let ended = loop {
        let started = Instant::now();
        let pause = match push.step(context).await {
            Ok(pause) => pause.max(pace.saturating_sub(started.elapsed())),
            Err(failure) => break Err(failure),
        };
        tokio::select! {
            () = interrupts.recv() => break Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    };
    push.end(context).await;
    ended?;
    let Report { taken, refused } = push.report;
    if context.json() {
        return context.write_json(&push.report);
    }
    context
        .terminal
        .line(&format!("{taken} feeds were taken, {refused} refused"))
}

/// A feed on its way to a data stream.
struct Push {
    poll: PollId,
    feed: Peer,
    path: String,
    stream: Peer,
    most: usize,
    /// The newest feed, and when it was read.
    newest: Option<(Frame, Instant)>,
    /// What the data stream has.
    there: Option<Frame>,
    /// Refusals since the last that was taken.
    in_a_row: u32,
    /// What was said last of either side, so that it is said once.
    said: [String; 2],
    report: Report,
}

impl Push {
    fn new(args: &PushArgs) -> Result<Self, Failure> {
        let address = secret("--to-file", &args.to_file)?;
        let stream: ServiceUrl = address
            .expose()
            .parse()
            .unwrap_or_else(|never| match never {});
        let token = args.token_file.as_deref();
        let token = token.map(|file| secret("--token-file", file)).transpose()?;
        let layout = Layout {
            format: match args.format {
                Format::Flat => "flat.json",
                Format::Rows => "rows.json",
            },
            rows: args.rows,
            by_rank: args.sort == Sort::Rank,
            lang: args.lang.clone(),
        };
        Ok(Self {
            poll: args.poll.clone(),
            feed: Peer::new("--results", args.results.target("--results")?, token)?,
            path: layout.path(&args.poll),
            stream: Peer::new("--to-file", stream.target("--to-file")?, None)?,
            most: usize::try_from(args.max_bytes).unwrap_or(usize::MAX),
            newest: None,
            there: None,
            in_a_row: 0,
            said: Default::default(),
            report: Report::default(),
        })
    }

    /// Reads the feed and puts it there, where it says something new. Gives the pause that is needed before the next.
    async fn step(&mut self, context: &mut Context<'_>) -> Result<Duration, Failure> {
        self.read(context).await?;
        let Some((newest, read_at)) = &self.newest else {
            return Ok(Duration::ZERO);
        };
        // What was put there stays there: it has to say by itself that nobody vouches for it any more.
        let frame = if read_at.elapsed() > FRESH {
            newest.off_air()
        } else {
            newest.clone()
        };
        if self.there.as_ref() == Some(&frame) {
            return Ok(Duration::ZERO);
        }
        if frame.bytes().len() > self.most {
            return Err(Failure::refused(format!(
                "the feed of poll {} has {} bytes, more than --max-bytes {}: ask for fewer rows",
                self.poll,
                frame.bytes().len(),
                self.most
            )));
        }
        self.put(frame, context).await
    }

    async fn read(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        let why = match self.feed.get(&self.path).await {
            Ok(Answer {
                status: 200, body, ..
            }) => match Frame::read(body) {
                Some(frame) => {
                    self.newest = Some((frame, Instant::now()));
                    self.said[0].clear();
                    return Ok(());
                }
                None => "its answer is no feed".to_owned(),
            },
            Ok(answer) => {
                let why = format!("it answers {}", answer.named());
                if self.newest.is_none()
                    && HOPELESS.contains(&answer.status)
                    && answer.status != 404
                {
                    return Err(Failure::refused(format!("--results: {why}")));
                }
                why
            }
            Err(why) => why,
        };
        self.say(0, format!("the feed can't be read: {why}"), context);
        Ok(())
    }

    async fn put(&mut self, frame: Frame, context: &mut Context<'_>) -> Result<Duration, Failure> {
        let answer = self.stream.put(frame.bytes()).await;
        let (why, asked) = match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                self.there = Some(frame);
                self.in_a_row = 0;
                self.said[1].clear();
                self.report.taken += 1;
                return Ok(Duration::ZERO);
            }
            Ok(answer) => {
                let why = format!("it answers {}", answer.status);
                if self.there.is_none() && HOPELESS.contains(&answer.status) {
                    return Err(Failure::refused(format!(
                        "the data stream (--to-file): {why}"
                    )));
                }
                (why, answer.retry_after.unwrap_or_default())
            }
            Err(why) => (why, Duration::ZERO),
        };
        self.report.refused += 1;
        self.in_a_row += 1;
        self.say(
            1,
            format!("the data stream takes nothing: {why}; the newest feed is sent again"),
            context,
        );
        Ok(pause(self.in_a_row).max(asked).min(LONGEST_PAUSE))
    }

    /// Says it once.
    fn say(&mut self, side: usize, what: String, context: &mut Context<'_>) {
        if self.said[side] != what {
            context.terminal.note(&what);
            self.said[side] = what;
        }
    }

    /// The last that is put there: nobody keeps it fresh from now on.
    async fn end(&mut self, context: &mut Context<'_>) {
        let Some(last) = self.there.as_ref().map(Frame::off_air) else {
            return;
        };
        if self.there.as_ref() == Some(&last) {
            return;
        }
        match self.stream.put(last.bytes()).await {
            Ok(answer) if (200..300).contains(&answer.status) => self.report.taken += 1,
            _ => {
                self.report.refused += 1;
                context.terminal.note(
                    "the data stream did not take that nothing is on air any more: it still has the last feed",
                );
            }
        }
    }
}

/// The pause after so many refusals: half a second, and twice as long after each.
fn pause(in_a_row: u32) -> Duration {
    let doubled = in_a_row.saturating_sub(1).min(6);
    Duration::from_millis(500 << doubled).min(LONGEST_PAUSE)
}

fn secret(option: &str, file: &Path) -> Result<Secret, Failure> {
    let read = secret_file::read(file);
    read.map_err(|error| Failure::usage(format!("{option}: {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PAUSE, pause};
    use std::time::Duration;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let ms = |n| pause(n).as_millis();
        assert_eq!([1, 2, 3, 4].map(ms), [500, 1000, 2000, 4000]);
        for n in 7..100 {
            assert_eq!(pause(n), LONGEST_PAUSE.min(Duration::from_millis(32_000)));
        }
    }
}
