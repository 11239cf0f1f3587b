//! `votectl smoke`: one vote through a deployment, in a rehearsal of its own: in by ingest, out by results, proven in
//! Redis.

pub(crate) mod ask;
mod seen;
mod steps;

use self::ask::Service;
use self::seen::{
    Standing, has_vote, nobody, not_answered, not_this, open_channel, read_standing, said, unfit,
    with_hint,
};
use self::steps::{Instead, Look, Steps};
use crate::built_in::SMOKE_FILE;
use crate::commands::poll::file;
use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use crate::numbered::{NumberedPolls, OPEN_FOR, RunningPoll, Wanted};
use crate::service_url::ServiceUrl;
use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vote_client::answer::{self, Shown};
use vote_client::keys;
use vote_domain::{Poll, PollDefinition, PollState, wire_time};
use vote_store::PollOperator;

/// How many steps there are: so many timeouts a poll must still be open for.
const STEPS: i32 = 8;

/// Which deployment to test.
#[derive(Debug, Args)]
pub struct SmokeArgs {
    /// The poll to vote in, as a file in YAML or JSON of kind rehearsal (`-`: standard input); it is opened as by
    /// `votectl poll demo` [default: a small one of our own, smoke-01, smoke-02 …]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// The ingest service; where it or the other is https://, the authorities of this machine are trusted, or those in
    /// the file that SSL_CERT_FILE names
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    ingest: ServiceUrl,

    /// The results service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    results: ServiceUrl,

    /// How long each step may take until it holds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    timeout: SignedDuration,
}

/// Tests the deployment, and says each step.
///
/// # Errors
/// [`Failure::Usage`] where the file is no rehearsal that can be tested with; [`Failure::Refused`] with what was expected
/// and what came; [`Failure::Broken`] where Redis or a service is away.
pub async fn run(args: SmokeArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let timeout = duration::longer_than_zero("--timeout", args.timeout)?;
    let ingest = args.ingest.target("--ingest")?;
    let results = args.results.target("--results")?;
    let given = match &args.file {
        Some(path) => file::read(path)?,
        None => file::parse("smoke.yaml", SMOKE_FILE.as_bytes())?,
    };
    let definition = given.definition();
    if let Some(why) = unfit(definition) {
        let name = args.file.as_deref().unwrap_or(Path::new("smoke.yaml"));
        return Err(Failure::usage(format!(
            "{}: {why}; nothing was done",
            name.display()
        )));
    }
    let operator = context.operator()?;
    let addresses = (ingest.to_string(), results.to_string());
    let by = context.global.by.clone();
    let mut test = Test {
        redis: context.global.redis.shown(),
        ingest: Service::new("ingest", ingest)?,
        results: Service::new("results", results)?,
        steps: Steps::new(context, timeout, addresses),
        operator,
    };
    let at_least = args.timeout.saturating_mul(STEPS);
    let done = test.run(definition.clone(), at_least, &by).await;
    let finished = test.steps.finish(done.is_ok());
    done.and(finished)
}

struct Test<'c, 't> {
    steps: Steps<'c, 't>,
    operator: PollOperator,
    redis: String,
    ingest: Service,
    results: Service,
}

impl Test<'_, '_> {
    async fn run(
        &mut self,
        file: PollDefinition,
        at_least: SignedDuration,
        by: &str,
    ) -> Result<(), Failure> {
        let poll = self.open(NumberedPolls::of(file), at_least, by).await?;
        let id = poll.definition.id().to_string();
        self.steps.in_poll(&id);
        let key = keys::fresh("smoke").map_err(anyhow::Error::from)?;
        self.refused(&poll, &format!("{key}-refused")).await?;
        let before = self.standing(&id).await?;
        let counted = self.operator.poll_tally_total(&poll).await?;
        let receipt = self.vote(&poll, &key).await?;
        self.repeat(&poll, &key).await?;
        self.shown(&id, before).await?;
        self.receipt(&receipt).await?;
        self.audit(&poll, counted).await
    }

