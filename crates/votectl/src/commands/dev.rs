//! `votectl dev`: everything on this machine, under one supervisor.

use crate::built_in::{DEMO_FILE, REHEARSAL_FILE};
use crate::context::Context;
use crate::failure::Failure;
use crate::numbered::{NumberedPolls, OPEN_FOR, RunningPoll, Wanted};
use clap::Args;
use data_encoding::HEXLOWER;
use jiff::SignedDuration;
use serde::Serialize;
use std::path::PathBuf;
use vote_dev::{DevError, Host, Options, Ready};
use vote_domain::{ChannelId, Eligibility, Poll, PollDefinition};
use vote_runtime::entropy::random_bytes;
use vote_store::PollOperator;

/// The name of the hidden command that [`guard`] carries out.
pub(crate) const GUARD: &str = "dev-guard";

/// Where to run what.
#[derive(Debug, Args)]
pub struct DevArgs {
    #[command(flatten)]
    options: Options,

    /// Open no demo poll and no rehearsal
    #[arg(long)]
    no_demo: bool,
}

/// Whom to look after.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// The data directory of `dev`
    #[arg(long)]
    data_dir: PathBuf,

    /// The process id of `dev`
    #[arg(long)]
    supervisor: u32,
}

/// What is printed in JSON once everything is ready.
#[derive(Debug, Serialize)]
struct Announcement<'a> {
    #[serde(flatten)]
    ready: &'a Ready,
    poll: Option<String>,
    rehearsal: Option<String>,
}

/// Runs everything until Ctrl-C, `SIGTERM` or the unexpected end of a part.
///
/// # Errors
/// [`Failure::Usage`] where another Redis is given; when something can't be started, or a part ended by itself; all the
/// others are stopped by then.
pub async fn run(args: DevArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    // What names the one that is about to be started is no mistake: a shell in which the others were run has it set.
    let ours = format!("redis://127.0.0.1:{}", args.options.redis_port);
    if context.global.redis.is_given() && context.global.redis.redis != ours {
        return Err(Failure::usage(
            "--redis: `votectl dev` starts a Redis of its own, at --redis-port, and uses no other: leave it out, and unset \
             VOTE__REDIS__URL",
        ));
    }
    let mut desk = Desk {
        context,
        open_demo: !args.no_demo,
        polls: None,
    };
    vote_dev::run(&args.options, GUARD, &mut desk).await
}

/// Waits for the end of `dev`, then stops what still runs of it.
pub async fn guard(args: &GuardArgs) {
    vote_dev::guard::run(&args.data_dir, args.supervisor).await;
}

/// Our side of the supervisor: it opens the demo poll, and says what happens.
struct Desk<'c, 't> {
    context: &'c mut Context<'t>,
    open_demo: bool,
    polls: Option<Polls>,
}

/// What is open for whoever tries it.
struct Polls {
    demo: RunningPoll,
    /// What load goes to: a live poll's votes count.
    rehearsal: RunningPoll,
}

impl Host for Desk<'_, '_> {
    type Error = Failure;

    fn note(&mut self, text: &str) {
        self.context.terminal.note(text);
    }

    async fn open_polls(&mut self, operator: &PollOperator) -> Result<(), Failure> {
        if !self.open_demo {
            return Ok(());
        }
        let wanted = Wanted {
            now: self.context.now(),
            at_least: SignedDuration::ZERO,
            open_for: OPEN_FOR,
            by: "votectl dev",
        };
        let ensure = async |file| {
            let file = PollDefinition::parse_yaml(file).map_err(anyhow::Error::from)?;
            NumberedPolls::of(file).ensure(operator, wanted).await
        };
        self.polls = Some(Polls {
            demo: ensure(DEMO_FILE).await?,
            rehearsal: ensure(REHEARSAL_FILE).await?,
        });
        Ok(())
    }

    fn secret(&mut self) -> Result<String, Failure> {
        let secret: [u8; 16] = random_bytes().map_err(anyhow::Error::from)?;
        Ok(HEXLOWER.encode(&secret))
    }

    fn seed(&mut self) -> Result<[u8; 32], Failure> {
        Ok(random_bytes().map_err(anyhow::Error::from)?)
    }

