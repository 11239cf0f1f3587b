//! A server of ours that records each vote by itself, on the same web server and with the same parsing.

use actix_web::web::ServiceConfig;
use deadpool_redis::{Config, Pool, Runtime};
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::OpenApi as Document;
use vote_http::{
    BoxError, Context, HotRoutes, Problem, Service, StopError, WriteHead, WritePath, Written,
};
use vote_ingest::VOTES;
use vote_runtime::ServiceName;

use super::no_redis::Shared;

/// Increments three counters for each vote.
pub(crate) struct PerVote(PerVoteVotes);

/// Its votes come the same way as the service's.
#[derive(Clone)]
pub(crate) struct PerVoteVotes(Arc<Shared>, Pool);

impl HotRoutes for PerVoteVotes {
    const WRITE: Option<WritePath> = Some(VOTES);

    async fn write(
        &self,
        poll: &str,
        head: &WriteHead<'_>,
        body: &[u8],
    ) -> Result<Written, Problem> {
        let (vote, received_at) = self.0.read(poll, head, body)?;
        let field = format!("{}/{}", vote.channel, vote.candidate);
        let minute = vote.received_at_ms.div_euclid(60_000);
        let mut connection = self.1.get().await.map_err(Problem::internal)?;
        redis::pipe()
            .hincr("bench:tally", &field, 1)
            .ignore()
            .hincr("bench:minutes", format!("{minute}/{field}"), 1)
            .ignore()
            .hincr("bench:writers", "bench", 1)
            .ignore()
            .exec_async(&mut connection)
            .await
            .map_err(Problem::internal)?;
        self.0.accept(&vote, received_at)
    }
}

impl Service for PerVote {
    const NAME: ServiceName = ServiceName::Ingest;
    const VERSION: &'static str = "bench";
    const ABOUT: &'static str = "records each vote by itself";

    fn openapi() -> Document {
        vote_ingest::Ingest::openapi()
    }

    async fn start(context: &mut Context) -> Result<Self, BoxError> {
        let pool = Config::from_url(context.settings.redis.url.to_string())
            .builder()?
            // The best of 16, 64 and 256, tried on two cores.
            .max_size(64)
            .runtime(Runtime::Tokio1)
            .build()?;
        let shared = Arc::new(Shared::new(context)?);
        Ok(Self(PerVoteVotes(shared, pool)))
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        |_app| {}
    }

    fn hot_routes(&self) -> impl HotRoutes {
        self.0.clone()
    }

    async fn drain(self, _patience: Duration) -> Result<(), StopError> {
        Ok(())
    }
}
