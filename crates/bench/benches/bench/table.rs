//! The main table: each row has its turn at each number of connections, in each round.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use vote_testkit::{OtlpReceiver, RedisServer};

use crate::carried::{CHANNELS, Carried, Prepared};
use crate::cli::TableOptions;
use crate::machine::Machine;
use crate::redis_done::Done;
use crate::report::{Report, Turn};
use crate::rows::{Row, Serving};
use crate::say::{progress, say};
use crate::server::Server;
use crate::spread::number;
use crate::until::until;
use crate::wrk::{Load, Wrk};

/// In which the votes that were out when the load ended have come.
const SETTLED: Duration = Duration::from_millis(150);
/// In which what was answered can be audited.
const AUDITED: Duration = Duration::from_secs(20);

/// Measures, and writes what came of it.
pub(crate) async fn run(options: TableOptions) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.common.out)?;
    let wrk = Wrk::new(&options.common.out)?;
    let mut contestants = Vec::new();
    for row in rows(&options) {
        contestants.push(Contestant::start(row, &options).await?);
    }
    let turns = measure(&mut contestants, &options, &wrk).await?;
    for contestant in &contestants {
        contestant.reconcile(&options).await?;
    }
    let report = Report::new(Machine::of_now(), &options, turns);
    report.write(&options.common.out)?;
    say(&report.to_string());
    Ok(())
}

/// Those that were asked for.
fn rows(options: &TableOptions) -> Vec<Row> {
    let is_asked = |row: &Row| {
        let own = Row::ALL.iter().find(|own| own.before() == Some(*row));
        let is_there = own.is_none() || options.compare.is_some();
        let is_named = options.only.contains(own.unwrap_or(row));
        is_there && (is_named || options.only.is_empty() && row.is_of_all())
    };
    Row::ALL.into_iter().filter(is_asked).collect()
}

async fn measure(
    contestants: &mut [Contestant],
    options: &TableOptions,
    wrk: &Wrk,
) -> anyhow::Result<Vec<Turn>> {
    let turns_of = |row: Row| {
        let has_turn = |at: &&u32| row.has_turn(**at, &options.connections);
        options.connections.iter().filter(has_turn).count()
    };
    let a_round: usize = contestants.iter().map(|it| turns_of(it.row)).sum();
    let all = a_round * usize::try_from(options.rounds)?;
    let (mut turns, began) = (Vec::with_capacity(all), Instant::now());
    for round in 1..=options.rounds {
        for connections in &options.connections {
            for contestant in contestants.iter_mut() {
                if !contestant.row.has_turn(*connections, &options.connections) {
                    continue;
                }
                let turn = contestant.turn(round, *connections, options, wrk).await?;
                turns.push(turn);
                let left =
                    began.elapsed().as_secs() * (all - turns.len()) as u64 / turns.len() as u64;
                progress(&format!(
                    "round {round} of {}, {connections} connections, {}: {} votes/s (turn {} of {all}, {left} s left)",
                    options.rounds,
                    contestant.row.title(),
                    number(turn.votes_per_second(), 0),
                    turns.len(),
                ));
            }
        }
        // Whoever is second finds the machine warmer: nobody is that each time.
        contestants.reverse();
    }
    Ok(turns)
}

/// A row that takes part: a server, with a Redis of its own where it records anything.
struct Contestant {
    row: Row,
    server: Server,
    redis: Option<RedisServer>,
    /// Where its traces go.
    _receiver: Option<OtlpReceiver>,
    prepared: Prepared,
    /// Votes that it has answered as accepted.
    accepted: u64,
    /// Answers that were out, at most, when their turns ended.
    out: u64,
}

