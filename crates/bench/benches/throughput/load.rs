//! Starts the servers, loads them in turn, and prints what came of it.

use crate::report::{Report, Round};
use crate::servers::definition;
use crate::turns::{BEFORE, BEFORE_KEYED, CONNECTIONS, KEYED, KEYED_CONNECTIONS, SERVERS};
use anyhow::{Context as _, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use vote_domain::{Clock as _, Poll, Transition};
use vote_runtime::SystemClock;
use vote_store::{RedisConfig, Store};
use vote_testkit::{ChildProcess, RedisServer, eventually, free_port};

const START: Duration = Duration::from_secs(20);
/// A tally that has not changed for so long will not change by itself.
const SETTLED: Duration = Duration::from_millis(100);

struct Server {
    name: &'static str,
    address: String,
    _process: ChildProcess,
}

/// Runs the whole benchmark; the exit code.
pub(crate) fn run() -> u8 {
    let rounds = number("BENCH_ROUNDS", 5);
    let seconds = number("BENCH_SECONDS", 4);
    let before = variable("BENCH_COMPARE").map(PathBuf::from);
    let outcome = tokio::runtime::Runtime::new()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(measure(rounds, seconds, before.as_deref())));
    match outcome {
        Ok(report) => {
            say(&report.to_string());
            0
        }
        Err(error) => {
            say(&format!("the benchmark failed: {error:#}"));
            1
        }
    }
}

async fn measure(rounds: u32, seconds: u32, before: Option<&Path>) -> anyhow::Result<Report> {
    let scripts = Scripts::write()?;
    let redis = RedisServer::builder().append_only(true).start().await;
    open_poll(&redis.url()).await?;
    let this = std::env::current_exe()?;
    let mut servers = Vec::new();
    for name in SERVERS {
        servers.push(start(name, &this, name, "30", &redis.url()).await?);
    }
    let mut keyed = Vec::new();
    for (name, window_s) in KEYED.into_iter().zip(["30", "0"]) {
        keyed.push(start(name, &this, "lane", window_s, &redis.url()).await?);
    }
    if let Some(before) = before {
        servers.push(start(BEFORE, before, "lane", "30", &redis.url()).await?);
        keyed.push(start(BEFORE_KEYED, before, "lane", "30", &redis.url()).await?);
    }
    let mut report = Report::default();
    for round in 1..=rounds {
        for connections in CONNECTIONS {
            for server in &servers {
                let before = Redis::settled(&redis).await?;
                let votes = wrk(server, connections, seconds, &scripts.plain).await?;
                let after = Redis::read(&redis).await?;
                report.add(Round {
                    server: server.name,
                    connections,
                    votes_per_second: votes.per_second,
                    commands: after.commands.saturating_sub(before.commands),
                    votes: votes.total,
                });
                if server.name == "lane" {
                    let gained = after.tally.saturating_sub(before.tally);
                    // wrk drops the answers that are out when its time is up.
                    ensure!(
                        gained >= votes.total && gained <= votes.total + u64::from(connections),
                        "{} votes were accepted, the tally gained {gained}",
                        votes.total
                    );
                }
            }
        }
        for server in &keyed {
            let votes = wrk(server, KEYED_CONNECTIONS, seconds, &scripts.keyed).await?;
            report.add(Round {
                server: server.name,
                connections: KEYED_CONNECTIONS,
                votes_per_second: votes.per_second,
                commands: 0,
                votes: votes.total,
            });
        }
        // Whoever is second finds the machine warmer: nobody is that each time.
        servers.reverse();
        keyed.reverse();
        say(&format!("round {round} of {rounds} done"));
    }
    Ok(report)
}

async fn open_poll(url: &str) -> anyhow::Result<()> {
    let operator = Store::new(&RedisConfig::new(url)?)?.operator();
    let now = SystemClock.now();
    let draft = Poll::draft(definition(now)?, now, "bench");
    operator.save(&draft, 0).await?;
    let open = draft.transition(Transition::Open, now, "bench")?;
    operator.save(&open, draft.revision).await?;
    Ok(())
}

