//! The ingest service: its lanes, its routes, its drain.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use vote_domain::ReceiptKey;
use vote_http::{BoxError, Context, HotRoutes, Service, StopError};
use vote_runtime::{ServiceName, Settings, entropy};
use vote_store::{
    Clocks, Durability, Ended, Program, Store, StoreError, VoteWriter, VoteWriterConfig, Watched,
    longest_apart,
};
use vote_voters::Voters;

use crate::gateways::Gateways;
use crate::judge::Judge;
use crate::limits::RateLimits;
use crate::proofs::{ProofConfig, Proofs};
use crate::routes::cast_batch;
use crate::routes::cast_form;
use crate::routes::cast_vote::{self, Votes};
use crate::routes::challenge;
use crate::spill::{self, Place, SpillDir};
use crate::suspicion::Suspicion;
use crate::vote::BatchLine;
use crate::voters;

/// The part of the time for the drain that is kept for writing what is left over.
const SPILL_SHARE: u32 = 4;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vote-ingest",
        description = "Takes votes. A vote that was answered `accepted` is recorded exactly once.",
    ),
    paths(cast_vote::cast_vote, cast_batch::cast_batch, challenge::challenge, cast_form::cast_form, cast_form::see_poll),
    components(schemas(BatchLine<'_>)),
    tags((name = "votes", description = "Casting votes."),
        (name = "gateways", description = "Casting the votes of gateways, in batches."),
        (name = "forms", description = "Casting votes from a page without scripts."))
)]
struct Api;

/// The write-only service.
pub struct Ingest {
    writer: Arc<VoteWriter>,
    limits: RateLimits,
    clocks: Arc<Clocks>,
    settings: Arc<Settings>,
    clock: Arc<dyn vote_domain::Clock>,
    proofs: Arc<Proofs>,
    spill: Option<SpillDir>,
    voters: Option<Arc<Voters>>,
    suspicion: Arc<Suspicion>,
    judge: Option<Arc<Judge>>,
    gateways: Arc<Gateways>,
}

impl Service for Ingest {
    const NAME: ServiceName = ServiceName::Ingest;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Takes the votes of live polls and records each exactly once";

    fn openapi() -> Document {
        Api::openapi()
    }

    async fn start(context: &mut Context) -> Result<Self, BoxError> {
        let settings = Arc::clone(&context.settings);
        let spill = SpillDir::open(settings.spill.dir.as_deref(), context).await?;
        let limits = RateLimits::start(context)?;
        let suspicion = Arc::new(Suspicion::start(context)?);
        let judge = Judge::start(context)?;
        let voters = voters::start(&settings.voters, context).await?;
        let gateways = Gateways::start(context)?;
        let store = Store::new(&settings.redis)?;
        check_durability(&store, settings.commit.durability).await?;
        let config = VoteWriterConfig {
            lane: settings.commit.clone(),
            refresh_interval: settings.polls.refresh_interval,
            receipt_key: settings.receipts.key_bytes().map(ReceiptKey::from_bytes),
            random,
        };
        let watched = Watched {
            program: Program::Ingest,
            durability: settings.commit.durability,
            clock: Arc::clone(&context.clock),
            longest_apart: Some(longest_apart(settings.commit.idempotency_window)),
        };
        let stopped = context.lifecycle.stopped();
        let clocks = vote_store::watch(&store, watched, &mut context.metrics, stopped);
        let writer = VoteWriter::start(&store, config, &mut context.metrics);
        let proofs = Proofs::new(
            proof_config(&settings),
            Arc::clone(&clocks),
            &mut context.metrics,
        );
        let ready = Arc::clone(&writer);
        context.ready_when("lanes", move || ready.ready());
        let ready = Arc::clone(&clocks);
        context.ready_when("clock", move || ready.ready());
        Ok(Self {
            writer,
            limits,
            clocks,
            settings,
            clock: Arc::clone(&context.clock),
            proofs: Arc::new(proofs),
            spill,
            voters,
            suspicion,
            judge,
            gateways,
        })
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        let writer = Data::from(Arc::clone(&self.writer));
        let settings = Data::from(Arc::clone(&self.settings));
        let votes = Data::new(self.votes());
        let gateways = Data::from(Arc::clone(&self.gateways));
        move |app| {
            app.app_data(votes.clone())
                .app_data(gateways.clone())
                .app_data(writer.clone())
                .app_data(settings.clone())
                .service(cast_vote::cast_vote)
                .service(cast_batch::cast_batch)
                .service(challenge::challenge)
                .service(cast_form::cast_form)
                .service(cast_form::see_poll);
        }
    }

    fn hot_routes(&self) -> impl HotRoutes {
        self.votes()
    }

    async fn drain(self, patience: Duration) -> Result<(), StopError> {
        let Ended {
            in_time,
            left_behind,
        } = self.writer.drain(patience - patience / SPILL_SHARE).await;
        if !left_behind.is_empty() {
            let place = Place {
                dir: self.spill,
                to_log: self.settings.spill.to_log,
                patience: patience / SPILL_SHARE + Duration::from_secs(1),
            };
            return Err(spill::leave(left_behind, place, self.clock.now()).await);
        }
        if in_time {
            return Ok(());
        }
        let bound = self.settings.shutdown.drain_timeout;
        Err(StopError::Service(
            u64::try_from(bound.as_millis()).unwrap_or(u64::MAX),
        ))
    }
}

impl Ingest {
    fn votes(&self) -> Votes {
        Votes {
            writer: Arc::clone(&self.writer),
            limits: self.limits.clone(),
            clock: Arc::clone(&self.clock),
            clocks: Arc::clone(&self.clocks),
            key_required: self.settings.commit.idempotency_key_required,
            voters: self.voters.clone(),
            proofs: Arc::clone(&self.proofs),
            suspicion: Arc::clone(&self.suspicion),
            judge: self.judge.clone(),
        }
    }
}

/// Challenges take half of the cores at the most: votes come first.
fn proof_config(settings: &Settings) -> ProofConfig {
    ProofConfig {
        lifetime: settings.proof.lifetime(settings.commit.idempotency_window),
        most_cost: settings.proof.most_cost,
        makers: settings.http.worker_count().div_ceil(2),
    }
}

/// A server that can't do what is asked of it is refused; one that can't be reached yet is not, and
/// blocks the lanes if it turns out to be such a one.
async fn check_durability(store: &Store, durability: Durability) -> Result<(), StoreError> {
    match durability.check(store).await {
        Err(error @ StoreError::Unsupported(_)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "whether Redis can do what commit.durability asks for is not known yet");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

#[expect(
    clippy::expect_used,
    reason = "a writer id that is not unique would count votes wrongly: without randomness there is \
              nothing to go on with, and the operating system gives it from boot on"
)]
fn random() -> [u8; 32] {
    entropy::random_bytes().expect("the operating system's randomness")
}
