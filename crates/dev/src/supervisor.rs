//! Starts Redis and both services, waits until they are ready, and stops them in order.

use crate::addresses::{Addresses, choose_ports};
use crate::child::Child;
use crate::data_dir::{clear_left_overs, lock, prepare};
use crate::desk_token;
use crate::error::DevError;
use crate::gateway;
use crate::host::{Host, Ready};
use crate::names::{INGEST, REDIS, RESULTS};
use crate::options::Options;
use crate::ports::Choice;
use crate::signals::{StopSignals, impatience};
use crate::specs;
use crate::voter_key;
use anyhow::Context as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::time::Instant;
use vote_client::get;
use vote_store::{PollOperator, RedisConfig, Store};

/// How long each part may take to be ready. Redis reads its data back first.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long each part may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Runs everything until Ctrl-C, `SIGTERM` or the unexpected end of a part. `guard_command` is the command of our own
/// executable that runs the [guard](crate::guard).
///
/// # Errors
/// When something can't be started, or a part ended by itself; all the others are stopped by then.
pub async fn run<H: Host>(
    options: &Options,
    guard_command: &str,
    host: &mut H,
) -> Result<(), H::Error> {
    let mut stop_signals = StopSignals::listen().map_err(DevError::from)?;
    let data_dir = prepare(&options.data_dir)?;
    let _lock = lock(&data_dir)?;
    clear_left_overs(&data_dir, host).await;
    let _guard = start_guard(guard_command, &data_dir).map_err(DevError::from)?;
    let addresses = choose_ports(options, host)?;
    let mut children = Vec::new();
    let result = tokio::select! {
        result = serve(options, &data_dir, &addresses, &mut children, host) => result,
        () = stop_signals.asked() => Ok(()),
    };
    host.note("stopping");
    let stopped = tokio::select! {
        () = stop_all(&mut children, host) => true,
        () = impatience() => false,
    };
    host.note(if stopped {
        "stopped"
    } else {
        "killed; what was accepted is in Redis' append-only file"
    });
    result
}

/// Starts everything and then waits for the end of a part, which is always an error.
async fn serve<H: Host>(
    options: &Options,
    data_dir: &Path,
    addresses: &Addresses,
    children: &mut Vec<Child>,
    host: &mut H,
) -> Result<(), H::Error> {
    let redis_url = format!("redis://127.0.0.1:{}", addresses.redis.port);
    let operator = start_redis(data_dir, addresses.redis.port, &redis_url, children).await?;
    host.open_polls(&operator).await?;
    let token = match specs::names_token() {
        true => None,
        false => Some(desk_token::prepare(data_dir, &host.secret()?).map_err(DevError::from)?),
    };
    let voter_key = match specs::names_voter_keys() {
        true => None,
        false => Some(voter_key::prepare(data_dir, host.seed()?).map_err(DevError::from)?),
    };
    let gateway = match specs::names_gateways() {
        true => None,
        false => Some(gateway::prepare(data_dir, &host.secret()?).map_err(DevError::from)?),
    };
    let services = Services {
        redis_url: &redis_url,
        token: token.as_deref(),
        voter_keys: voter_key.as_ref().map(|key| key.public.as_path()),
        gateways: gateway.as_ref().map(|gateway| gateway.file.as_path()),
    };
    start_services(options, data_dir, addresses, services, children).await?;
    let url = |choice: &Choice| format!("http://127.0.0.1:{}", choice.port);
    host.ready(&Ready {
        vote: url(&addresses.ingest),
        results: url(&addresses.results),
        ingest_admin: url(&addresses.ingest_admin),
        results_admin: url(&addresses.results_admin),
        redis: redis_url,
        data_dir: data_dir.to_owned(),
        production_token_file: token,
        voter_key_file: voter_key.map(|key| key.private),
        gateway_token_file: gateway.map(|gateway| gateway.token),
    })?;
    Err(first_end(children).await.into())
}