async fn start(
    name: &'static str,
    program: &Path,
    serve: &str,
    window_s: &str,
    redis: &str,
) -> anyhow::Result<Server> {
    let address = format!("127.0.0.1:{}", free_port());
    let process = ChildProcess::builder(program)
        .arg(format!("serve-{serve}"))
        .env("VOTE__COMMIT__REPLAY_WINDOW_S", window_s)
        .env("VOTE__REDIS__URL", redis)
        .env("VOTE__HTTP__BIND", &address)
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env("VOTE__LOG__LEVEL", "warn")
        .spawn();
    let ready = format!("http://{address}/readyz");
    eventually(START, || async {
        reqwest::get(&ready)
            .await
            .is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    Ok(Server {
        name,
        address,
        _process: process,
    })
}

/// One run of wrk.
struct Votes {
    per_second: f64,
    total: u64,
}

async fn wrk(
    server: &Server,
    connections: u32,
    seconds: u32,
    script: &PathBuf,
) -> anyhow::Result<Votes> {
    let output = Command::new("wrk")
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg("--script")
        .arg(script)
        .arg(format!("http://{}/v1/polls/bench/votes", server.address))
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("wrk can't be run: install it (`apt-get install wrk`, `brew install wrk`)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("votes ")) else {
        bail!("wrk said nothing of votes:\n{text}");
    };
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [total, microseconds, bad, errors] = numbers[..] else {
        bail!("wrk said {line:?}");
    };
    ensure!(
        bad == 0.0 && errors == 0.0,
        "{}: {bad} bad answers, {errors} socket errors",
        server.name
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that wrk printed"
    )]
    let votes = total as u64;
    Ok(Votes {
        per_second: total / microseconds * 1e6,
        total: votes,
    })
}

/// What Redis has counted.
struct Redis {
    commands: u64,
    tally: u64,
}

impl Redis {
    /// As [`Redis::read`], once the votes that were out when the last turn ended have come.
    async fn settled(redis: &RedisServer) -> anyhow::Result<Self> {
        let mut last = Self::read(redis).await?;
        loop {
            tokio::time::sleep(SETTLED).await;
            let now = Self::read(redis).await?;
            if now.tally == last.tally {
                return Ok(now);
            }
            last = now;
        }
    }

    async fn read(redis: &RedisServer) -> anyhow::Result<Self> {
        let mut connection = redis.connection().await;
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut connection)
            .await?;
        let commands = info
            .lines()
            .filter_map(|line| {
                line.split_once("calls=")?
                    .1
                    .split(',')
                    .next()?
                    .parse::<u64>()
                    .ok()
            })
            .sum();
        let tally: Vec<u64> = redis::cmd("HVALS")
            .arg("vote:{bench/0}:tally")
            .query_async(&mut connection)
            .await?;
        Ok(Self {
            commands,
            tally: tally.iter().sum(),
        })
    }
}

/// The votes that wrk posts, one of four candidates in turn, and a summary that is easily read.
struct Scripts {
    plain: PathBuf,
    keyed: PathBuf,
}

impl Scripts {
    fn write() -> anyhow::Result<Self> {
        let write = |name: &str, keyed: bool| {
            let file = format!("vote-bench-{}-{name}.lua", std::process::id());
            let path = std::env::temp_dir().join(file);
            let text = format!("local keyed = {keyed}\n{}", include_str!("votes.lua"));
            std::fs::write(&path, text).map(|()| path)
        };
        Ok(Self {
            plain: write("plain", false)?,
            keyed: write("keyed", true)?,
        })
    }
}

fn number(name: &str, default: u32) -> u32 {
    variable(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark's knobs are no settings of a service"
    )]
    let value = std::env::var(name);
    value.ok()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn say(text: &str) {
    println!("{text}");
}
