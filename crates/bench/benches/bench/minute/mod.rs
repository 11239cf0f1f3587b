//! `make record-minute`: as many votes in a minute as the greatest shows had, by an open loop, with a key each.

mod books;
mod watch;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use vote_testkit::RedisServer;

use self::books::Books;
use self::watch::{Watched, watch};
use crate::cli::MinuteOptions;
use crate::load::{Load, Loaded, Plan};
use crate::machine::Machine;
use crate::say::say;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::until::until;

/// In which results has shown all that is recorded.
const SHOWN: Duration = Duration::from_secs(20);
/// Of all cores: with more there is nothing left for anybody.
const BUSY: f64 = 0.95;
/// The promise: half of the answers much sooner, nearly all within this.
const P99_MS: f64 = 50.0;

#[derive(Debug, Serialize)]
struct Minute {
    machine: Machine,
    books: Books,
    seconds: f64,
    asked_per_second: f64,
    votes_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    generator_late_p99_ms: f64,
    generator_late_max_ms: f64,
    /// Cores taken.
    ingest_cores: f64,
    results_cores: f64,
    redis_cores: f64,
    load_cores: f64,
    /// By whatever else the machine did, the kernel's work for all of them among it.
    others_cores: f64,
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
    let recorded = build.audit(&url, "bench").await?;
    let shown = shown(&results, recorded).await?.saturating_sub(probe);
    let books = Books {
        asked: u64::from(plan.rate) * u64::from(plan.seconds),
        sent: loaded.sent,
        accepted: loaded.accepted,
        refused: loaded.refused,
        unknown: loaded.unknown,
        no_connection: loaded.no_connection,
        repeated: loaded.repeated,
        finding: loaded.finding().to_owned(),
        audited: recorded.saturating_sub(probe),
        shown,
        wrong: Vec::new(),
    };
    let minute = Minute::new(books.compared(), plan.rate, &loaded, &watched);
    minute.write(&options.common.out)?;
    say(&minute.to_string());
    let wrong = &minute.books.wrong;
    ensure!(
        wrong.is_empty(),
        "the books do not agree: {}",
        wrong.join("; ")
    );
    Ok(())
}

/// The votes that results shows: those that are recorded, or what it shows when it had time enough for them.
async fn shown(results: &Server, recorded: u64) -> anyhow::Result<u64> {
    let total = async || -> anyhow::Result<u64> {
        let body = results.get("/v1/polls/bench/results").await?;
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        body["total_votes"].as_u64().context("it shows no total")
    };
    let in_time = until(SHOWN, async || {
        let total = total().await?;
        ensure!(total == recorded, "it shows {total} votes");
        Ok(total)
    });
    match in_time.await {
        Ok(total) => Ok(total),
        Err(_) => total().await,
    }
}

impl Minute {
    fn new(books: Books, rate: u32, loaded: &Loaded, watched: &Watched) -> Self {
        let [ingest_cores, results_cores, redis_cores, load_cores] =
            watched.cpu_s.map(|spent| spent / watched.seconds);
        let ms = |micros: f64| micros / 1e3;
        let errors = loaded.errors.iter();
        let mut minute = Self {
            machine: Machine::of_now(),
            books,
            seconds: loaded.elapsed_s,
            asked_per_second: f64::from(rate),
            votes_per_second: loaded.accepted_per_second,
            p50_ms: ms(loaded.latency_us.p50),
            p99_ms: ms(loaded.latency_us.p99),
            max_ms: ms(loaded.latency_us.max),
            generator_late_p99_ms: ms(loaded.start_delay_us.p99),
            generator_late_max_ms: ms(loaded.start_delay_us.max),
            ingest_cores,
            results_cores,
            redis_cores,
            load_cores,
            others_cores: (watched.machine_s / watched.seconds
                - watched.cpu_s.iter().sum::<f64>() / watched.seconds)
                .max(0.0),
            longest_queue_votes: watched.longest_queue,
            errors: errors.map(|it| (it.error.clone(), it.attempts)).collect(),
            limits: Vec::new(),
            is_reached: false,
        };
        minute.is_reached = minute.books.accepted == minute.books.asked && minute.p99_ms < P99_MS;
        minute.limits = minute.limits();
        minute
    }

    /// Cores by who took them.
    fn cores(&self) -> [(&'static str, f64); 5] {
        [
            ("ingest", self.ingest_cores),
            ("results", self.results_cores),
            ("Redis", self.redis_cores),
            ("the load", self.load_cores),
            ("all else", self.others_cores),
        ]
    }

    /// What stood in the way, a sentence each.
    fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = as_f64(u64::try_from(cores).unwrap_or(1));
        let taken: f64 = self.cores().iter().map(|(_, taken)| taken).sum();
        // What all votes would take of the processors at what one took.
        let wanted = taken * self.asked_per_second / self.votes_per_second.max(1.0);
        if taken >= cores * BUSY || wanted > cores {
            let mut each = self.cores();
            each.sort_by(|(_, one), (_, other)| other.total_cmp(one));
            let each = each.map(|(name, taken)| format!("{name} {}", number(taken, 2)));
            limits.push(format!(
                "the machine's processors: {} of {cores} cores were taken ({}), and {} votes a second want {} at what a vote took",
                number(taken, 2),
                each.join(", "),
                number(self.asked_per_second, 0),
                number(wanted, 2)
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
        let attempts = |is_asked: &dyn Fn(&str) -> bool| -> u64 {
            let of = self.errors.iter().filter(|(error, _)| is_asked(error));
            of.map(|(_, attempts)| attempts).sum()
        };
        let full = attempts(&|error| error.contains("overloaded"));
        if full > 0 {
            limits.push(format!("ingest's queue, which was full {full} times"));
        }
        let others = attempts(&|error| !error.contains("overloaded"));
        if others > 0 {
            limits.push(format!("{others} attempts were refused or lost, see above"));
        }
        let unsent = self.books.asked.saturating_sub(self.books.sent);
        if unsent > 0 {
            limits.push(format!(
                "{} votes were never sent: their time was over",
                number(as_f64(unsent), 0)
            ));
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
        let books = &self.books;
        let votes = |votes: &[u64]| {
            let votes = votes.iter().map(|&it| number(as_f64(it), 0));
            votes.collect::<Vec<_>>().join(", ")
        };
        let figures = [
            ("votes asked for, sent", votes(&[books.asked, books.sent])),
            (
                "accepted, refused, unknown, without a connection",
                votes(&[
                    books.accepted,
                    books.refused,
                    books.unknown,
                    books.no_connection,
                ]),
            ),
            (
                "in the tally, minutes and ledger, by `votectl audit`; shown by results",
                votes(&[books.audited, books.shown]),
            ),
            (
                "the books",
                if books.wrong.is_empty() {
                    format!("agree to the vote ({})", books.finding)
                } else {
                    format!("do not agree: {}", books.wrong.join("; "))
                },
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
                "cores taken by ingest, results, Redis, load, all else",
                self.cores().map(|(_, cores)| number(cores, 2)).join(", "),
            ),
            (
                "most votes that waited in a queue",
                number(self.longest_queue_votes, 0),
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
