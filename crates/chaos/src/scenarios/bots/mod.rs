//! People and three kinds of bots vote at once: how much of each is accepted, set aside and refused.

mod addresses;
mod crowd;
mod hall;
mod treated;

use self::addresses::{SERVER_ROOM, carriers_file};
use self::crowd::Crowd;
use self::hall::{CHANNEL, COST, Hall, MOST_COST};
use self::treated::{broken, cost_broken, treated};
use crate::engine::findings::Findings;
use crate::engine::load::Load;
use crate::engine::plot::Plot;
use crate::engine::poll::POLL;
use crate::engine::promises::{Promises, millis};
use crate::engine::scene::Scene;
use crate::engine::stage::Stage;
use crate::scenarios::servers::redis;
use anyhow::Context as _;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When the operator has seen where the server room is, and puts it on the list: in hundredths of all votes.
const LISTED_AFTER: u64 = 40;

/// Votes a second of a prefix, in hundredths of all: the example of docs/limits.md at 5,000 votes a second.
const PREFIX_PERCENT: u32 = 12;

pub(crate) async fn bots(scene: Scene) -> anyhow::Result<Findings> {
    let redis = redis().await;
    let (votes, rate) = (scene.options.votes, scene.options.rate);
    let files = Files::write(&scene)?;
    let mut stage = Stage::set(&scene, plot(redis.url(), rate, &files)).await?;
    let host = stage.ingests.first().context("no ingest process")?.address;
    let crowd = Arc::new(Crowd::new(Hall::new()?, host.to_string(), (votes, rate)));
    let schedule = crowd.schedule(rate);
    scene.step(&format!(
        "load: {} votes of people and bots, {} per second for {} s",
        schedule.votes(),
        schedule.mean_rate(),
        schedule.length().as_secs()
    ));
    let mut load = stage.load_of(Arc::clone(&crowd) as _, schedule)?;
    let dearest = watch(&scene, &stage, (&crowd, &mut load), &files).await?;
    let load = load.finish().await;

    scene.step("waiting until the figures are settled");
    let recorded = stage.settled().await?;
    let treated = treated(&crowd, &load.record, &recorded);
    scene.step(
        "the poll is closed, and both processes are started again without limits, for the look-up",
    );
    stage.close().await?;
    for ingest in &mut stage.ingests {
        ingest.stop().await?;
        ingest.unset("VOTE__LIMITS__");
        ingest.unset("VOTE__SUSPICION__");
        ingest.restart().await?;
    }
    let mut found = stage.conclude_of(&load, Promises::default()).await?;
    found.details.push(format!(
        "a proof's cost rose from {COST} to {dearest} iterations"
    ));
    let per_second = load.counts.sent * 1_000 / millis(load.took).max(1);
    found
        .details
        .push(format!("{per_second} votes per second were sent"));
    found.failures.extend(broken(&treated));
    found.failures.extend(cost_broken(dearest));
    found.treated = treated;
    Ok(found)
}

/// Two processes behind a proxy that says where clients are, with limits and suspicion as the documentation begins with.
fn plot(redis: String, rate: u32, files: &Files) -> Plot {
    let prefix = (rate * PREFIX_PERCENT / 100).max(10);
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut plot = Plot::on(redis);
    plot.channels = json!([
        { "id": "torcida", "weight": 70, "eligibility": "open" },
        { "id": CHANNEL, "weight": 30, "eligibility": "proof_of_work", "proof_cost": COST },
    ]);
    plot.ingest("VOTE__RECEIPTS__KEY", &Hall::setting())
        .ingest("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .ingest("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for")
        .ingest("VOTE__LIMITS__ADDRESS_BURST", "60/10s")
        .ingest("VOTE__LIMITS__ADDRESS_SUSTAINED", "600/1h")
        .ingest("VOTE__LIMITS__PREFIX_BURST", &format!("{prefix}/10s"))
        .ingest("VOTE__LIMITS__CARRIERS_FILE", &path(&files.carriers))
        .ingest("VOTE__PROOF__MOST_COST", &MOST_COST.to_string())
        .ingest("VOTE__SUSPICION__THRESHOLD", "100")
        .ingest("VOTE__SUSPICION__DENY_LIST_FILE", &path(&files.denied))
}

/// The files that an operator writes.
struct Files {
    carriers: PathBuf,
    denied: PathBuf,
}

impl Files {
    /// Carriers are known, and nobody is denied yet.
    fn write(scene: &Scene) -> anyhow::Result<Self> {
        let dir = scene.options.logs.join("bots-files");
        std::fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
        let files = Self {
            carriers: dir.join("carriers.toml"),
            denied: dir.join("denied.txt"),
        };
        std::fs::write(&files.carriers, carriers_file())?;
        std::fs::write(&files.denied, "# nobody yet\n")?;
        Ok(files)
    }

    fn deny_server_room(&self) -> std::io::Result<()> {
        std::fs::write(&self.denied, format!("{SERVER_ROOM} # rented\n"))
    }
}

/// Until all is sent: denies the server room in time, has proofs cost what the service asks for, and gives the most of that.
async fn watch(
    scene: &Scene,
    stage: &Stage,
    (crowd, load): (&Crowd, &mut Load),
    files: &Files,
) -> anyhow::Result<u32> {
    let mut dearest = COST;
    let mut is_listed = false;
    let mut told = Instant::now();
    while !load.ends_within(Duration::from_secs(1)).await {
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            scene.say(&format!("{} accepted", load.accepted()));
        }
        if !is_listed && load.accepted() >= scene.share(LISTED_AFTER) {
            scene.step("the operator puts the server room on the list of those that are denied");
            files.deny_server_room()?;
            is_listed = true;
        }
        if let Some(cost) = cost(stage).await {
            crowd.proofs_cost(cost);
            dearest = dearest.max(cost);
        }
    }
    Ok(dearest)
}

/// What a new challenge asks for: the most of all processes.
async fn cost(stage: &Stage) -> Option<u32> {
    let path = format!("/v1/polls/{POLL}/challenge?channel={CHANNEL}");
    let mut most = None;
    for ingest in &stage.ingests {
        if let Some((200, challenge)) = ingest.get(&path).await {
            let cost = challenge["parameters"]["cost"].as_u64();
            most = most.max(cost.and_then(|cost| u32::try_from(cost).ok()));
        }
    }
    most
}
