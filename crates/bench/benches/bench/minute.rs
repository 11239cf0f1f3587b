//! `make record-minute`: as many votes in a minute as the greatest shows had, by an open loop, with a key each.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use vote_testkit::RedisServer;

use crate::cli::MinuteOptions;
use crate::load::{Load, Loaded, Plan};
use crate::machine::Machine;
use crate::metrics::sum;
use crate::process::cpu;
use crate::say::{progress, say};
use crate::server::Server;
use crate::spread::{as_f64, number};

const EACH: Duration = Duration::from_secs(1);
/// Of all cores: with more there is nothing left for anybody.
const BUSY: f64 = 0.95;
/// The promise: half of the answers much sooner, nearly all within this.
const P99_MS: f64 = 50.0;

/// What was seen while the load ran.
#[derive(Debug, Default)]
struct Watched {
    /// Seconds of processor time: ingest, results, Redis, load.
    cpu_s: [f64; 4],
    seconds: f64,
    longest_queue: f64,
}

#[derive(Debug, Serialize)]
struct Minute {
    machine: Machine,
    asked_votes: u64,
    accepted: u64,
    seconds: f64,
    votes_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    generator_late_p99_ms: f64,
    generator_late_max_ms: f64,
    reconciled: String,
    audited: u64,
    /// Cores taken.
    ingest_cores: f64,
    results_cores: f64,
    redis_cores: f64,
    load_cores: f64,
    longest_queue_votes: f64,
    /// Attempts by what they ended in.
    errors: Vec<(String, u64)>,
    limits: Vec<String>,
    /// All votes in their time, and answered as soon as is promised.
    is_reached: bool,
}

/// Runs it, and writes what came of it; an error where votes are missing from the tally, and not where it was only slow.
pub(crate) async fn run(options: MinuteOptions) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.common.out)?;
    let build = &options.common.bin_dir;
    let redis = RedisServer::builder().append_only(true).start().await;
    let url = redis.url();
    build.open(&url, &["bench"], options.shards).await?;
    let ingest = Server::service(&build.ingest, &[], Some(&url), &[]);
    let results = Server::service(&build.results, &[], Some(&url), &[]);
    let probe = ingest.takes_votes("bench").await?;
    let plan = Plan {
        rate: options.rate,
        seconds: options.seconds,
        connections: options.connections,
    };
    let load = Load::start(build, &url, &ingest.address, plan)?;
    let pids = [
        ingest.pid()?,
        results.pid()?,
        redis.pid().context("Redis has ended")?,
        load.pid().context("the load has ended")?,
    ];
    let watching = watch(pids, &ingest, plan);
    let (watched, loaded) = tokio::join!(watching, tokio::time::timeout(plan.bound(), load.end()));
    let loaded = loaded.context("the load did not end")??;
    let audited = build.audit(&url, "bench").await?.saturating_sub(probe);
    let minute = Minute::new(plan, &loaded, &watched, audited);
    minute.write(&options.common.out)?;
    say(&minute.to_string());
    ensure!(
        loaded.reconciled() == "reconciled" && audited == loaded.accepted,
        "{} votes were accepted, the tally has {audited} ({})",
        loaded.accepted,
        loaded.reconciled()
    );
    Ok(())
}

/// Looks each second until the load has ended; the figures are of its time, as far as it has sent votes.
async fn watch(pids: [u32; 4], ingest: &Server, plan: Plan) -> Watched {
    let now = || pids.map(|pid| cpu(pid).ok());
    let (began, before) = (Instant::now(), now());
    let mut watched = Watched::default();
    let planned = Duration::from_secs(plan.seconds.into());
    while began.elapsed() < planned {
        tokio::time::sleep(EACH).await;
        let spent = now();
        if spent.iter().any(Option::is_none) {
            break;
        }
        let pairs = spent.into_iter().zip(before);
        for (place, (spent, before)) in pairs.enumerate() {
            if let (Some(seconds), Some(spent), Some(before)) =
                (watched.cpu_s.get_mut(place), spent, before)
            {
                *seconds = spent - before;
            }
        }
        watched.seconds = began.elapsed().as_secs_f64();
        if let Ok(queue) = sum(&ingest.admin, "vote_lane_queue_votes").await {
            watched.longest_queue = watched.longest_queue.max(queue);
        }
        let seconds = began.elapsed().as_secs();
        if seconds % 10 == 0 {
            progress(&format!("{seconds} of {} s", plan.seconds));
        }
    }
    watched
}

