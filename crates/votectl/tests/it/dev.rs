//! `votectl dev` with the real services.

use crate::support::{PATIENCE, binary, vote, votectl};
use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vote_client::get;
use vote_testkit::{ChildProcess, ChildProcessBuilder, Exit, eventually, free_port};

/// A running `votectl dev`.
pub(crate) struct Dev {
    process: ChildProcess,
    ready: Value,
}

impl Dev {
    fn command(data_dir: &Path, ports: [u16; 5]) -> ChildProcess {
        Self::builder(data_dir, ports).spawn()
    }

    fn builder(data_dir: &Path, ports: [u16; 5]) -> ChildProcessBuilder {
        Self::writing("json", data_dir, ports)
    }

    /// With what it writes to standard output in this form.
    fn writing(output: &str, data_dir: &Path, ports: [u16; 5]) -> ChildProcessBuilder {
        for name in ["vote-ingest", "vote-results"] {
            let _built = binary(name);
        }
        let mut command = votectl().args(["dev", "--output", output]);
        command = command.arg("--data-dir").arg(data_dir);
        let names = [
            "--redis-port",
            "--ingest-port",
            "--results-port",
            "--ingest-admin-port",
            "--results-admin-port",
        ];
        for (name, port) in names.into_iter().zip(ports) {
            command = command.args([name, &port.to_string()]);
        }
        command
    }

    /// Starts it on free ports, and waits until it is ready.
    pub(crate) async fn start(data_dir: &Path) -> Self {
        Self::ready(Self::command(
            data_dir,
            std::array::from_fn(|_| free_port()),
        ))
        .await
    }

    async fn ready(mut process: ChildProcess) -> Self {
        let line = process
            .wait_for_line(PATIENCE, |line| line.starts_with('{'))
            .await;
        Self {
            process,
            ready: serde_json::from_str(&line).expect("it is JSON"),
        }
    }

    /// What it said of that name when it was ready.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().expect("it is text")
    }

    /// The address of a service.
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.text(name)
            .trim_start_matches("http://")
            .parse()
            .expect("it can be parsed")
    }

    async fn results(&self) -> Value {
        let path = format!(
            "/v1/polls/{}/results",
            self.ready["poll"].as_str().expect("it is text")
        );
        let answer = get(self.address("results"), &path, Duration::from_secs(5)).await;
        answer
            .and_then(|(_, body)| serde_json::from_slice(&body).ok())
            .unwrap_or_default()
    }

    async fn vote(&self) {
        vote(
            self.address("vote"),
            self.ready["poll"].as_str().expect("it is text"),
        )
        .await;
    }

    async fn has_votes(&self, votes: u64) {
        eventually(PATIENCE, || async {
            let total = self.results().await["total_votes"].clone();
            if total == votes {
                Ok(())
            } else {
                Err(format!("{total} votes"))
            }
        })
        .await;
    }

    /// Stops it, as it is stopped by the system.
    pub(crate) async fn stop(mut self) -> Exit {
        self.process.stop(PATIENCE).await
    }
}

/// The process that a pid file names.
fn pid(data_dir: &Path, name: &str) -> Pid {
    let text =
        fs::read_to_string(data_dir.join(format!("run/{name}.pid"))).expect("the file can be read");
    Pid::from_raw(
        text.split(' ')
            .next()
            .expect("it is there")
            .parse()
            .expect("it can be parsed"),
    )
    .expect("the process is there")
}

fn pids(data_dir: &Path) -> [Pid; 3] {
    ["redis-server", "vote-ingest", "vote-results"].map(|name| pid(data_dir, name))
}

/// Whether a process has ended; one that nobody has reaped yet has.
fn is_gone(pid: Pid) -> bool {
    let zombie =
        fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, state)| state.starts_with('Z'))
        });
    zombie || test_kill_process(pid).is_err()
}

#[tokio::test]
async fn a_vote_is_in_the_results_and_a_second_start_finds_it_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = Dev::start(dir.path()).await;
    first.vote().await;
    first.has_votes(1).await;
    let poll = first.ready["poll"].clone();
    assert_eq!(poll, "paredao-01");
    let parts = pids(dir.path());
    let exit = first.stop().await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert!(parts.into_iter().all(is_gone));
    let second = Dev::start(dir.path()).await;
    assert_eq!(second.ready["poll"], poll);
    second.vote().await;
    second.has_votes(2).await;
    assert_eq!(second.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_taken_port_is_said_and_another_one_used_and_a_directory_is_for_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken
        .local_addr()
        .expect("a listener has an address")
        .port();
    let ports = [free_port(), port, free_port(), free_port(), free_port()];
    let mut dev = Dev::ready(Dev::command(dir.path(), ports)).await;
    assert_ne!(dev.address("vote").port(), port);
    let says = format!(
        "port {port} is taken: vote-ingest uses {} instead",
        dev.address("vote").port()
    );
    dev.process
        .wait_for_line(PATIENCE, |line| line == says)
        .await;
    let second = Dev::command(dir.path(), ports).wait(PATIENCE).await;
    assert_eq!(second.code(), Some(2));
    assert!(
        second.stderr().contains("another `votectl dev` runs"),
        "{}",
        second.stderr()
    );
    assert_eq!(dev.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_part_that_dies_is_named_and_the_others_are_stopped() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut dev = Dev::start(dir.path()).await;
    let parts = pids(dir.path());
    rustix::process::kill_process(pid(dir.path(), "vote-results"), Signal::KILL)
        .expect("the process is there");
    let exit = dev.process.wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(1));
    assert!(
        exit.stderr().contains("vote-results ended by itself"),
        "{}",
        exit.stderr()
    );
    assert!(parts.into_iter().all(is_gone));
}