async fn start_redis(
    data_dir: &Path,
    port: u16,
    url: &str,
    children: &mut Vec<Child>,
) -> Result<PollOperator, DevError> {
    children.push(Child::start(specs::redis(data_dir, port)?, data_dir)?);
    let config = RedisConfig {
        pool_size: 4,
        ..RedisConfig::new(url)?
    };
    let operator = Store::new(&config)?.operator();
    wait_ready(children, "Redis", || async {
        operator.listed().await.is_ok()
    })
    .await?;
    Ok(operator)
}

/// What both services are started with.
#[derive(Debug, Clone, Copy)]
struct Services<'s> {
    redis_url: &'s str,
    token: Option<&'s Path>,
    voter_keys: Option<&'s Path>,
    gateways: Option<&'s Path>,
}

async fn start_services(
    options: &Options,
    data_dir: &Path,
    addresses: &Addresses,
    Services {
        redis_url,
        token,
        voter_keys,
        gateways,
    }: Services<'_>,
    children: &mut Vec<Child>,
) -> Result<(), DevError> {
    let bin_dir = match &options.bin_dir {
        Some(dir) => dir.clone(),
        None => beside_ourselves()?,
    };
    let Addresses {
        ingest,
        ingest_admin,
        results,
        results_admin,
        ..
    } = addresses;
    for (name, public, admin, other) in [
        (INGEST, ingest, ingest_admin, results),
        (RESULTS, results, results_admin, ingest),
    ] {
        let place = specs::Place {
            bin_dir: &bin_dir,
            redis_url,
            port: public.port,
            admin: admin.port,
            other: other.port,
            token,
            voter_keys,
            gateways,
        };
        children.push(Child::start(specs::service(name, place), data_dir)?);
    }
    for (name, port) in [
        (INGEST, addresses.ingest.port),
        (RESULTS, addresses.results.port),
    ] {
        wait_ready(children, name, || is_ready(port)).await?;
    }
    Ok(())
}

/// The guard lives until the returned process' standard input is closed, which the system does when we end.
fn start_guard(command: &str, data_dir: &Path) -> anyhow::Result<tokio::process::Child> {
    let ourselves = std::env::current_exe().context("can't find our own executable")?;
    let guard = tokio::process::Command::new(ourselves)
        .arg(command)
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

fn beside_ourselves() -> anyhow::Result<PathBuf> {
    let ourselves = std::env::current_exe().context("can't find our own executable")?;
    Ok(ourselves.parent().map(Path::to_owned).unwrap_or_default())
}

async fn is_ready(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    matches!(
        get(address, "/readyz", Duration::from_secs(2)).await,
        Some((200, _))
    )
}

/// Waits for a condition, and for the end of any part that has been started.
async fn wait_ready<F, Fut>(children: &mut [Child], what: &str, ready: F) -> Result<(), DevError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let until = Instant::now() + START_PATIENCE;
    while !ready().await {
        if let Some(error) = children
            .iter_mut()
            .find_map(|child| Some(ended(child.has_ended()?, child)))
        {
            return Err(error);
        }
        if Instant::now() >= until {
            let words = children.last().map(Child::last_words).unwrap_or_default();
            return Err(DevError::Ended(format!(
                "{what} was not ready within {START_PATIENCE:?}:\n{words}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Waits for the first part to end.
async fn first_end(children: &mut [Child]) -> DevError {
    let ends = children
        .iter_mut()
        .map(|child| Box::pin(async move { (child.ended().await, child) }));
    let ((status, child), _, _) = futures_util::future::select_all(ends).await;
    ended(status, child)
}

fn ended(status: std::process::ExitStatus, child: &Child) -> DevError {
    DevError::Ended(format!(
        "{} ended by itself ({status}); its last words:\n{}",
        child.name(),
        child.last_words()
    ))
}

/// Stops the parts in order: who writes to Redis first, Redis last.
async fn stop_all(children: &mut Vec<Child>, host: &mut impl Host) {
    children.sort_by_key(|child| {
        [INGEST, RESULTS, REDIS]
            .iter()
            .position(|name| *name == child.name())
    });
    while !children.is_empty() {
        let child = children.remove(0);
        let name = child.name();
        if !child.stop(STOP_PATIENCE).await {
            host.note(&format!(
                "{name} did not stop within {STOP_PATIENCE:?} and was killed"
            ));
        }
    }
}