impl Minute {
    fn new(plan: Plan, loaded: &Loaded, watched: &Watched, audited: u64) -> Self {
        let [ingest_cores, results_cores, redis_cores, load_cores] =
            watched.cpu_s.map(|spent| spent / watched.seconds);
        let ms = |micros: f64| micros / 1e3;
        let errors = loaded.errors.iter();
        let mut minute = Self {
            machine: Machine::of_now(),
            asked_votes: u64::from(plan.rate) * u64::from(plan.seconds),
            accepted: loaded.accepted,
            seconds: loaded.elapsed_s,
            votes_per_second: loaded.accepted_per_second,
            p50_ms: ms(loaded.latency_us.p50),
            p99_ms: ms(loaded.latency_us.p99),
            max_ms: ms(loaded.latency_us.max),
            generator_late_p99_ms: ms(loaded.start_delay_us.p99),
            generator_late_max_ms: ms(loaded.start_delay_us.max),
            reconciled: loaded.reconciled().to_owned(),
            audited,
            ingest_cores,
            results_cores,
            redis_cores,
            load_cores,
            longest_queue_votes: watched.longest_queue,
            errors: errors.map(|it| (it.error.clone(), it.attempts)).collect(),
            limits: Vec::new(),
            is_reached: false,
        };
        minute.is_reached = minute.accepted == minute.asked_votes && minute.p99_ms < P99_MS;
        minute.limits = minute.limits(loaded.sent);
        minute
    }

    /// What stood in the way, a sentence each.
    fn limits(&self, sent: u64) -> Vec<String> {
        let mut limits = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = as_f64(u64::try_from(cores).unwrap_or(1));
        let taken = self.ingest_cores + self.results_cores + self.redis_cores + self.load_cores;
        if taken >= cores * BUSY {
            limits.push(format!(
                "the machine's processors: {} of {cores} cores were taken",
                number(taken, 2)
            ));
        }
        for (name, taken) in [("Redis", self.redis_cores), ("the load", self.load_cores)] {
            if taken >= BUSY {
                limits.push(format!(
                    "{name}, which has one thread and took {} cores",
                    number(taken, 2)
                ));
            }
        }
        let refused: u64 = self.errors.iter().map(|(_, attempts)| attempts).sum();
        if refused > 0 {
            limits.push(format!(
                "{refused} attempts were refused or lost, see above"
            ));
        }
        if sent < self.asked_votes {
            limits.push(format!("{} votes were never sent", self.asked_votes - sent));
        }
        if !self.is_reached && self.generator_late_p99_ms >= self.p99_ms / 2.0 {
            limits.push(format!(
                "votes waited for a free connection, or for the load: 1 in 100 for {} ms and more",
                number(self.generator_late_p99_ms, 0)
            ));
        }
        if limits.is_empty() && !self.is_reached {
            limits.push("none of these: look at what else the machine does".to_owned());
        }
        limits
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join("minute.json");
        std::fs::write(&path, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("{} can't be written", path.display()))?;
        Ok(std::fs::write(folder.join("minute.md"), self.to_string())?)
    }
}

impl std::fmt::Display for Minute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let figures = [
            (
                "votes accepted, of those asked for",
                format!(
                    "{} of {}",
                    number(as_f64(self.accepted), 0),
                    number(as_f64(self.asked_votes), 0)
                ),
            ),
            ("seconds", number(self.seconds, 1)),
            ("votes a second", number(self.votes_per_second, 0)),
            (
                "from the intended time to the answer: p50, p99, most",
                format!(
                    "{} ms, {} ms, {} ms",
                    number(self.p50_ms, 1),
                    number(self.p99_ms, 1),
                    number(self.max_ms, 0)
                ),
            ),
            (
                "of that the generator's own lateness: p99, most",
                format!(
                    "{} ms, {} ms",
                    number(self.generator_late_p99_ms, 1),
                    number(self.generator_late_max_ms, 0)
                ),
            ),
            (
                "cores taken by ingest, results, Redis, load",
                [
                    self.ingest_cores,
                    self.results_cores,
                    self.redis_cores,
                    self.load_cores,
                ]
                .map(|cores| number(cores, 2))
                .join(", "),
            ),
            (
                "most votes that waited in a queue",
                number(self.longest_queue_votes, 0),
            ),
            (
                "in the tally, by the audit",
                format!("{} ({})", number(as_f64(self.audited), 0), self.reconciled),
            ),
        ];
        writeln!(
            f,
            "{}, with an append-only file. Load, both services and Redis share the machine.\n\n| figure | seen |\n| --- | --- |",
            self.machine
        )?;
        for (figure, seen) in figures {
            writeln!(f, "| {figure} | {seen} |")?;
        }
        for (error, attempts) in &self.errors {
            writeln!(
                f,
                "| attempts that ended in: {error} | {} |",
                number(as_f64(*attempts), 0)
            )?;
        }
        let reached = if self.is_reached {
            "Reached"
        } else {
            "Not reached"
        };
        match self.limits.join("; ") {
            none if none.is_empty() => writeln!(f, "\n{reached}."),
            limits => writeln!(f, "\n{reached}. What limited it: {limits}."),
        }
    }
}
