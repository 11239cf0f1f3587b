//! The service: what it is started from, and the routes it answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi as Document;
use vote_domain::ReceiptKey;
use vote_http::{BoxError, Context, HotRoutes, Service, StopError};
use vote_runtime::{ServiceName, Settings};
use vote_store::{Durability, Program, SnapshotConfig, Snapshotter, Store, Watched};

use crate::api::Api;
use crate::documents::view::Freshness;
use crate::metrics::Metrics;
use crate::overlay::assets::Assets;
use crate::overlay::themes::Themes;
use crate::pages::on_demand::OnDemand;
use crate::pages::published::Published;
use crate::pages::renderer::Renderer;
use crate::pages::series_maker::SeriesMaker;
use crate::routes;
use crate::routes::hot::HotReads;
use crate::serve::access::Access;
use crate::serve::feed_tokens::FeedTokens;
use crate::site::Site;
use crate::stream::streams::Streams;

/// What is said to who finds too many feeds being made.
const MANY_FEEDS: &str =
    "Too many feeds of other rows, orders or languages are being asked for at once.";

/// The same of desks.
const MANY_DESKS: &str = "Too many desks are being asked for at once.";

/// The read-only service.
pub struct Results {
    api: Data<Api>,
}

impl Service for Results {
    const NAME: ServiceName = ServiceName::Results;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Publishes the polls' standings and series. Reads only.";

    fn openapi() -> Document {
        routes::ApiDocument::openapi()
    }

    async fn start(context: &mut Context) -> Result<Self, BoxError> {
        let settings = Arc::clone(&context.settings);
        let themes = themes(settings.overlay.themes_dir.clone()).await?;
        let store = Store::new(&settings.redis)?;
        let reading = reading(&settings);
        let stopped = context.lifecycle.stopped();
        let clock = Arc::clone(&context.clock);
        let snapshots = Snapshotter::start(
            &store,
            Arc::clone(&clock),
            reading,
            &mut context.metrics,
            stopped.clone(),
        );
        let watched = Watched {
            program: Program::Results,
            durability: Durability::Memory,
            clock: Arc::clone(&clock),
            longest_apart: None,
        };
        vote_store::watch(&store, watched, &mut context.metrics, stopped.clone());
        let metrics =
            Metrics::register(&mut context.metrics, snapshots.clone(), Arc::clone(&clock));
        let freshness = Freshness::new(&settings, &reading);
        let board = Arc::new(Published::new(freshness.longest_unchecked()));
        Renderer::new(Arc::clone(&board), clock, freshness, metrics.clone())
            .pinned(settings.current.poll_id())
            .voting_at(settings.site.ingest_url.clone())
            .start(snapshots, &stopped);
        let feed_tokens = FeedTokens::start(&settings.access, &stopped);

        // Redis away later is no reason to take the service out: what it knows, marked as stale, is
        // better than no answer from anybody.
        let known = Arc::clone(&board);
        context.ready_when("snapshot", move || known.ready());
        let streams = Streams::start(
            Arc::clone(&board),
            &settings,
            context.lifecycle.draining(),
            metrics.clone(),
            &stopped,
        );
        let receipt_key = settings.receipts.key_bytes().map(ReceiptKey::from_bytes);
        Ok(Self {
            api: Data::new(Api {
                board,
                access: Access::new(&settings.access, feed_tokens),
                receipt_key,
                list_reads: metrics.list_reads(),
                site: Site::new(&settings.site, metrics.home_reads())?,
                series: SeriesMaker::new(metrics),
                feeds: OnDemand::new(MANY_FEEDS),
                desks: OnDemand::new(MANY_DESKS),
                streams,
                overlay: Assets::new()?,
                themes,
            }),
        })
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        let api = self.api.clone();
        move |app: &mut ServiceConfig| {
            app.app_data(api.clone());
            routes::configure(app);
        }
    }

    fn hot_routes(&self) -> impl HotRoutes {
        HotReads(self.api.clone().into_inner())
    }

    async fn drain(self, _patience: Duration) -> Result<(), StopError> {
        // Nothing is accepted here that would have to be finished.
        Ok(())
    }
}

/// How often what is read.
pub(crate) fn reading(settings: &Settings) -> SnapshotConfig {
    SnapshotConfig {
        interval: settings.snapshot.interval,
        polls_interval: settings.polls.refresh_interval,
        stale_after: settings.snapshot.stale_after,
    }
}

/// Reads the themes of the overlay.
async fn themes(folder: Option<PathBuf>) -> Result<Themes, BoxError> {
    let Some(folder) = folder else {
        return Ok(Themes::default());
    };
    let read = tokio::task::spawn_blocking(move || {
        Themes::read(&folder)
            .map_err(|error| format!("overlay.themes_dir: {}: {error}", folder.display()))
    });
    Ok(read.await??)
}
