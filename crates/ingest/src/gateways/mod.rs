//! Gateways: who may send votes of others in batches, and by which channels.

mod file;
mod metrics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use vote_domain::{Channel, PollId};
use vote_http::{BoxError, Context, Problem, ProblemCode, RateFields, SentHeader, bearer};
use vote_limits::Meter;

use self::file::{Entry, Identity};
pub(crate) use self::metrics::{BatchEnd, LineOutcome};
use self::metrics::{GatewayMetrics, OfGateway};
use crate::reread::reread;

/// So many lines of all batches are looked up at a time in the shard that they may be recorded in: each takes a connection to Redis
/// while it is.
const LOOKUPS_AT_ONCE: usize = 64;
/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 512;

/// The gateways that are known now.
pub(crate) struct Gateways {
    known: ArcSwap<Vec<Arc<Gateway>>>,
    metrics: GatewayMetrics,
    batches_at_once: usize,
    /// The turns of lines to be looked up.
    pub(crate) lookups: Arc<Semaphore>,
    /// Longest time for the body of a batch.
    pub(crate) batch_timeout: Duration,
    /// Cancelled when the process has been asked to stop.
    pub(crate) draining: CancellationToken,
}

/// Who sends a batch.
pub(crate) struct Gateway {
    entry: Entry,
    usage: Arc<Usage>,
    metrics: OfGateway,
}

/// What a gateway has used; stays while its entry in the file changes.
struct Usage {
    meter: Meter,
    slots: Arc<Semaphore>,
}

/// Whom a line's `voter` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names<'a> {
    /// Somebody whom the gateways of this group know.
    OfGroup(&'a str),
    /// Whom a voter token with that `sub` names.
    Subject,
}

impl Gateways {
    /// As the settings say. Their file is read anew from here on, until the service stops.
    ///
    /// # Errors
    /// The file can't be read, or is wrong.
    pub(crate) fn start(context: &mut Context) -> Result<Arc<Self>, BoxError> {
        let settings = &context.settings.gateways;
        let gateways = Arc::new(Self {
            known: ArcSwap::default(),
            metrics: GatewayMetrics::register(&mut context.metrics),
            batches_at_once: settings.batches_at_once,
            lookups: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)),
            batch_timeout: settings.batch_timeout,
            draining: context.lifecycle.draining(),
        });
        if let Some(path) = settings.file.clone() {
            let entries = file::read(&path)
                .map_err(|error| format!("gateways.file: {}: {error}", path.display()))?;
            gateways.take(entries);
            let watched = Arc::clone(&gateways);
            let watching = reread(
                "gateways.file is not taken: what was read before stays",
                move || file::read(&path),
                move |read| match read {
                    Ok(entries) => watched.take(entries),
                    Err(_) => watched.metrics.refuses_file(),
                },
            );
            let stopped = context.lifecycle.stopped();
            tokio::spawn(stopped.run_until_cancelled_owned(watching));
        }
        Ok(gateways)
    }

    /// The gateway whose token a request shows.
    ///
    /// # Errors
    /// `unauthorized`.
    pub(crate) fn find(&self, authorization: SentHeader<'_>) -> Result<Arc<Gateway>, Problem> {
        let token = match authorization {
            SentHeader::Once(text) => bearer(text).filter(|token| token.len() <= MAX_TOKEN_BYTES),
            SentHeader::Missing | SentHeader::Repeated | SentHeader::NoText => None,
        };
        let known = token.and_then(|token| self.of_token(token));
        known.ok_or_else(|| {
            Problem::new(ProblemCode::Unauthorized).detail(
                "Batches are for gateways: send one gateway's token as `Authorization: Bearer TOKEN`. Nothing was recorded.",
            )
        })
    }

    /// All digests are compared in any case, so that time tells nothing of which came near.
    fn of_token(&self, token: &str) -> Option<Arc<Gateway>> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = self.known.load();
        known.iter().fold(None, |found, gateway| {
            let is_it: bool = gateway.entry.digest.ct_eq(&digest).into();
            if is_it {
                Some(Arc::clone(gateway))
            } else {
                found
            }
        })
    }

    /// Takes what the file has. Who stays in it with the same rate goes on where it is.
    fn take(&self, entries: Vec<Entry>) {
        self.metrics.has(entries.len());
        let before = self.known.load();
        if before.iter().map(|gateway| &gateway.entry).eq(&entries) {
            return;
        }
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        tracing::info!(gateways = %names.join(", "), "gateways.file was read");
        let next = entries.into_iter().map(|entry| {
            let same = before
                .iter()
                .find(|old| (&old.entry.name, old.entry.rate) == (&entry.name, entry.rate));
            let usage = same.map_or_else(|| self.unused(&entry), |same| Arc::clone(&same.usage));
            let metrics = self.metrics.of(&entry.name);
            Arc::new(Gateway {
                entry,
                usage,
                metrics,
            })
        });
        self.known.store(Arc::new(next.collect()));
    }

    fn unused(&self, entry: &Entry) -> Arc<Usage> {
        Arc::new(Usage {
            meter: Meter::new(entry.rate, Instant::now()),
            slots: Arc::new(Semaphore::new(self.batches_at_once)),
        })
    }
}

