//! Readers who ask for a large body and don't read it.

use std::time::Duration;

use anyhow::ensure;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use vote_testkit::RedisServer;

use super::history::History;
use super::{Clock, Notes, Points};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::process::{cpu, resident};
use crate::say::progress;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::until::until;

const READERS: [u32; 3] = [50, 150, 500];
/// A poll whose minutes are six megabytes: an answer has three days of them at most.
const DAYS: i64 = 2;
const CHANNELS: u16 = 1;
const CANDIDATES: u16 = 64;
const NAME: &str = "participante-da-edicao-26";
const MINUTES: i64 = DAYS * 1_440 - 1;
const PATH: &str = "/v1/polls/bench/results/minutely";
const START: Duration = Duration::from_secs(60);
/// In which the service has written what it will.
const WRITTEN: Duration = Duration::from_secs(3);
/// Seconds in which nothing much happens.
const CALM: u32 = 3;
/// What is given back in a second, where it is little.
const GIVEN_BACK: u64 = 65_536;
const MIB: f64 = 1_048_576.0;

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut memory = Points::new(&["grown by", "in all"]);
    let mut body = 0;
    for readers in READERS {
        if clock.is_over() {
            notes.add(format!("{readers} readers: left out, the time was over"));
            continue;
        }
        match once(options, readers).await {
            Ok(([grown, all], bytes)) => {
                progress(&format!(
                    "{readers} readers who don't read {bytes} bytes: memory grows by {} MiB to {} MiB",
                    number(grown, 1),
                    number(all, 1)
                ));
                memory.add(readers, 0, grown);
                memory.add(readers, 1, all);
                body = bytes;
            }
            Err(error) => notes.add(format!("{readers} readers: {error:#}")),
        }
    }
    let title = format!(
        "Readers who don't read a body of {} MB",
        number(as_f64(body) / 1e6, 1)
    );
    Ok(vec![memory.chart(&title, "readers", "MiB of results")])
}

/// By how many MiB the service grew and how many it has then, and how long the body is.
async fn once(options: &GrowthOptions, readers: u32) -> anyhow::Result<([f64; 2], u64)> {
    let build = &options.common.bin_dir;
    let redis = RedisServer::start().await;
    let url = redis.url();
    let poll = History::wide("bench", 1, CHANNELS, (CANDIDATES, NAME));
    poll.open(&redis, DAYS).await?;
    poll.fill(&redis, MINUTES).await?;
    let results = Server::service(&build.results, &[], Some(&url), &options.settings());
    let address = format!("http://{}{PATH}", results.address);
    let body = until(START, async || {
        let answer = reqwest::get(&address).await?.error_for_status()?;
        Ok(u64::try_from(answer.bytes().await?.len())?)
    })
    .await?;
    at_rest(&results).await?;
    let before = resident(results.pid()?)?;
    let mut open = Vec::new();
    for _ in 0..readers {
        open.push(ask(&results).await?);
    }
    tokio::time::sleep(WRITTEN).await;
    let after = resident(results.pid()?)?;
    for reader in &open {
        let mut begin = [0; 12];
        let begun = tokio::time::timeout(START, reader.peek(&mut begin)).await??;
        ensure!(
            begin[..begun] == *b"HTTP/1.1 200",
            "a reader was answered {}",
            String::from_utf8_lossy(&begin[..begun])
        );
    }
    let grown = after.saturating_sub(before);
    Ok(([grown, after].map(|bytes| as_f64(bytes) / MIB), body))
}

/// Asks, and reads nothing of the answer: little room for it is in the kernel.
async fn ask(results: &Server) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut connection = socket.connect(results.address.parse()?).await?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: bench\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    Ok(connection)
}

/// Waits until the service does little, and gives no memory back any more that it has needed to begin.
pub(super) async fn at_rest(results: &Server) -> anyhow::Result<()> {
    let (pid, second) = (results.pid()?, Duration::from_secs(1));
    let (mut spent, mut taken) = (cpu(pid)?, resident(pid)?);
    let mut calm = 0;
    for _ in 0..40 {
        tokio::time::sleep(second).await;
        let (spent_now, taken_now) = (cpu(pid)?, resident(pid)?);
        let is_calm = spent_now - spent < 0.2 && taken_now + GIVEN_BACK >= taken;
        calm = if is_calm { calm + 1 } else { 0 };
        (spent, taken) = (spent_now, taken_now);
        if calm == CALM {
            break;
        }
    }
    Ok(())
}