#[tokio::test]
async fn nothing_outlives_a_supervisor_that_is_killed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut dev = Dev::start(dir.path()).await;
    dev.vote().await;
    let parts = pids(dir.path());
    dev.process.kill9();
    dev.process.wait(PATIENCE).await;
    eventually(PATIENCE, || async { parts.into_iter().all(is_gone) }).await;
    let again = Dev::start(dir.path()).await;
    again.has_votes(1).await;
    assert_eq!(again.stop().await.code(), Some(0));
}

/// The answer's head to a page of that origin which asks whether it may vote.
async fn preflight(dev: &Dev, origin: &str) -> String {
    let mut connection = TcpStream::connect(dev.address("vote"))
        .await
        .expect("it listens");
    let request = format!(
        "OPTIONS /v1/polls/paredao-01/votes HTTP/1.1\r\nHost: test\r\nConnection: close\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n"
    );
    connection
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    answer.to_lowercase()
}

#[tokio::test]
async fn pages_of_this_machine_may_vote_unless_origins_are_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dev = Dev::start(dir.path()).await;
    for origin in [
        "http://localhost:5173",
        "http://127.0.0.1:3000",
        "https://localhost",
    ] {
        let answer = preflight(&dev, origin).await;
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        let allowed = format!("access-control-allow-origin: {origin}\r\n");
        assert!(answer.contains(&allowed), "{answer}");
    }
    let other = preflight(&dev, "https://evil.example").await;
    assert!(other.starts_with("http/1.1 403 "), "{other}");
    assert!(!other.contains("access-control-allow-origin"), "{other}");
    assert_eq!(dev.stop().await.code(), Some(0));

    let dir = tempfile::tempdir().expect("a temporary directory");
    let command = Dev::builder(dir.path(), std::array::from_fn(|_| free_port()));
    let named = command.env("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "https://a.example");
    let dev = Dev::ready(named.spawn()).await;
    let refused = preflight(&dev, "http://localhost:5173").await;
    assert!(refused.starts_with("http/1.1 403 "), "{refused}");
    let allowed = preflight(&dev, "https://a.example").await;
    assert!(allowed.starts_with("http/1.1 200 "), "{allowed}");
    assert_eq!(dev.stop().await.code(), Some(0));
}

/// Makes curl fail with an answer of 400 and above, and ends at the first command that fails.
const PROLOGUE: &str = r#"
set -eu
curl() { command curl --fail-with-body --max-time 30 "$@" && echo; }
"#;

/// What is pasted of what `votectl dev` prints: the lines that are indented and begin with a command, one after the other.
fn commands(printed: &str) -> Vec<&str> {
    let is_command = |line: &&str| {
        let begins = ["curl ", "token=$(", "proof=$(", "printf "];
        begins.iter().any(|begin| line.starts_with(begin))
    };
    let indented = printed.lines().filter_map(|line| line.strip_prefix("  "));
    indented.filter(is_command).collect()
}

#[tokio::test]
async fn the_commands_that_are_printed_work_as_pasted_and_their_votes_are_counted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ports: [u16; 5] = std::array::from_fn(|_| free_port());
    let mut process = Dev::writing("text", &dir.path().join("data"), ports).spawn();
    let is_last = |line: &str| line == "Ctrl-C stops everything.";
    process.wait_for_line(PATIENCE, is_last).await;
    let lines = process.lines().into_iter().map(|line| line.text + "\n");
    let printed: String = lines.collect();
    let commands = commands(&printed);
    let how_many = |begin: &str| {
        let all = commands.iter();
        all.filter(|line| line.starts_with(begin)).count()
    };
    // A vote by nobody, and the result; somebody's; with a proof; with both; two batches.
    assert_eq!(
        ["curl ", "token=", "proof=", "printf "].map(how_many),
        [5, 2, 2, 2],
        "{printed}"
    );
    let script = format!("{PROLOGUE}{}\n", commands.join("\n"));
    let exit = ChildProcess::builder("sh")
        .args(["-c", &script])
        .current_dir(dir.path())
        .spawn()
        .wait(PATIENCE)
        .await;
    let said = exit.stdout();
    let why = || format!("{said}{}\nthe script:\n{script}", exit.stderr());
    assert_eq!(exit.code(), Some(0), "{}", why());
    assert_eq!(
        said.matches("\"status\":\"accepted\"").count(),
        8,
        "{}",
        why()
    );

    let name = |title: &str| {
        let mut lines = printed.lines();
        let line = lines.find_map(|line| line.strip_prefix(title));
        let id = line.and_then(|rest| rest.split(' ').next());
        id.expect("it is printed").to_owned()
    };
    // By channel: those that need nothing, a voter, a proof, both, a gateway.
    for (poll, counted) in [
        (
            name("poll      "),
            [("torcida", 3), ("unico", 1)].as_slice(),
        ),
        (
            name("rehearsal "),
            &[("prova", 1), ("ambos", 1), ("sms", 2)],
        ),
    ] {
        // The rehearsal's counts are not public.
        let redis = name("redis     ");
        let exit = votectl()
            .args(["--redis", &redis, "export", &poll, "--format", "json"])
            .spawn()
            .wait(PATIENCE)
            .await;
        assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
        let export: Value = serde_json::from_str(&exit.stdout()).expect("JSON");
        let channels = export["standing"]["channels"].as_array().expect("a list");
        let found = channels.iter().filter_map(|channel| {
            let votes = channel["total_votes"].as_u64()?;
            (votes > 0).then_some((channel["id"].as_str()?, votes))
        });
        let found: Vec<_> = found.collect();
        assert_eq!(found, counted, "{export}");
    }
    assert_eq!(process.stop(PATIENCE).await.code(), Some(0));
}