impl Gateway {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.entry.name
    }

    /// Whom it names.
    pub(crate) fn names(&self) -> Names<'_> {
        match &self.entry.voters {
            Identity::Group(group) => Names::OfGroup(group),
            Identity::Subject => Names::Subject,
        }
    }

    /// The right to send a batch, as long as it is held.
    ///
    /// # Errors
    /// It sends as many as it may already.
    pub(crate) fn begin(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let slot = Arc::clone(&self.usage.slots).try_acquire_owned();
        slot.map_err(|_error| ProblemCode::Overloaded.into())
    }

    /// Counts a line.
    ///
    /// # Errors
    /// `rate-limited`: the gateway's rate is reached.
    pub(crate) fn count(&self, now: Instant) -> Result<(), Problem> {
        let meter = &self.usage.meter;
        meter.count(now).map_err(|retry_after_s| {
            let quota = meter.quota();
            Problem::rate_limited(RateFields {
                policy: format!("\"gateway\";q={};w={}", quota.votes(), quota.seconds()),
                rate: format!("\"gateway\";r=0;t={retry_after_s}"),
                retry_after_s,
            })
            .detail(format!(
                "The gateway's rate, {quota}, is reached; this line was not recorded. Send it again after retry_after_s, with the \
                 same key."
            ))
        })
    }

    /// Whether it may vote by a channel.
    ///
    /// # Errors
    /// `channel-not-allowed`, with the reason.
    pub(crate) fn check(&self, poll: &PollId, channel: &Channel) -> Result<(), Problem> {
        let is_listed = self.entry.channels.iter().any(|allowed| {
            let is_of_poll = allowed.poll.as_ref().is_none_or(|id| id == poll);
            is_of_poll && allowed.channel == channel.id
        });
        let refused = |why: String| {
            Err(Problem::new(ProblemCode::ChannelNotAllowed).detail(format!(
                "channel: {}: {why}; the vote was not recorded.",
                channel.id
            )))
        };
        if !is_listed {
            return refused(format!("the gateway {} may not vote by it", self.name()));
        }
        if let Some(most) = self.entry.votes_per_voter
            && channel.votes_per_voter.is_none_or(|votes| votes > most)
        {
            return refused(format!(
                "it allows each voter more votes than the {most} that the gateway {} may use",
                self.name()
            ));
        }
        if channel.eligibility.asks_for_voter() && self.entry.voters != Identity::Subject {
            return refused(format!(
                "it asks for voter tokens, and the voters of the gateway {} are others",
                self.name()
            ));
        }
        Ok(())
    }

    /// Counts what became of a line.
    pub(crate) fn note_line(&self, outcome: LineOutcome) {
        self.metrics.line(outcome);
    }

    /// Counts how a batch ended.
    pub(crate) fn note_batch(&self, end: BatchEnd) {
        self.metrics.batch(end);
    }
}

#[cfg(test)]
mod tests;