    fn ready(&mut self, ready: &Ready) -> Result<(), Failure> {
        if self.context.json() {
            let id = |running: &RunningPoll| running.poll.definition.id().to_string();
            let announcement = Announcement {
                ready,
                poll: self.polls.as_ref().map(|polls| id(&polls.demo)),
                rehearsal: self.polls.as_ref().map(|polls| id(&polls.rehearsal)),
            };
            serde_json::to_writer(self.context.terminal.out(), &announcement)?;
            self.context.terminal.line("")?;
        } else {
            let text = text(ready, self.polls.as_ref());
            self.context.terminal.line(&text)?;
        }
        self.context.terminal.flush()
    }
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        match error {
            DevError::Usage(text) => Self::Usage(text),
            DevError::Ended(text) => Self::Refused(text),
            DevError::Store(error) => error.into(),
            DevError::Broken(error) => error.into(),
        }
    }
}

/// Where everything is, and what to do with it, for people.
fn text(ready: &Ready, polls: Option<&Polls>) -> String {
    let Ready {
        vote,
        results,
        ingest_admin,
        results_admin,
        redis,
        data_dir,
        ..
    } = ready;
    let mut text = format!(
        "ready\n\n\
         vote      {vote}   (API: {vote}/swagger-ui/, metrics: {ingest_admin}/metrics)\n\
         results   {results}   (API: {results}/swagger-ui/, metrics: {results_admin}/metrics)\n\
         redis     {redis}\n\
         data      {data}   (logs: {data}/logs)\n",
        data = data_dir.display()
    );
    if let Some(polls) = polls {
        text.push_str(&polls_text(ready, polls));
    }
    text.push_str("\nCtrl-C stops everything.");
    text
}

/// A poll, and until when it is open.
fn poll_line(RunningPoll { poll, new, .. }: &RunningPoll) -> String {
    let definition = &poll.definition;
    let state = if *new { "opened" } else { "found again" };
    let until = definition.shown(poll.closes_at);
    format!(
        "{} ({}), {state}, until {until}",
        definition.id(),
        definition.title()
    )
}

/// The polls, and commands that use them.
fn polls_text(ready: &Ready, polls: &Polls) -> String {
    let Polls { demo, rehearsal } = polls;
    let Ready {
        vote,
        results,
        redis,
        ..
    } = ready;
    let definition = &demo.poll.definition;
    let id = definition.id();
    let trial = rehearsal.poll.definition.id();
    let token = ready.production_token_file.as_deref();
    let token = token.map_or_else(
        || "access.production_token of your settings".to_owned(),
        |file| format!("cat {}", file.display()),
    );
    // As it was called, so that the line works as pasted.
    let ourselves = std::env::args()
        .next()
        .unwrap_or_else(|| "votectl".to_owned());
    let proof = proof_text(ready, &ourselves, trial.as_str());
    let candidate = demo
        .poll
        .remaining_candidates()
        .next()
        .map_or("", |(_, candidate)| candidate.id.as_str());
    let voter = voter_text(ready, &demo.poll, candidate, &ourselves);
    let gateway = gateway_text(ready, polls);
    format!(
        "poll      {}\n\
         rehearsal {}\n\n\
         In a browser (docs/pages.md):\n\n  \
         {results}/polls/{id}      # vote, and watch; {results}/ lists the polls\n  \
         {results}/production/{id}      # production's desk (docs/desk.md); its token: {token}\n\n\
         Vote, and read the result:\n\n  \
         curl -sS -X POST {vote}/v1/polls/{id}/votes -H 'content-type: application/json' -d '{{\"candidate\":\"{candidate}\"}}'\n  \
         curl -sS {results}/v1/polls/{id}/results\n\n\
         {voter}\
         {gateway}\
         On air, for graphics that take an address (docs/graphics.md; `current` is the live poll that is on):\n\n  \
         {results}/v1/polls/current/results.rows.json?rows=4&sort=rank\n  \
         {results}/v1/polls/current/results.flat.json\n  \
         {results}/v1/polls/current/results.csv\n  \
         {results}/v1/polls/current/results.xml\n  \
         {results}/v1/polls/current/results/stream?view=rows   # event by event, for programs: docs/api.md\n  \
         {results}/overlay/current                             # for OBS, vMix and CasparCG: docs/overlay.md\n\n\
         Freeze all of them, and let them go on (this poll's figures go on air by themselves: `release: auto`):\n\n  \
         {ourselves} --redis {redis} poll hold {id}\n  \
         {ourselves} --redis {redis} poll release {id} --yes\n\n\
         {proof}\n\n\
         Put load on the rehearsal:\n\n  {ourselves} load --url {vote} --redis {redis} --poll {trial} --rate 5000 --duration 30s\n",
        poll_line(demo),
        poll_line(rehearsal)
    )
}

