//! A stage: one open poll on some Redis, ingest processes, a results process, and the proof at the end.

use crate::engine::findings::Findings;
use crate::engine::fleet::Fleet;
use crate::engine::load::{EndedLoad, Load};
use crate::engine::look_up::look_up;
use crate::engine::metrics::Metrics;
use crate::engine::plot::Plot;
use crate::engine::poll::{CANDIDATES, POLL, open};
use crate::engine::promises::{Promises, broken, details, millis};
use crate::engine::proof::prove;
use crate::engine::published::Published;
use crate::engine::recorded::Recorded;
use crate::engine::scene::Scene;
use crate::engine::service::{Env, Service};
use crate::engine::votes::Votes;
use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vote_client::keys;
use vote_client::pacer::{Pace, Schedule};
use vote_client::plan::{Ballot, Plan};
use vote_client::target::Target;
use vote_domain::{Clock as _, Poll, Transition};
use vote_runtime::SystemClock;
use vote_store::{PollOperator, RedisConfig, Store};

/// Keys have to be remembered until the last of them was looked up.
const IDEMPOTENCY_WINDOW_S: u32 = 3_600;

/// How long the figures have to stay the same until they count as settled: longer than a lane takes to ask whether
/// Redis still has its last batch, and to repair a gap.
const STABLE: Duration = Duration::from_secs(3);

/// How long they may take to settle.
const SETTLE: Duration = Duration::from_secs(60);

/// One poll and the processes around it.
#[derive(Debug)]
pub(crate) struct Stage {
    scene: Scene,
    plot: Plot,
    pub(crate) operator: PollOperator,
    pub(crate) poll: Poll,
    pub(crate) ingests: Vec<Service>,
    pub(crate) results: Service,
}

impl Stage {
    /// Opens the poll and starts the services.
    pub(crate) async fn set(scene: &Scene, plot: Plot) -> anyhow::Result<Self> {
        scene.step("opening the poll, starting the services");
        let logs = scene.logs();
        let _old = std::fs::remove_dir_all(&logs);
        std::fs::create_dir_all(&logs).with_context(|| format!("can't make {}", logs.display()))?;
        let config = RedisConfig {
            pool_size: 8,
            ..RedisConfig::new(&plot.redis)?
        };
        let operator = Store::new(&config)?.operator();
        let poll = open(&operator, &plot).await?;
        let all: Env = vec![
            ("VOTE__REDIS__URL".to_owned(), plot.redis.clone()),
            (
                "VOTE__COMMIT__IDEMPOTENCY_WINDOW_S".to_owned(),
                IDEMPOTENCY_WINDOW_S.to_string(),
            ),
        ];
        let mut ingests = Vec::new();
        for number in 0..plot.ingests {
            let settings = scene.options.settings.clone();
            let mut env = [all.clone(), plot.ingest_env.clone(), settings].concat();
            if number == 0 {
                env.extend(plot.first_env.clone());
            }
            let name = format!("ingest-{number}");
            let program = scene.binary("vote-ingest");
            ingests.push(Service::start(&name, &program, &logs, env).await?);
        }
        let program = scene.binary("vote-results");
        let results = Service::start("results", &program, &logs, all).await?;
        Ok(Self {
            scene: scene.clone(),
            plot,
            operator,
            poll,
            ingests,
            results,
        })
    }

    fn fleet(&self) -> Fleet {
        Fleet::new(self.ingests.iter().map(|ingest| ingest.address).collect())
    }

    /// Starts the load.
    pub(crate) fn load(&self) -> anyhow::Result<Load> {
        let options = &self.scene.options;
        self.scene.step(&format!(
            "load: {} votes per second, until {} are accepted",
            options.rate, options.votes
        ));
        let address = self.ingests.first().map(|ingest| ingest.address);
        let address = address.context("a stage without an ingest process")?;
        let target: Target = format!("http://{address}").parse()?;
        let ballot = Ballot {
            target: &target,
            poll: POLL,
            channel: None,
            candidates: &CANDIDATES,
        };
        let plan = Plan::new(address.into(), ballot, Some(keys::fresh("chaos")?));
        let pace = Pace {
            rate: options.rate,
            votes: u64::from(options.rate) * options.bound.as_secs().max(1),
        };
        self.load_of(Arc::new(plan), pace.into())
    }

    /// Starts a load of these votes.
    pub(crate) fn load_of(&self, votes: Arc<dyn Votes>, pace: Schedule) -> anyhow::Result<Load> {
        let options = &self.scene.options;
        let connections = self.plot.connections.unwrap_or(options.connections);
        Load::start(votes, (pace, connections), self.fleet(), self.plot.shards)
    }

    /// Waits until so many percent of the votes are accepted.
    pub(crate) async fn until(&self, load: &Load, percent: u64) {
        let wanted = self.scene.share(percent);
        let mut told = Instant::now();
        while load.accepted() < wanted {
            load.until_or(wanted, Duration::from_millis(500)).await;
            if told.elapsed() >= Duration::from_secs(5) {
                told = Instant::now();
                self.scene.say(&format!("{} accepted", load.accepted()));
            }
        }
    }

    /// Ends the load, lets everything settle, looks up every key, and says what holds and what doesn't.
    pub(crate) async fn conclude(
        &self,
        load: Load,
        promises: Promises,
    ) -> anyhow::Result<Findings> {
        self.scene.step("ending the load");
        let load = load.finish().await;
        self.conclude_of(&load, promises).await
    }

