//! Reads of the figures beside constant bodies of the same bytes, over more and more connections, and what Redis does meanwhile.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::floors::Floor;
use crate::plot::Chart;
use crate::redis_done::Done;
use crate::server::Server;
use crate::spread::{as_f64, number};
use crate::until::until;
use crate::wrk::read;

const CONNECTIONS: [u32; 3] = [64, 256, 1_024];
const SECONDS: u32 = 4;
const PATH: &str = "/v1/polls/bench/results";
const START: Duration = Duration::from_secs(30);
/// In which it has read what there is, and has nothing to do but look.
const REST: Duration = Duration::from_secs(3);

/// Who answers: results, and constant bodies by our web server and by actix-web.
struct Servers {
    redis: RedisServer,
    results: Server,
    floors: [Server; 2],
    /// Redis commands a second without readers.
    quiet: f64,
}

/// Reads a second of results and of both floors, and Redis commands a second beside those of results.
struct Seen {
    reads: [f64; 3],
    commands: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut rates = Points::new(&["results", "a route of our web server", "actix-web"]);
    let mut ratios = Points::new(&["÷ a route of our web server", "÷ actix-web"]);
    let mut commands = Points::new(&["without readers", "with readers"]);
    let servers = match start(options).await {
        Ok(servers) => servers,
        Err(error) => {
            notes.add(format!("reads: {error:#}"));
            return Ok(Vec::new());
        }
    };
    // Whoever is last finds the machine warmer: nobody is that each time.
    let turn = Cell::new(0);
    let once = async |connections| {
        turn.set(turn.get() + 1);
        servers.once(options, connections, turn.get()).await
    };
    in_rounds(
        options,
        clock,
        notes,
        (&CONNECTIONS, "connections"),
        once,
        |connections, seen: Seen| {
            let [own, route, web] = seen.reads;
            for (curve, rate) in seen.reads.into_iter().enumerate() {
                rates.add(connections, curve, rate);
            }
            ratios.add(connections, 0, own / route);
            ratios.add(connections, 1, own / web);
            commands.add(connections, 0, servers.quiet);
            commands.add(connections, 1, seen.commands);
            format!(
                "{} reads/s, {} and {} of constant bodies'",
                number(own, 0),
                number(own / route, 2),
                number(own / web, 2)
            )
        },
    )
    .await;
    let size = "connections";
    Ok(vec![
        rates.chart("Reads of the figures", size, "reads a second"),
        ratios.chart("Reads ÷ those of a constant body", size, "ratio"),
        commands.chart("Redis under readers", size, "commands a second"),
    ])
}

async fn start(options: &GrowthOptions) -> anyhow::Result<Servers> {
    let (build, settings) = (&options.common.bin_dir, options.settings());
    let redis = RedisServer::start().await;
    let url = redis.url();
    build.open(&url, &["bench"], 1).await?;
    let ingest = Server::service(&build.ingest, &[], Some(&url), &settings);
    ingest.takes_votes("bench").await?;
    drop(ingest);
    let results = Server::service(&build.results, &[], Some(&url), &settings);
    let body = until(START, async || {
        let body = results.get(PATH).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        text.contains("\"total_votes\":1")
            .then_some(body)
            .context("the vote is not shown")
    });
    let body = body.await?;
    let file = options.common.out.join("body");
    std::fs::write(&file, &body)?;
    let floors = [
        floor(Floor::BodyRoute, &file)?,
        floor(Floor::BodyWeb, &file)?,
    ];
    for floor in &floors {
        until(START, async || floor.get(PATH).await).await?;
    }
    tokio::time::sleep(REST).await;
    let (began, before) = (Instant::now(), Done::of(&redis).await?);
    tokio::time::sleep(options.lasting(SECONDS)).await;
    let done = Done::of(&redis).await?.since(before);
    let quiet = as_f64(done.commands) / began.elapsed().as_secs_f64();
    Ok(Servers {
        redis,
        results,
        floors,
        quiet,
    })
}

fn floor(floor: Floor, body: &Path) -> anyhow::Result<Server> {
    Server::floor_of(floor, None, Some(body))
}

impl Servers {
    async fn once(
        &self,
        options: &GrowthOptions,
        connections: u32,
        turn: usize,
    ) -> anyhow::Result<Seen> {
        let seconds = options.seconds.unwrap_or(SECONDS);
        let [route, web] = &self.floors;
        let all = [&self.results, route, web];
        let mut seen = Seen {
            reads: [0.0; 3],
            commands: 0.0,
        };
        for step in 0..all.len() {
            let place = (turn + step) % all.len();
            let address = format!("{}{PATH}", all[place].address);
            let (began, before) = (Instant::now(), Done::of(&self.redis).await?);
            seen.reads[place] = read(&address, connections, seconds).await?;
            if place == 0 {
                let done = Done::of(&self.redis).await?.since(before);
                seen.commands = as_f64(done.commands) / began.elapsed().as_secs_f64();
            }
        }
        Ok(seen)
    }
}
