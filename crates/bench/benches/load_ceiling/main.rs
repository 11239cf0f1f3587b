//! How many votes per second the load generator itself can send, against a server that does nothing.
//!
//! `cargo bench -p vote-bench --bench load_ceiling -- [votes] [connections]`

use std::io::Write;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vote_client::engine;
use vote_client::latency::Latency;
use vote_client::pacer::Pace;
use vote_client::plan::{Ballot, Plan};
use vote_client::stats::Progress;
use vote_client::stop::Stop;
use vote_client::target::Target;

const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{\"status\":\"accepted\"}";

fn main() -> anyhow::Result<()> {
    // `cargo bench` passes flags of its own.
    let mut args = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    let votes = args.next().map_or(Ok(1_000_000), |votes| votes.parse())?;
    let connections = args
        .next()
        .map_or(Ok(256), |connections| connections.parse())?;
    let server = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    std::thread::spawn(move || serve(server));
    let target: Target = format!("http://{address}").parse()?;
    let ballot = Ballot {
        target: &target,
        poll: "paredao-01",
        channel: None,
        candidates: &["ana", "bia", "caio", "duda"],
    };
    let mut plan = Plan::new(
        address.into(),
        ballot,
        Some("load-0123456789abcdef".to_owned()),
    );
    // Far more than can be sent, so that the generator is what limits.
    plan.pace = Pace {
        rate: 1_000_000,
        votes,
    }
    .into();
    plan.connections = connections;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let completed = runtime.block_on(engine::run(
        plan,
        Arc::new(Progress::default()),
        Stop::default(),
    ))?;
    let latency = Latency::of(&completed.stats.latency);
    writeln!(
        std::io::stdout(),
        "{} of {votes} accepted in {:.2?} over {connections} connections; p50 {} µs behind a rate of a million a second",
        completed.stats.counts.accepted,
        completed.elapsed,
        latency.p50
    )?;
    Ok(())
}

fn serve(listener: std::net::TcpListener) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(answer(stream));
        }
    })
}

/// Takes what comes in one read for one request, as it is with this client.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {
        stream.write_all(ANSWER).await?;
    }
    Ok(())
}
