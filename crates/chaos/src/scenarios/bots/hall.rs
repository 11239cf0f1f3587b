//! Proofs of work, made with the service's own key: for thousands of phones, and for a farm, on one small machine.
//!
//! A search for the right counter takes a phone's processor for a quarter of a second, and this machine has none to spare. Who makes the
//! challenge knows the counter. To the service these proofs are what they would be: signed, for that key, and of that age.

use crate::engine::poll::POLL;
use data_encoding::{BASE64, HEXLOWER};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vote_client::plan::mix;
use vote_domain::{ChannelId, Clock as _, IdempotencyKey, KeyDigest, PollId, ReceiptKey};
use vote_proof::{Asked, ChallengeKey, challenge, solve};
use vote_runtime::SystemClock;

/// The channel that asks for proofs, and between what one costs there.
pub(super) const CHANNEL: &str = "prova";
pub(super) const COST: u32 = 5_000;
/// Half of the setting's default: this machine makes two derivations for each vote.
pub(super) const MOST_COST: u32 = 20_000;
/// What was asked when the vote was cast does not matter to who looks it up.
const LOOK_UP_COST: u32 = 1_000;

/// Bytes of the services' key.
const SECRET: [u8; 32] = [0xB0; 32];

/// How long a device takes, at the least and beyond that: seen of browsers on two cores, and of phones.
const QUICKEST: SignedDuration = SignedDuration::from_millis(120);
const SLOWER_MS: u64 = 4_000;

/// How long challenges live: as long as the services let them.
const LIFETIME: SignedDuration = SignedDuration::from_secs(2_700);

/// Who makes proofs.
#[derive(Debug)]
pub(super) struct Hall {
    key: ChallengeKey,
    poll: PollId,
    channel: ChannelId,
    /// What a proof costs now.
    cost: AtomicU32,
    /// How long we take to make one that costs [`COST`].
    making: Duration,
    /// One that was good for one vote, and is used for many.
    used: String,
    /// One that was never signed.
    made_up: String,
}

impl Hall {
    pub(super) fn new() -> anyhow::Result<Self> {
        let receipts = ReceiptKey::from_bytes(SECRET);
        let mut hall = Self {
            key: ChallengeKey::new(receipts.for_proofs()),
            poll: PollId::parse(POLL)?,
            channel: ChannelId::parse(CHANNEL)?,
            cost: AtomicU32::new(COST),
            making: Duration::ZERO,
            used: String::new(),
            made_up: String::new(),
        };
        let began = Instant::now();
        hall.used = hall.proof("bought", SystemClock.now() - QUICKEST, COST)?;
        hall.making = began.elapsed();
        let other = hall.proof("other", SystemClock.now() - QUICKEST, COST)?;
        hall.made_up = spliced(&hall.used, &other)?;
        Ok(hall)
    }

    /// The setting of the services' key.
    pub(super) fn setting() -> String {
        HEXLOWER.encode(&SECRET)
    }

    /// What a person's device makes, a moment after it has asked.
    pub(super) fn honest(&self, key: &str, drawn: u64) -> String {
        let slower = i64::try_from(mix(drawn) % SLOWER_MS).unwrap_or(0);
        let took = QUICKEST + SignedDuration::from_millis(slower);
        let asked_at = SystemClock.now() - took;
        self.proof(key, asked_at, self.cost()).unwrap_or_default()
    }

    /// One for looking a vote up.
    pub(super) fn for_look_up(&self, key: &str) -> String {
        let proof = self.proof(key, SystemClock.now(), LOOK_UP_COST);
        proof.unwrap_or_default()
    }

    /// What the service asks for from now on.
    pub(super) fn asks(&self, cost: u32) {
        self.cost.store(cost, Ordering::Relaxed);
    }

    fn cost(&self) -> u32 {
        self.cost.load(Ordering::Relaxed)
    }

    /// What a farm sends: a third was made in no time, a third was used before, and a third is made up.
    pub(super) fn of_farm(&self, key: &str, index: u64) -> String {
        match mix(index ^ 0xFA23) % 3 {
            0 => self.in_no_time(key).unwrap_or_default(),
            1 => self.used.clone(),
            _ => self.made_up.clone(),
        }
    }

    /// One whose challenge is asked for when it is finished: what we take to make it is not the farm's.
    fn in_no_time(&self, key: &str) -> anyhow::Result<String> {
        let cost = self.cost();
        let making = self.making.saturating_mul(cost) / COST;
        let asked_at = SystemClock.now() + SignedDuration::try_from(making)?;
        self.proof(key, asked_at, cost)
    }

    fn proof(&self, key: &str, asked_at: Timestamp, cost: u32) -> anyhow::Result<String> {
        let asked = Asked {
            poll: &self.poll,
            channel: &self.channel,
            key: Some(KeyDigest::new(&self.poll, &IdempotencyKey::parse(key)?)),
            voter: None,
            cost,
            asked_at: Some(asked_at),
            expires_at: asked_at + LIFETIME,
        };
        // The first counter that can be the right one is: the search is over with its first try.
        let challenge = challenge(&self.key, &asked, [0, 0])?;
        Ok(solve(&challenge)?)
    }
}

/// The first proof under the other's signature.
fn spliced(one: &str, other: &str) -> anyhow::Result<String> {
    let read = |proof: &str| -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&BASE64.decode(proof.as_bytes())?)?)
    };
    let (mut one, other) = (read(one)?, read(other)?);
    one["challenge"]["signature"] = other["challenge"]["signature"].clone();
    Ok(BASE64.encode(one.to_string().as_bytes()))
}
