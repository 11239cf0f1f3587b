//! A server of ours that does less than the service, on the same web server and with the same parsing: it records nothing.

use actix_web::web::ServiceConfig;
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::OpenApi as Document;
use vote_domain::{Clock, Poll, PollDefinition, ReceiptKey, WriterId};
use vote_http::{
    BoxError, Context, HotRoutes, Problem, ProblemCode, Service, StopError, WriteHead, WritePath,
    Written,
};
use vote_ingest::{Checks, Received, VOTES, answer, read_vote};
use vote_runtime::ServiceName;
use vote_store::{Acceptance, Outcome, Place, VoteToCast};

use crate::poll_text::poll_text;

/// The poll that it takes votes for.
fn definition(now: jiff::Timestamp) -> anyhow::Result<PollDefinition> {
    Ok(PollDefinition::parse_yaml(&poll_text("bench", 1, 1, now)?)?)
}

/// What servers have that do less than the service.
pub(crate) struct Shared {
    poll: Poll,
    receipt_key: ReceiptKey,
    clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn new(context: &Context) -> Result<Self, BoxError> {
        let definition = definition(context.clock.now())?;
        Ok(Self {
            poll: Poll::draft(definition, context.clock.now(), "bench"),
            receipt_key: ReceiptKey::from_bytes([7; 32]),
            clock: Arc::clone(&context.clock),
        })
    }

    /// The same parsing as the service's.
    pub(crate) fn read(
        &self,
        poll: &str,
        head: &WriteHead<'_>,
        body: &[u8],
    ) -> Result<(VoteToCast, jiff::Timestamp), Problem> {
        let received_at = self.clock.now();
        if poll != self.poll.definition.id().as_str() {
            return Err(ProblemCode::UnknownPoll.into());
        }
        let vote = read_vote(head, body, &self.poll, received_at, Checks::OPEN)?;
        Ok((vote.vote, received_at))
    }

    /// The same answer as the service's.
    pub(crate) fn accept(
        &self,
        vote: &VoteToCast,
        received_at: jiff::Timestamp,
    ) -> Result<Written, Problem> {
        let place = Place {
            writer: WriterId::from_bytes([7; 8]),
            shard: 0,
            sequence: 1,
            place: 0,
        };
        let outcome = Outcome::Accepted(Acceptance { place, batch: None });
        let asked = Received::of(vote, vote.key.is_some(), received_at);
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
