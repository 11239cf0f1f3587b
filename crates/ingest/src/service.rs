//! The ingest service: its lanes, its routes, its drain.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use vote_domain::ReceiptKey;
use vote_http::health::ready_check;
use vote_http::{BoxError, Context, Service};
use vote_runtime::{ServiceName, Settings, entropy, settings};
use vote_store::{
    Durability, LaneConfig, RedisConfig, ReplicasMissing, Store, StoreError, TlsFiles, VoteWriter,
    VoteWriterConfig,
};

use crate::routes::cast_vote;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vote-ingest",
        description = "Takes votes. A vote that was answered `accepted` is recorded exactly once.",
    ),
    paths(cast_vote::cast_vote),
    tags((name = "votes", description = "Casting votes."))
)]
struct Api;

/// The write-only service.
pub struct Ingest {
    writer: Arc<VoteWriter>,
    settings: Arc<Settings>,
    clock: Data<dyn vote_domain::Clock>,
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
        let store = Store::new(&redis_config(&settings))?;
        check_durability(&store, durability(&settings)).await?;
        let writer = VoteWriter::start(&store, writer_config(&settings), &mut context.metrics);
        let ready = Arc::clone(&writer);
        context.ready_when(ready_check("lanes", move || ready.ready()));
        Ok(Self {
            writer,
            settings,
            clock: Data::from(Arc::clone(&context.clock)),
        })
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        let writer = Data::from(Arc::clone(&self.writer));
        let settings = Data::from(Arc::clone(&self.settings));
        let clock = self.clock.clone();
        move |app| {
            app.app_data(writer.clone())
                .app_data(settings.clone())
                .app_data(clock.clone())
                .service(cast_vote::cast_vote);
        }
    }

    async fn drain(self) {
        self.writer.drain().await;
    }
}

fn writer_config(settings: &Settings) -> VoteWriterConfig {
    let commit = &settings.commit;
    VoteWriterConfig {
        lane: LaneConfig {
            accept_timeout: commit.accept_timeout(),
            min_batch_interval: commit.min_batch_interval(),
            queue_capacity: commit.queue_capacity,
            max_checked_per_batch: commit.max_keyed_per_batch,
            idempotency_window: commit.idempotency_window(),
            replay_window: commit.replay_window(),
            durability: durability(settings),
            replay_window_bytes: commit.replay_window_bytes(),
        },
        refresh_interval: settings.polls.refresh_interval(),
        receipt_key: settings.receipts.key_bytes().map(ReceiptKey::from_bytes),
        random,
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

fn durability(settings: &Settings) -> Durability {
    let commit = &settings.commit;
    match commit.durability {
        settings::Durability::Memory => Durability::Memory,
        settings::Durability::Replicas { count, timeout_ms } => Durability::Replicas {
            count,
            timeout: Duration::from_millis(timeout_ms),
            missing: match commit.replicas_missing {
                settings::ReplicasMissing::Refuse => ReplicasMissing::Refuse,
                settings::ReplicasMissing::Degrade => ReplicasMissing::Degrade,
            },
        },
        // Whoever waits longer has been told that the outcome is unknown.
        settings::Durability::Fsync => Durability::Fsync {
            timeout: commit.accept_timeout(),
        },
    }
}

fn redis_config(settings: &Settings) -> RedisConfig {
    let redis = &settings.redis;
    RedisConfig {
        url: redis.url.expose().to_owned(),
        username: redis.username.clone(),
        password: redis
            .password
            .as_ref()
            .map(|password| password.expose().to_owned()),
        sentinel_username: redis.sentinel_username.clone(),
        sentinel_password: redis
            .sentinel_password
            .as_ref()
            .map(|password| password.expose().to_owned()),
        tls: TlsFiles {
            authority: redis.tls_ca_file.clone(),
            certificate: redis.tls_cert_file.clone(),
            key: redis.tls_key_file.clone(),
        },
        pool_size: redis.pool_size,
        connect_timeout: redis.connect_timeout(),
        response_timeout: redis.response_timeout(),
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