impl Contestant {
    async fn start(row: Row, options: &TableOptions) -> anyhow::Result<Self> {
        let redis = if row.has_redis() {
            let server = RedisServer::builder().append_only(options.append_only);
            Some(server.start().await)
        } else {
            None
        };
        let url = redis.as_ref().map(RedisServer::url);
        let build = match row.serving() {
            Serving::Before => options.compare.as_ref(),
            Serving::Ours => Some(&options.common.bin_dir),
            Serving::Floor(_) => None,
        };
        if let (Some(build), Some(url)) = (build, &url) {
            // A build from before there were such channels takes no poll with them.
            let channels = match row.carried() {
                Carried::Proofs | Carried::Tokens | Carried::SeenTokens => CHANNELS,
                _ => "",
            };
            build.open_with(url, &["bench"], 1, channels).await?;
        }
        let (carried, name) = (row.carried(), row.name());
        let prepared = Prepared::new(carried, row.votes_a_request(), &name, &options.common.out)?;
        let mut files = prepared.settings()?;
        let receiver = if row.has_traces() {
            let receiver = OtlpReceiver::start().await;
            files.push(("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint()));
            Some(receiver)
        } else {
            None
        };
        let server = match (row.serving(), build) {
            (Serving::Floor(floor), _) => Server::floor(floor, url.as_deref())?,
            (_, build) => {
                let build = build.context("there is no other build")?;
                let files = files.iter().map(|(name, value)| (*name, value.as_str()));
                let settings: Vec<_> = row.settings().iter().copied().chain(files).collect();
                Server::service(&build.ingest, &[], url.as_deref(), &settings)
            }
        };
        let accepted = server.takes_votes("bench").await?;
        Ok(Self {
            row,
            server,
            redis,
            _receiver: receiver,
            prepared,
            accepted,
            out: 0,
        })
    }

    async fn done(&self) -> anyhow::Result<Done> {
        match &self.redis {
            Some(redis) => Done::of(redis).await,
            None => Ok(Done::default()),
        }
    }

    async fn turn(
        &mut self,
        round: u32,
        connections: u32,
        options: &TableOptions,
        wrk: &Wrk,
    ) -> anyhow::Result<Turn> {
        let title = self.row.title();
        // At most 100 rounds over at most 20,000 connections.
        let number = connections * 1_000 + round;
        let carried = self.prepared.of_turn(number, options.seconds)?;
        let load = Load {
            connections: self.row.connections(connections),
            seconds: options.seconds,
            carried: &carried,
            votes_a_request: self.row.votes_a_request(),
        };
        let (redis, cpu_s) = (self.done().await?, self.server.cpu()?);
        let address = &self.server.address;
        let votes = wrk
            .send(address, load)
            .await
            .with_context(|| format!("{title}: {}", self.server.said()))?;
        tokio::time::sleep(SETTLED).await;
        let cpu_s = self.server.cpu()? - cpu_s;
        let redis = self.done().await?.since(redis);
        self.accepted += votes.accepted;
        self.out += u64::from(load.connections) * u64::from(load.votes_a_request);
        let turn = Turn {
            row: self.row,
            connections,
            round,
            votes: votes.accepted,
            seconds: votes.seconds,
            server_cpu_s: cpu_s,
            redis_cpu_s: redis.cpu_s,
            redis_commands: redis.commands,
        };
        self.prepared.note(turn.votes_per_second());
        Ok(turn)
    }

    /// What was answered as accepted is in the tally: no less, and no more than what was out as well.
    async fn reconcile(&self, options: &TableOptions) -> anyhow::Result<()> {
        let build = match self.row.serving() {
            Serving::Ours => &options.common.bin_dir,
            Serving::Before => options
                .compare
                .as_ref()
                .context("there is no other build")?,
            Serving::Floor(_) => return Ok(()),
        };
        let redis = self.redis.as_ref().context("it records nothing")?.url();
        let total = until(AUDITED, async || build.audit(&redis, "bench").await).await?;
        ensure!(
            (self.accepted..=self.accepted + self.out).contains(&total),
            "{}: {} votes were answered as accepted, with at most {} answers out; the tally has {total}",
            self.row.title(),
            self.accepted,
            self.out
        );
        Ok(())
    }
}