    /// A poll of our own takes votes.
    async fn open(
        &mut self,
        series: NumberedPolls,
        at_least: SignedDuration,
        by: &str,
    ) -> Result<Poll, Failure> {
        let wanted = Wanted {
            now: self.steps.context.now(),
            at_least,
            open_for: OPEN_FOR.max(at_least.saturating_mul(2)),
            by,
        };
        let operator = &self.operator;
        let look = async || {
            let RunningPoll { poll, new, .. } = series.ensure(operator, wanted).await?;
            let (id, state) = (poll.definition.id().clone(), poll.state);
            // It may have been made from another file, or paused by somebody.
            let why = match unfit(&poll.definition) {
                Some(why) => Some(why),
                None if state == PollState::Open => None,
                None => Some(format!("it is {state}")),
            };
            if let Some(why) = why {
                let other = Instead::Other(format!("poll {id}, which does not do: {why}"));
                return Ok(Look::Wrong(other));
            }
            let did = if new { "was opened" } else { "is open" };
            let saw = format!("{id} {did}, until {}", wire_time::format(poll.closes_at));
            Ok(Look::Right(poll, saw))
        };
        let expected = "an open rehearsal";
        self.steps.until("poll", expected, &self.redis, look).await
    }

    /// Ingest knows the poll: it refuses a vote for somebody who isn't in it.
    async fn refused(&mut self, poll: &Poll, key: &str) -> Result<(), Failure> {
        let (ingest, path) = (&self.ingest, votes_path(poll));
        let body = ballot(poll, nobody(&poll.definition)).to_string();
        let look = async || {
            let got = match ingest.post(&path, key, &body).await {
                Ok(answer) => answer::named(answer.status, &answer.body),
                Err(silence) => return Ok(Look::NotYet(silence.into())),
            };
            Ok(match got.as_str() {
                "422 unknown-candidate" => Look::Right((), got),
                _ => Look::NotYet(Instead::Other(with_hint(got, &self.redis))),
            })
        };
        let expected = "422 unknown-candidate to a vote for nobody";
        let from = ingest.url(&path);
        self.steps.until(ingest.name, expected, &from, look).await
    }

    /// Results know the poll as an open rehearsal.
    async fn standing(&mut self, id: &str) -> Result<Standing, Failure> {
        let (results, path) = (&self.results, format!("/v1/polls/{id}/results"));
        let look = async || {
            Ok(match read_standing(results.get(&path).await) {
                Ok((standing, saw)) => Look::Right(standing, saw),
                Err(Instead::Other(got)) => {
                    Look::NotYet(Instead::Other(with_hint(got, &self.redis)))
                }
                Err(nothing) => Look::NotYet(nothing),
            })
        };
        let expected = "the standing of an open rehearsal";
        let from = results.url(&path);
        self.steps.until(results.name, expected, &from, look).await
    }

    /// A vote is accepted; gives its receipt.
    async fn vote(&mut self, poll: &Poll, key: &str) -> Result<String, Failure> {
        let (ingest, path) = (&self.ingest, votes_path(poll));
        let body = first_ballot(poll).to_string();
        let look = async || {
            let answer = match ingest.post(&path, key, &body).await {
                Ok(answer) => answer,
                Err(silence) => return Ok(not_answered(silence)),
            };
            let receipt = answer.json()["receipt"].as_str().map(str::to_owned);
            Ok(match (said(&answer), receipt) {
                ((Shown::Accepted, saw), Some(receipt)) => Look::Right(receipt, saw),
                ((Shown::Accepted, saw), None) => {
                    Look::Wrong(Instead::Other(format!("{saw} without a receipt")))
                }
                (other, _) => not_this(other),
            })
        };
        let from = ingest.url(&path);
        self.steps.until("vote", "201 accepted", &from, look).await
    }

