//! What a vote shows, and what it is checked against.

use std::sync::Arc;

use jiff::Timestamp;
use vote_domain::{Channel, KeyDigest, PollId, ReceiptKey};
use vote_proof::Proof;

use crate::proofs::Proofs;
use crate::suspicion::{Signs, Suspicion};

/// What votes are checked against beside their poll.
#[derive(Clone, Copy)]
pub struct Checks<'a> {
    /// Whether a vote without an Idempotency-Key is refused.
    pub key_required: bool,
    /// Verifies proofs of work; where there is none, channels that ask for them take no votes.
    pub(crate) proofs: Option<ProofCheck<'a>>,
}

/// What proofs are verified by.
#[derive(Clone, Copy)]
pub(crate) struct ProofCheck<'a> {
    pub(crate) proofs: &'a Proofs,
    pub(crate) receipt_key: &'a Arc<ReceiptKey>,
    /// What is told of a proof that holds, and is odd all the same.
    pub(crate) suspicion: &'a Suspicion,
    pub(crate) signs: &'a Signs,
}

impl Checks<'_> {
    /// For polls whose channels ask for nothing.
    pub const OPEN: Self = Self {
        key_required: false,
        proofs: None,
    };
}

/// What a vote that shows enough is known by, and whose it is to be.
#[derive(Debug, Clone, Copy)]
pub(in crate::vote) struct Known {
    /// What a repeat of it is known by.
    pub(in crate::vote) key: Option<KeyDigest>,
    /// The proof, where it is for one voter's vote alone.
    pub(in crate::vote) proof: Option<Proof>,
}

/// A vote as far as its channel is concerned.
pub(in crate::vote) struct Shown<'a> {
    pub(in crate::vote) poll: &'a PollId,
    pub(in crate::vote) channel: &'a Channel,
    pub(in crate::vote) key: Option<KeyDigest>,
    pub(in crate::vote) proof: Option<&'a str>,
    pub(in crate::vote) received_at: Timestamp,
}
