//! `make bench-streams`: what streams of figures cost, and how late they are.
//!
//! Real processes on one machine: a Redis, the ingest service, the results service, and this one, which reads. Two
//! turns: many readers of one poll with two revisions per second; and one reader under 2,000 votes per second, whose
//! events are compared with the answers to those votes.

#[path = "../common/poll.rs"]
mod poll;
#[path = "../common/poll_text.rs"]
mod poll_text;
mod readers;
#[path = "../common/service.rs"]
mod service;
#[path = "../common/votes.rs"]
mod votes;

use std::io::Write as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::LocalSet;
use vote_ingest::Ingest;
use vote_results::Results;
use vote_testkit::{RedisServer, eventually};

use crate::poll::open_poll;
use crate::readers::{Arrivals, Spread};
use crate::service::Service;
use crate::votes::Votes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START: Duration = Duration::from_secs(20);
/// Two revisions per second.
const CALM: Duration = Duration::from_millis(500);
/// How long each turn is measured.
const TURN: Duration = Duration::from_secs(20);
/// Votes per second of the second turn.
const BUSY: u32 = 2000;
/// No other bound than the machine's.
const MANY_STREAMS: [(&str, &str); 1] = [("VOTE__STREAM__MAX_READERS", "1000000")];
/// Readers of the first turn: less than the descriptors that a process may commonly have.
const READERS: usize = 19_000;

fn main() -> ExitCode {
    // `cargo bench` passes flags of its own; a server is started by its name.
    match std::env::args().nth(1).as_deref() {
        Some("serve-ingest") => return vote_http::main_from::<Ingest>(["bench".into()]).into(),
        Some("serve-results") => return vote_http::main_from::<Results>(["bench".into()]).into(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime");
    // One thread here, so that what it takes is one core at most.
    match runtime.and_then(|runtime| LocalSet::new().block_on(&runtime, measure())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the benchmark failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> anyhow::Result<()> {
    let redis = RedisServer::builder().append_only(true).start().await;
    open_poll(&redis.url()).await?;
    let ingest = Service::start("serve-ingest", &redis.url(), &[]).await?;
    let results = Service::start("serve-results", &redis.url(), &MANY_STREAMS).await?;
    many_readers(&ingest, &results).await?;
    busy_poll(&ingest, &results).await
}

async fn many_readers(ingest: &Service, results: &Service) -> anyhow::Result<()> {
    let arrivals = Rc::new(Arrivals::default());
    let before = memory(results)?;
    let readers = number("BENCH_READERS", READERS);
    readers::open(&results.address, readers, &arrivals).await?;
    let voting = Votes::every(&ingest.address, CALM);
    eventually(START, || async { arrivals.len() >= 3 * readers }).await;
    let memory = memory(results)?.saturating_sub(before);
    arrivals.forget();
    let cpu = results.cpu()?;
    tokio::time::sleep(TURN).await;
    let cpu = results.cpu()? - cpu;
    let behind = arrivals.behind();
    voting.stop();
    say(&format!(
        "{readers} readers, {} events in {} s: {:.1} KiB per reader, {:.2} cores, behind the first reader {behind}",
        arrivals.len(),
        TURN.as_secs(),
        as_f64(memory / u64::try_from(readers)?) / 1024.0,
        cpu / TURN.as_secs_f64(),
    ));
    // The next turn is one reader's: not that of so many connections which end.
    arrivals.close();
    eventually(START, || async {
        connections(results).is_ok_and(|connections| connections < readers.max(1000) / 10)
    })
    .await;
    Ok(())
}

async fn busy_poll(ingest: &Service, results: &Service) -> anyhow::Result<()> {
    let arrivals = Rc::new(Arrivals::default());
    readers::open(&results.address, 1, &arrivals).await?;
    let votes = Votes::every(&ingest.address, Duration::from_secs(1) / BUSY);
    tokio::time::sleep(TURN).await;
    let accepted = votes.stop();
    // All are shown by then, or the count below says so.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let shown: Spread = arrivals.shown(&accepted);
    say(&format!(
        "{} votes accepted at {BUSY} per second: from the answer to the event that shows it {shown}",
        accepted.len(),
    ));
    Ok(())
}

/// Resident bytes.
fn memory(service: &Service) -> anyhow::Result<u64> {
    let status = service.proc("status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
}

/// Connections that are open on this machine, each of our own twice.
fn connections(service: &Service) -> anyhow::Result<usize> {
    let sockets = service.proc("net/sockstat")?;
    let line = sockets
        .lines()
        .find_map(|line| line.strip_prefix("TCP: inuse "));
    let open = line.and_then(|line| line.split_whitespace().next());
    Ok(open.context("no count")?.parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "for a figure with three digits")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn number(name: &str, default: usize) -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark's knob is no setting of a service"
    )]
    let value = std::env::var(name);
    value
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn say(text: &str) {
    // Who reads nothing misses nothing.
    let _closed = writeln!(std::io::stdout(), "{text}");
}