    /// The same vote again counts once.
    async fn repeat(&mut self, poll: &Poll, key: &str) -> Result<(), Failure> {
        let (ingest, path) = (&self.ingest, votes_path(poll));
        let body = first_ballot(poll).to_string();
        let look = async || {
            Ok(match ingest.post(&path, key, &body).await {
                Err(silence) => not_answered(silence),
                Ok(answer) => match said(&answer) {
                    (Shown::AlreadyAccepted, saw) => Look::Right((), saw),
                    other => not_this(other),
                },
            })
        };
        let expected = "200 already_accepted to the same vote";
        let from = ingest.url(&path);
        self.steps.until("repeat", expected, &from, look).await
    }

    /// The standing has the vote.
    async fn shown(&mut self, id: &str, before: Standing) -> Result<(), Failure> {
        let (results, path) = (&self.results, format!("/v1/polls/{id}/results"));
        let look = async || {
            Ok(match read_standing(results.get(&path).await) {
                Ok((after, saw)) if has_vote(before, after) => Look::Right((), saw),
                Ok((_, saw)) => Look::NotYet(Instead::Other(saw)),
                Err(found) => Look::NotYet(found),
            })
        };
        let expected = match before.revision.zip(before.total) {
            Some((revision, total)) => format!(
                "a revision after {revision} and a total of at least {}",
                total + 1
            ),
            None => format!("figures later than {}", wire_time::format(before.as_of)),
        };
        let from = results.url(&path);
        self.steps.until("standing", &expected, &from, look).await
    }

    /// The vote's receipt is genuine and its batch in the tally.
    async fn receipt(&mut self, receipt: &str) -> Result<(), Failure> {
        let (results, path) = (&self.results, format!("/v1/receipts/{receipt}"));
        let look = async || {
            let answer = match results.get(&path).await {
                Ok(answer) => answer,
                Err(silence) => return Ok(Look::NotYet(silence.into())),
            };
            let report = answer.json();
            Ok(match (answer.status, report["in_tally"].as_bool()) {
                (200, Some(true)) => {
                    let saw = format!("in the tally, by batch {}", report["sequence"]);
                    Look::Right((), saw)
                }
                (200, Some(false)) => {
                    Look::NotYet(Instead::Other("not in the tally yet".to_owned()))
                }
                (status, _) => Look::NotYet(Instead::Other(answer::named(status, &answer.body))),
            })
        };
        let expected = "that the vote is in the tally";
        let from = results.url("/v1/receipts/…");
        self.steps.until("receipt", expected, &from, look).await
    }

    /// Redis, as we see it, has the vote, and all its figures agree.
    async fn audit(&mut self, poll: &Poll, before: u128) -> Result<(), Failure> {
        let (operator, id) = (&self.operator, poll.definition.id());
        let look = async || {
            let Some(report) = operator.audit(id).await? else {
                return Ok(Look::Wrong(Instead::Other(format!(
                    "no poll {id} any more"
                ))));
            };
            if let Some(first) = report.differences.first() {
                return Ok(Look::Wrong(Instead::Other(format!(
                    "a difference: {first}"
                ))));
            }
            if report.total <= before {
                let got = format!(
                    "{} votes, as before the vote: ingest and results have another Redis",
                    report.total
                );
                return Ok(Look::Wrong(Instead::Other(got)));
            }
            let saw = format!("{} votes, all figures agree", report.total);
            Ok(Look::Right((), saw))
        };
        let expected = format!("at least {} votes, and figures that agree", before + 1);
        self.steps
            .until("audit", &expected, &self.redis, look)
            .await
    }
}

fn votes_path(poll: &Poll) -> String {
    format!("/v1/polls/{}/votes", poll.definition.id())
}

fn ballot(poll: &Poll, candidate: impl Into<Value>) -> Value {
    let channel = open_channel(&poll.definition);
    json!({ "candidate": candidate.into(), "channel": channel })
}

fn first_ballot(poll: &Poll) -> Value {
    let first = poll.remaining_candidates().next();
    ballot(poll, first.map(|(_, candidate)| candidate.id.as_str()))
}
