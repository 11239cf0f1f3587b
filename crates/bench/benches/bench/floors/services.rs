//! Two servers of ours that do less than the service, on the same web server and with the same parsing.

use actix_web::web::ServiceConfig;
use deadpool_redis::{Config, Pool, Runtime};
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::OpenApi as Document;
use vote_domain::{Clock, Poll, PollDefinition, ReceiptKey, WriterId};
use vote_http::{
    BoxError, Context, HotRoutes, Problem, ProblemCode, Service, StopError, WriteHead, WritePath,
    Written,
};
use vote_ingest::{Received, VOTES, answer, read_vote};
use vote_runtime::ServiceName;
use vote_store::{Acceptance, Outcome, Place, VoteToCast};

use crate::poll_text::poll_text;

/// The poll that they take votes for.
fn definition(now: jiff::Timestamp) -> anyhow::Result<PollDefinition> {
    Ok(PollDefinition::parse_yaml(&poll_text("bench", 1, 1, now)?)?)
}

struct Shared {
    poll: Poll,
    receipt_key: ReceiptKey,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn new(context: &Context) -> Result<Self, BoxError> {
        let definition = definition(context.clock.now())?;
        Ok(Self {
            poll: Poll::draft(definition, context.clock.now(), "bench"),
            receipt_key: ReceiptKey::from_bytes([7; 32]),
            clock: Arc::clone(&context.clock),
        })
    }

    /// The same parsing as the service's.
    fn read(
        &self,
        poll: &str,
        head: &WriteHead<'_>,
        body: &[u8],
    ) -> Result<(VoteToCast, jiff::Timestamp), Problem> {
        let received_at = self.clock.now();
        if poll != self.poll.definition.id().as_str() {
            return Err(ProblemCode::UnknownPoll.into());
        }
        let vote = read_vote(head, body, &self.poll, received_at, false)?;
        Ok((vote, received_at))
    }

    /// The same answer as the service's.
    fn accept(&self, vote: &VoteToCast, received_at: jiff::Timestamp) -> Result<Written, Problem> {
        let place = Place {
            writer: WriterId::from_bytes([7; 8]),
            shard: 0,
            sequence: 1,
            place: 0,
        };
        let outcome = Outcome::Accepted(Acceptance { place, batch: None });
        let asked = Received::of(vote, received_at);
        answer(&self.poll, asked, &outcome, &self.receipt_key)
    }
}

/// Answers each vote at once.
pub(crate) struct NoRedis(Arc<Shared>);

/// Its votes come the same way as the service's.
#[derive(Clone)]
pub(crate) struct NoRedisVotes(Arc<Shared>);

impl HotRoutes for NoRedisVotes {
    const WRITE: Option<WritePath> = Some(VOTES);

    async fn write(
        &self,
        poll: &str,
        head: &WriteHead<'_>,
        body: &[u8],
    ) -> Result<Written, Problem> {
        let (vote, received_at) = self.0.read(poll, head, body)?;
        self.0.accept(&vote, received_at)
    }
}

impl Service for NoRedis {
    const NAME: ServiceName = ServiceName::Ingest;
    const VERSION: &'static str = "bench";
    const ABOUT: &'static str = "answers votes without recording them";

    fn openapi() -> Document {
        vote_ingest::Ingest::openapi()
    }

    async fn start(context: &mut Context) -> Result<Self, BoxError> {
        Ok(Self(Arc::new(Shared::new(context)?)))
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        |_app| {}
    }

    fn hot_routes(&self) -> impl HotRoutes {
        NoRedisVotes(Arc::clone(&self.0))
    }

    async fn drain(self, _patience: Duration) -> Result<(), StopError> {
        Ok(())
    }
}

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
