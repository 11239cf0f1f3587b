//! Starts Redis and both services, waits until they are ready, and stops them in order.

use super::DEMO_FILE;
use super::DevArgs;
use super::child::{Child, Spec};
use super::pidfile::{PidFiles, in_order, stop};
use super::ports::{Choice, Ports};
use crate::context::Context;
use crate::failure::Failure;
use crate::load::http;
use crate::numbered::{Found, OPEN_FOR, Series, Wanted};
use anyhow::Context as _;
use jiff::SignedDuration;
use serde::Serialize;
use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use vote_domain::{PollDefinition, wire_time};
use vote_store::{PollOperator, RedisConfig, Store};

/// The name of Redis' executable.
pub(super) const REDIS: &str = "redis-server";
const INGEST: &str = "vote-ingest";
const RESULTS: &str = "vote-results";

/// How long each part may take to be ready. Redis reads its data back first.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long each part may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// The ports of this start.
struct Addresses {
    redis: Choice,
    ingest: Choice,
    results: Choice,
    ingest_admin: Choice,
    results_admin: Choice,
}

/// Where everything is, once it is ready: what is printed, in JSON by these names.
#[derive(Debug, Serialize)]
struct Ready {
    vote: String,
    results: String,
    ingest_admin: String,
    results_admin: String,
    redis: String,
    poll: Option<String>,
    data_dir: PathBuf,
}

/// The signals that end `dev` in order.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Runs everything until a signal or the end of a part.
pub(super) async fn run(args: &DevArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut stop_signal = Stop::listen()?;
    let data_dir = prepare(&args.data_dir)?;
    let _lock = lock(&data_dir)?;
    clear_left_overs(&data_dir, context).await;
    let _guard = start_guard(&data_dir)?;
    let addresses = choose_ports(args, context)?;
    let mut children = Vec::new();
    let result = tokio::select! {
        result = serve(args, &data_dir, &addresses, &mut children, context) => result,
        () = stop_signal.asked() => Ok(()),
    };
    context.terminal.note("stopping");
    let stopped = tokio::select! {
        () = stop_all(&mut children, context) => true,
        () = impatience() => false,
    };
    context.terminal.note(if stopped {
        "stopped"
    } else {
        "killed; what was accepted is in Redis' append-only file"
    });
    result
}

/// A second signal, which kills what is being stopped (children that are dropped are killed). One that comes along with
/// the first doesn't count: `timeout` and some terminals signal the process and its group.
async fn impatience() {
    tokio::time::sleep(Duration::from_secs(1)).await;
    match Stop::listen() {
        Ok(mut again) => again.asked().await,
        Err(_) => std::future::pending().await,
    }
}

/// Starts everything and then waits for the end of a part, which is always an error.
async fn serve(
    args: &DevArgs,
    data_dir: &Path,
    addresses: &Addresses,
    children: &mut Vec<Child>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let redis_url = format!("redis://127.0.0.1:{}", addresses.redis.port);
    children.push(Child::start(
        redis(data_dir, addresses.redis.port)?,
        data_dir,
    )?);
    let config = RedisConfig {
        pool_size: 4,
        ..RedisConfig::new(&redis_url)?
    };
    let operator = Store::new(&config)?.operator();
    wait_ready(children, "Redis", || async {
        operator.list().await.is_ok()
    })
    .await?;
    let demo = match args.no_demo {
        true => None,
        false => Some(open_demo(&operator, context).await?),
    };
    let bin_dir = match &args.bin_dir {
        Some(dir) => dir.clone(),
        None => beside_ourselves()?,
    };
    for (name, public, admin) in [
        (INGEST, &addresses.ingest, &addresses.ingest_admin),
        (RESULTS, &addresses.results, &addresses.results_admin),
    ] {
        children.push(Child::start(
            service(name, &bin_dir, &redis_url, public.port, admin.port),
            data_dir,
        )?);
    }
    for (name, port) in [
        (INGEST, addresses.ingest.port),
        (RESULTS, addresses.results.port),
    ] {
        wait_ready(children, name, || is_ready(port)).await?;
    }
    announce(data_dir, addresses, demo.as_ref(), context)?;
    Err(first_end(children).await)
}