    /// The same of a load that has ended.
    pub(crate) async fn conclude_of(
        &self,
        load: &EndedLoad,
        promises: Promises,
    ) -> anyhow::Result<Findings> {
        self.scene.step("waiting until the figures are settled");
        let before = self.settled().await?.all();
        let metrics = self.metrics().await;
        let mut failures = self.audit().await?;
        self.scene
            .step(&format!("looking up {} keys", load.counts.sent));
        let states = look_up(&load.record, &load.votes, self.fleet(), CANDIDATES.len()).await;
        self.scene.step("comparing the figures");
        let after = self.settled().await?.all();
        failures.extend(self.audit().await?);
        let metrics_after = self.metrics().await;
        let found = prove(&before, &states, &after, &load.counts);
        failures.extend(found.failures.iter().cloned());
        failures.extend(broken(load, metrics_after, promises));
        Ok(Findings {
            scenario: self.scene.name.to_owned(),
            sent: load.counts.sent,
            accepted: load.counts.accepted,
            refused: load.counts.refused,
            unknown: load.counts.unknown,
            recorded: found.recorded,
            lost: found.lost,
            doubled: found.doubled,
            longest_stall_ms: millis(load.longest_stall),
            after_back_ms: load.after_back.map(millis),
            details: details(load, &metrics, found.unknown_recorded),
            treated: Vec::new(),
            failures,
            seconds: self.scene.elapsed().as_secs(),
        })
    }

    /// Waits until all services are ready, and tally and results say the same and go on saying it; gives what is recorded: the
    /// tally, and what is set aside.
    pub(crate) async fn settled(&self) -> anyhow::Result<Recorded> {
        let until = Instant::now() + SETTLE;
        let mut last = None;
        let mut since = Instant::now();
        let mut told = Instant::now();
        loop {
            let now = self.agreed().await;
            if told.elapsed() >= Duration::from_secs(5) {
                told = Instant::now();
                let why = now.as_ref().err().map(ToString::to_string);
                self.scene.say(&format!(
                    "not settled yet: {}",
                    why.as_deref().unwrap_or("the tally has just changed")
                ));
            }
            match &now {
                Ok(recorded) if last.as_ref() == Some(recorded) => {
                    if since.elapsed() >= STABLE {
                        return Ok(recorded.clone());
                    }
                }
                Ok(recorded) => {
                    last = Some(recorded.clone());
                    since = Instant::now();
                }
                Err(_) => last = None,
            }
            if Instant::now() >= until {
                let why = now.err().map_or_else(
                    || "the tally goes on changing".to_owned(),
                    |error| error.to_string(),
                );
                bail!("the figures were not settled within {SETTLE:?}: {why}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn agreed(&self) -> anyhow::Result<Recorded> {
        for service in self.ingests.iter().chain([&self.results]) {
            if !service.is_ready().await {
                bail!("{} is not ready", service.name);
            }
        }
        let shown = self.shown().await?;
        if shown.status == "stale" {
            bail!("the results are stale");
        }
        let recorded = self.recorded().await?;
        if shown.votes != recorded.tally {
            let tally = recorded.tally;
            bail!("the results say {:?}, the tally {tally:?}", shown.votes);
        }
        Ok(recorded)
    }

    /// What the results service shows.
    pub(crate) async fn shown(&self) -> anyhow::Result<Published> {
        let path = format!("/v1/polls/{POLL}/results");
        let answer = self.results.get(&path).await;
        let (status, json) = answer.context("the results service does not answer")?;
        if status != 200 {
            bail!("the results service answers {status}");
        }
        Published::read(&json).context("the results service's answer has no figures")
    }

    /// What all shards have recorded, read as the operator does.
    async fn recorded(&self) -> anyhow::Result<Recorded> {
        let mut recorded = Recorded::new(CANDIDATES.len());
        for shard in self.operator.figures(&self.poll).await? {
            recorded.add(&shard.tally, &shard.quarantine);
        }
        Ok(recorded)
    }

    async fn audit(&self) -> anyhow::Result<Vec<String>> {
        let report = self.operator.audit(self.poll.definition.id()).await?;
        let report = report.context("the poll is gone")?;
        let named = |difference: &String| format!("audit: {difference}");
        Ok(report.differences.iter().map(named).collect())
    }

    async fn metrics(&self) -> Metrics {
        let mut all = Metrics::default();
        for ingest in &self.ingests {
            all = all.and(ingest.metrics().await);
        }
        all
    }
}

impl Stage {
    /// By how many milliseconds the clock of the first ingest process is ahead of the second's.
    pub(crate) fn skew_ms(&self) -> anyhow::Result<i64> {
        let [first, second] = self.ingests.as_slice() else {
            bail!("a skew needs two ingest processes");
        };
        Ok(first.ahead_ms()? - second.ahead_ms()?)
    }

    /// How long the poll is still open, by our clock.
    pub(crate) fn open_for(&self) -> Duration {
        let left = self.poll.closes_at.duration_since(SystemClock.now());
        Duration::try_from(left).unwrap_or_default()
    }

    /// Closes the poll: from then on a key that is not known is told to be none, and records nothing.
    pub(crate) async fn close(&mut self) -> anyhow::Result<()> {
        let closed = self
            .poll
            .transition(Transition::Close, SystemClock.now(), "vote-chaos")?;
        self.operator.save(&closed, self.poll.revision).await?;
        self.poll = closed;
        Ok(())
    }

    /// Puts the poll's end off.
    pub(crate) async fn extend(&mut self, by: Duration) -> anyhow::Result<()> {
        let closes_at = self.poll.closes_at + SignedDuration::try_from(by)?;
        let extended = self
            .poll
            .extend(closes_at, SystemClock.now(), "vote-chaos")?;
        self.operator.save(&extended, self.poll.revision).await?;
        self.poll = extended;
        Ok(())
    }
}
