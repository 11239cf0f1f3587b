//! Proofs of work in one process: their key, what is asked for in each channel, and the making of challenges.

mod channel;
mod metrics;
mod turns;
mod verdict;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vote_domain::{Channel, KeyDigest, PollId, ReceiptKey};
use vote_http::Problem;
use vote_proof::{Asked, Bounds, ChallengeKey, ForVote, Proof, ProofError, VoterMark};
use vote_runtime::entropy;
use vote_store::Clocks;

use self::channel::ChannelProofs;
use self::metrics::ProofMetrics;
use self::turns::Turns;
pub(crate) use self::verdict::Verdict;

/// What is set for proofs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProofConfig {
    /// How long a proof is taken after its challenge was asked for.
    pub(crate) lifetime: Duration,
    /// What a proof costs at the most.
    pub(crate) most_cost: u32,
    /// How many challenges are made at a time. Each keeps a core busy.
    pub(crate) makers: usize,
}

/// Makes challenges, verifies proofs, and decides what they cost.
pub(crate) struct Proofs {
    config: ProofConfig,
    /// The key, with the receipts' key that it was made of.
    key: ArcSwapOption<(Arc<ReceiptKey>, ChallengeKey)>,
    channels: Mutex<HashMap<PollId, HashMap<String, ChannelProofs>>>,
    metrics: ProofMetrics,
    clocks: Arc<Clocks>,
    turns: Turns,
}

impl Proofs {
    pub(crate) fn new(config: ProofConfig, clocks: Arc<Clocks>, registry: &mut Registry) -> Self {
        Self {
            config,
            clocks,
            key: ArcSwapOption::empty(),
            channels: Mutex::default(),
            metrics: ProofMetrics::register(registry),
            turns: Turns::new(config.makers),
        }
    }

    /// Verifies that a text is a proof for a vote. All processes with the same key of receipts know each other's challenges.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn verify(
        &self,
        receipt_key: &Arc<ReceiptKey>,
        payload: &str,
        vote: &ForVote<'_>,
    ) -> Result<Proof, ProofError> {
        vote_proof::verify(&self.key(receipt_key).1, payload, vote)
    }

    /// How long a proof has taken, from the asking for its challenge until its vote was received.
    pub(crate) fn taken(&self, proof: &Proof, received_at: Timestamp) -> SignedDuration {
        let precise = proof.asked_at.zip(self.clocks.by_redis(received_at));
        match precise {
            Some((asked_at, received_at)) => received_at.duration_since(asked_at),
            // Of its end the second is known: it is taken to have been asked for up to a second before it was, in favour of the vote.
            None => received_at.duration_since(proof.expires_at - self.config.lifetime),
        }
    }

    /// What stands for a voter in the challenges of a poll.
    pub(crate) fn mark(
        &self,
        receipt_key: &Arc<ReceiptKey>,
        poll: &PollId,
        subject: &str,
    ) -> VoterMark {
        self.key(receipt_key).1.mark(poll, subject)
    }

    /// Notes how a vote's proof was found.
    pub(crate) fn note(&self, poll: &PollId, channel: &Channel, verdict: Verdict, now: Timestamp) {
        self.with(poll, channel, |proofs, bounds| {
            proofs.note(verdict, bounds, now);
        });
    }

    /// Notes that a vote is suspect though its proof was good.
    pub(crate) fn note_suspect(&self, poll: &PollId, channel: &Channel, now: Timestamp) {
        self.with(poll, channel, |proofs, bounds| {
            proofs.note_suspect(bounds, now);
        });
    }

    /// A challenge for a vote, as JSON: for the voter of that mark, where the channel asks who votes.
    ///
    /// # Errors
    /// The process makes too many already.
    pub(crate) async fn challenge(
        &self,
        receipt_key: &Arc<ReceiptKey>,
        poll: &PollId,
        channel: &Channel,
        (key, voter): (Option<KeyDigest>, Option<VoterMark>),
        now: Timestamp,
    ) -> Result<Vec<u8>, Problem> {
        let secrets = self.key(receipt_key);
        let turn = self.turns.wait().await?;
        let poll = poll.clone();
        let cost = self.with(&poll, channel, |proofs, bounds| proofs.asked(bounds, now));
        let asked_at = self.clocks.by_redis(now);
        let expires_at = now + self.config.lifetime;
        let channel = channel.id.clone();
        let random = entropy::random_bytes().map_err(Problem::internal)?;
        let made = tokio::task::spawn_blocking(move || {
            // Until it is made, whether or not somebody still waits for it.
            let _turn = turn;
            let asked = Asked {
                poll: &poll,
                channel: &channel,
                key,
                voter,
                cost,
                asked_at,
                expires_at,
            };
            vote_proof::challenge(&secrets.1, &asked, random)
        });
        let made = made.await.map_err(Problem::internal)?;
        made.map_err(Problem::internal)
    }

    fn key(&self, receipts: &Arc<ReceiptKey>) -> Arc<(Arc<ReceiptKey>, ChallengeKey)> {
        if let Some(known) = self.key.load_full()
            && Arc::ptr_eq(&known.0, receipts)
        {
            return known;
        }
        let key = ChallengeKey::new(receipts.for_proofs());
        let known = Arc::new((Arc::clone(receipts), key));
        self.key.store(Some(Arc::clone(&known)));
        known
    }

    /// What is known of a channel: of a poll that is there, so there are not many.
    fn with<T>(
        &self,
        poll: &PollId,
        channel: &Channel,
        act: impl FnOnce(&mut ChannelProofs, Bounds) -> T,
    ) -> T {
        let bounds = Bounds {
            least: channel.least_proof_cost(),
            most: self.config.most_cost,
        };
        let mut polls = self.channels.lock();
        if !polls.contains_key(poll) {
            polls.insert(poll.clone(), HashMap::new());
        }
        let Some(channels) = polls.get_mut(poll) else {
            // It was put there just now.
            return act(&mut self.metrics.channel(poll, channel), bounds);
        };
        if let Some(known) = channels.get_mut(channel.id.as_str()) {
            return act(known, bounds);
        }
        let mut known = self.metrics.channel(poll, channel);
        let done = act(&mut known, bounds);
        channels.insert(channel.id.to_string(), known);
        done
    }
}