fn prepare(dir: &Path) -> Result<PathBuf, Failure> {
    let create = || -> std::io::Result<PathBuf> {
        fs::create_dir_all(dir.join("redis"))?;
        dir.canonicalize()
    };
    create().map_err(|error| {
        Failure::usage(format!("--data-dir: can't use {}: {error}", dir.display()))
    })
}

/// Two supervisors must not share a directory: the lock is gone with the process that holds it.
fn lock(data_dir: &Path) -> Result<File, Failure> {
    let path = data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::usage(format!(
            "another `votectl dev` runs with {}: stop it, or give another --data-dir",
            data_dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(Failure::from(
            anyhow::Error::from(error).context(format!("can't lock {}", path.display())),
        )),
    }
}

/// Stops what a killed `dev` has left in this directory; we hold its lock, so that one is gone.
async fn clear_left_overs(data_dir: &Path, context: &mut Context<'_>) {
    for recorded in in_order(PidFiles::new(data_dir).running()) {
        let (name, pid) = (&recorded.name, recorded.pid);
        context.terminal.note(&format!(
            "stopping {name} (process {pid}), left over from a `dev` that was killed"
        ));
        stop(&recorded).await;
    }
}

/// The guard lives until the returned process' standard input is closed, which the system does when we end.
fn start_guard(data_dir: &Path) -> Result<tokio::process::Child, Failure> {
    let ourselves = std::env::current_exe().context("can't find our own executable")?;
    let guard = tokio::process::Command::new(ourselves)
        .arg("dev-guard")
        .arg("--data-dir")
        .arg(data_dir)
        .arg("--supervisor")
        .arg(std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("can't start the guard")?;
    Ok(guard)
}

fn choose_ports(args: &DevArgs, context: &mut Context<'_>) -> Result<Addresses, Failure> {
    let mut ports = Ports::default();
    let addresses = Addresses {
        redis: ports.choose(args.redis_port)?,
        ingest: ports.choose(args.ingest_port)?,
        results: ports.choose(args.results_port)?,
        ingest_admin: ports.choose(args.ingest_admin_port)?,
        results_admin: ports.choose(args.results_admin_port)?,
    };
    for (choice, what) in [
        (&addresses.redis, "Redis"),
        (&addresses.ingest, INGEST),
        (&addresses.results, RESULTS),
        (&addresses.ingest_admin, "the admin port of vote-ingest"),
        (&addresses.results_admin, "the admin port of vote-results"),
    ] {
        if let Some(remark) = choice.remark(what) {
            context.terminal.note(&remark);
        }
    }
    Ok(addresses)
}

fn redis(data_dir: &Path, port: u16) -> Result<Spec, Failure> {
    let dir = data_dir.join("redis");
    let config = dir.join("redis.conf");
    // Quoted as redis.conf wants it: the path may have spaces.
    let quoted = dir
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    let text = format!(
        "# Written by votectl dev at every start.\nport {port}\nbind 127.0.0.1\ndir \"{quoted}\"\nappendonly yes\n\
         appendfsync everysec\nsave \"\"\ndaemonize no\n"
    );
    fs::write(&config, text).with_context(|| format!("can't write {}", config.display()))?;
    Ok(Spec {
        name: REDIS,
        program: REDIS.into(),
        args: vec![config.into()],
        env: Vec::new(),
    })
}

fn service(name: &'static str, bin_dir: &Path, redis_url: &str, port: u16, admin: u16) -> Spec {
    let env = vec![
        ("VOTE__REDIS__URL", redis_url.to_owned()),
        ("VOTE__HTTP__BIND", format!("127.0.0.1:{port}")),
        ("VOTE__ADMIN__BIND", format!("127.0.0.1:{admin}")),
        ("VOTE__LOG__FORMAT", "json".to_owned()),
        // Nothing in front of them needs time to notice that they go.
        ("VOTE__SHUTDOWN__GRACE_MS", "0".to_owned()),
    ];
    Spec {
        name,
        program: bin_dir.join(name),
        args: Vec::new(),
        env,
    }
}

fn beside_ourselves() -> Result<PathBuf, Failure> {
    let ourselves = std::env::current_exe().context("can't find our own executable")?;
    Ok(ourselves.parent().map(Path::to_owned).unwrap_or_default())
}

async fn open_demo(operator: &PollOperator, context: &Context<'_>) -> Result<Found, Failure> {
    let file = PollDefinition::parse_yaml(DEMO_FILE).map_err(anyhow::Error::from)?;
    let wanted = Wanted {
        now: context.now(),
        at_least: SignedDuration::ZERO,
        open_for: OPEN_FOR,
        by: "votectl dev",
    };
    Series::of(file).ensure(operator, wanted).await
}

async fn is_ready(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    matches!(
        http::get(address, "/readyz", Duration::from_secs(2)).await,
        Some((200, _))
    )
}

/// Waits for a condition, and for the end of any part that has been started.
async fn wait_ready<F, Fut>(children: &mut [Child], what: &str, ready: F) -> Result<(), Failure>
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let until = Instant::now() + START_PATIENCE;
    while !ready().await {
        if let Some(failure) = children
            .iter_mut()
            .find_map(|child| Some(ended(child.has_ended()?, child)))
        {
            return Err(failure);
        }
        if Instant::now() >= until {
            let words = children.last().map(Child::last_words).unwrap_or_default();
            return Err(Failure::refused(format!(
                "{what} was not ready within {START_PATIENCE:?}:\n{words}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Waits for the first part to end.
async fn first_end(children: &mut [Child]) -> Failure {
    let ends = children
        .iter_mut()
        .map(|child| Box::pin(async move { (child.ended().await, child) }));
    let ((status, child), _, _) = futures_util::future::select_all(ends).await;
    ended(status, child)
}

fn ended(status: std::process::ExitStatus, child: &Child) -> Failure {
    Failure::refused(format!(
        "{} ended by itself ({status}); its last words:\n{}",
        child.name(),
        child.last_words()
    ))
}

/// Stops the parts in order: who writes to Redis first, Redis last.
async fn stop_all(children: &mut Vec<Child>, context: &mut Context<'_>) {
    children.sort_by_key(|child| {
        [INGEST, RESULTS, REDIS]
            .iter()
            .position(|name| *name == child.name())
    });
    while !children.is_empty() {
        let child = children.remove(0);
        let name = child.name();
        if !child.stop(STOP_PATIENCE).await {
            context.terminal.note(&format!(
                "{name} did not stop within {STOP_PATIENCE:?} and was killed"
            ));
        }
    }
}

fn announce(
    data_dir: &Path,
    addresses: &Addresses,
    demo: Option<&Found>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let url = |choice: &Choice| format!("http://127.0.0.1:{}", choice.port);
    let ready = Ready {
        vote: url(&addresses.ingest),
        results: url(&addresses.results),
        ingest_admin: url(&addresses.ingest_admin),
        results_admin: url(&addresses.results_admin),
        redis: format!("redis://127.0.0.1:{}", addresses.redis.port),
        poll: demo.map(|demo| demo.poll.definition.id().to_string()),
        data_dir: data_dir.to_owned(),
    };
    if context.json() {
        serde_json::to_writer(context.terminal.out(), &ready)?;
        context.terminal.line("")?;
    } else {
        let text = text(&ready, demo);
        context.terminal.line(&text)?;
    }
    context.terminal.flush()
}

fn text(ready: &Ready, demo: Option<&Found>) -> String {
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
    if let Some(Found { poll, new }) = demo {
        let definition = &poll.definition;
        let id = definition.id();
        let state = if *new { "opened" } else { "found again" };
        let until = wire_time::format(poll.closes_at);
        // As it was called, so that the line works as pasted.
        let ourselves = std::env::args()
            .next()
            .unwrap_or_else(|| "votectl".to_owned());
        let candidate = definition
            .candidates()
            .first()
            .map_or("", |candidate| candidate.id.as_str());
        text.push_str(&format!(
            "poll      {id} ({}), {state}, until {until}\n\n\
             Vote, and read the result:\n\n  \
             curl -sS -X POST {vote}/v1/polls/{id}/votes -H 'content-type: application/json' -d '{{\"candidate\":\"{candidate}\"}}'\n  \
             curl -sS {results}/v1/polls/{id}/results\n\n\
             Put load on it:\n\n  {ourselves} load --url {vote} --redis {redis} --poll {id} --rate 5000 --duration 30s\n",
            definition.title()
        ));
    }
    text.push_str("\nCtrl-C stops everything.");
    text
}