/// How to vote by the first channel that asks who votes; nothing where no token can be made here.
fn voter_text(ready: &Ready, poll: &Poll, candidate: &str, ourselves: &str) -> String {
    let mut channels = poll.definition.channels().iter();
    let asks_who = channels.find(|channel| channel.eligibility == Eligibility::Voter);
    let (Some(channel), Some(key)) = (asks_who, &ready.voter_key_file) else {
        return String::new();
    };
    let channel = &channel.id;
    let (vote, id, key) = (&ready.vote, poll.definition.id(), key.display());
    format!(
        "Vote as somebody, by the channel that counts the votes of each (the key is of this run alone):\n\n  \
         token=$({ourselves} token mint --subject maria --key {key})\n  \
         curl -sS -X POST {vote}/v1/polls/{id}/votes -H \"authorization: Bearer $token\" -H 'content-type: application/json' \
         -d '{{\"candidate\":\"{candidate}\",\"channel\":\"{channel}\"}}'\n\n"
    )
}

/// How to send batches as a gateway does: by the first channel that asks for nothing, and by the rehearsal's that takes gateways
/// alone; nothing where there is no gateway here.
fn gateway_text(ready: &Ready, Polls { demo, rehearsal }: &Polls) -> String {
    let Some(token) = &ready.gateway_token_file else {
        return String::new();
    };
    let batch = |poll: &Poll, channel: Option<&ChannelId>, voter: &str| {
        let (_, candidate) = poll.remaining_candidates().next()?;
        let (channel, candidate) = (channel?, &candidate.id);
        let line = |key: u8| {
            format!(
                "'{{\"key\":\"{key}\",\"channel\":\"{channel}\",\"candidate\":\"{candidate}\"{voter}}}'"
            )
        };
        let (vote, id, token) = (&ready.vote, poll.definition.id(), token.display());
        Some(format!(
            "  printf '%s\\n' {} {} | curl -sS {vote}/v1/polls/{id}/votes/batch -H \"authorization: Bearer $(cat {token})\" \
             -H 'content-type: application/x-ndjson' --data-binary @-\n\n",
            line(1),
            line(2)
        ))
    };
    let open = demo.poll.definition.open_channel();
    let open = batch(&demo.poll, open.map(|channel| &channel.id), "");
    let mut channels = rehearsal.poll.definition.channels().iter();
    let theirs = channels.find(|channel| channel.eligibility == Eligibility::Gateway);
    let voter = ",\"voter\":\"d8f0c6e2a94b1735\"";
    let theirs = batch(&rehearsal.poll, theirs.map(|channel| &channel.id), voter);
    let theirs = theirs.map(|line| {
        format!(
            "Or by the rehearsal's channel that takes batches of gateways alone (`sms`):\n\n{line}"
        )
    });
    let batches = open.into_iter().chain(theirs).collect::<String>();
    if batches.is_empty() {
        return batches;
    }
    format!(
        "Send a batch of votes, as a gateway of short messages does (docs/gateways.md; the token is of this run alone):\n\n{batches}"
    )
}

/// How to vote through the rehearsal's channel that asks for a proof of work.
fn proof_text(ready: &Ready, ourselves: &str, trial: &str) -> String {
    let vote = &ready.vote;
    let alone = format!(
        "Vote with a proof of work: get a challenge and solve it, and send the proof (the rehearsal's channel `prova`):\n\n  \
         proof=$({ourselves} proof solve '{vote}/v1/polls/{trial}/challenge?channel=prova')\n  \
         curl -sS -X POST {vote}/v1/polls/{trial}/votes -H 'content-type: application/json' \
         -d '{{\"candidate\":\"um\",\"channel\":\"prova\",\"proof\":\"'$proof'\"}}'"
    );
    let Some(key) = &ready.voter_key_file else {
        return alone;
    };
    let key = key.display();
    format!(
        "{alone}\n\n\
         Or by the one that asks who votes as well (`ambos`): the challenge is asked for with the same token\n\n  \
         token=$({ourselves} token mint --subject maria --key {key})\n  \
         proof=$({ourselves} proof solve '{vote}/v1/polls/{trial}/challenge?channel=ambos' --token $token)\n  \
         curl -sS -X POST {vote}/v1/polls/{trial}/votes -H \"authorization: Bearer $token\" -H 'content-type: application/json' \
         -d '{{\"candidate\":\"um\",\"channel\":\"ambos\",\"proof\":\"'$proof'\"}}'"
    )
}
