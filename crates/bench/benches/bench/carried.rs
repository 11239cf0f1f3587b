//! What votes carry beside a candidate: made ahead, so that what is measured is what a server does with it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use vote_domain::{ChannelId, Clock as _, PollId, ReceiptKey};
use vote_proof::{Asked, ChallengeKey, challenge, solve};
use vote_runtime::SystemClock;
use vote_voters::mint::SigningKey;

/// The channels of the rows, behind the open one of all.
pub(crate) const CHANNELS: &str = "  - { id: prova, weight: 30, eligibility: proof_of_work }
  - { id: unico, weight: 30, eligibility: voter, votes_per_voter: 1 }
  - { id: muitos, weight: 30, eligibility: voter, votes_per_voter: 1000000 }
";

/// The token of the gateway that sends batches.
const GATEWAY_TOKEN: &str = "the-token-of-the-gateway-of-the-bench";
/// Of everything that is signed here.
const SEED: [u8; 32] = [7; 32];
/// Voters whose tokens were seen before.
const SEEN: u32 = 1_000;
/// So many a second are prepared before it is known how many come.
const AT_FIRST: f64 = 100_000.0;
/// How long what is prepared holds: longer than a turn, and shorter than keys are remembered.
const HOLDS_S: i64 = 80;

/// What the votes of a row carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    /// Nothing.
    Nothing,
    /// An idempotency key each.
    Keys,
    /// The address of a client each, as a proxy says it.
    Clients,
    /// A proof of work each, which stands for a key.
    Proofs,
    /// A key each, and a token of another voter.
    Tokens,
    /// A key each, and one of a few tokens.
    SeenTokens,
    /// They are lines of a gateway's batch, with a key each.
    Lines,
}

/// What the votes of a row carry, and what its server has to know of that.
pub(crate) struct Prepared {
    carried: Carried,
    votes_a_request: u32,
    /// What its files begin with.
    name: String,
    folder: PathBuf,
    /// The most votes a second of a turn so far.
    greatest: f64,
}

impl Prepared {
    /// Files are written into that folder, under names that begin so.
    pub(crate) fn new(
        carried: Carried,
        votes_a_request: u32,
        name: &str,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            carried,
            votes_a_request,
            name: name.to_owned(),
            folder: std::path::absolute(folder)?,
            greatest: 0.0,
        })
    }

    /// The settings of its server.
    pub(crate) fn settings(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        Ok(match self.carried {
            Carried::Lines => {
                let digest = HEXLOWER.encode(&Sha256::digest(GATEWAY_TOKEN));
                let text = format!(
                    "[[gateway]]\nname = \"bench\"\ntoken_sha256 = \"{digest}\"\nchannels = [\"torcida\"]\nrate = \"1000000/1s\"\n"
                );
                vec![("VOTE__GATEWAYS__FILE", self.write("gateways.toml", &text)?)]
            }
            Carried::Proofs => vec![("VOTE__RECEIPTS__KEY", HEXLOWER.encode(&SEED))],
            Carried::Tokens | Carried::SeenTokens => {
                let keys = SigningKey::from_seed(SEED).public_jwks();
                vec![("VOTE__VOTERS__JWKS_FILE", self.write("jwks.json", &keys)?)]
            }
            Carried::Nothing | Carried::Keys | Carried::Clients => Vec::new(),
        })
    }

    /// What the votes of a turn of so many seconds carry, as the script takes it; `turn` is no other turn's number.
    pub(crate) fn of_turn(&self, turn: u32, seconds: u32) -> anyhow::Result<Vec<String>> {
        let keys = format!("keys={turn}");
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(match self.carried {
            Carried::Nothing => Vec::new(),
            Carried::Keys => vec![keys],
            Carried::Clients => vec![format!("clients={turn}")],
            Carried::Lines => {
                let bearer = format!("bearer={GATEWAY_TOKEN}");
                let lines = format!("lines={}", self.votes_a_request);
                text(&[&keys, &lines, &bearer, "channel=torcida"])
            }
            Carried::Proofs => {
                let proofs = format!("proofs={}", self.proofs(self.needed(seconds))?);
                text(&[&proofs, "channel=prova"])
            }
            Carried::Tokens => {
                let tokens = self.tokens(&format!("{turn}-"), self.needed(seconds))?;
                text(&[&keys, &format!("tokens={tokens}"), "channel=unico"])
            }
            Carried::SeenTokens => {
                let tokens = format!("tokens={}", self.tokens("", SEEN)?);
                text(&[&keys, &tokens, "again=yes", "channel=muitos"])
            }
        })
    }

    /// Notes how many came.
    pub(crate) fn note(&mut self, votes_a_second: f64) {
        self.greatest = self.greatest.max(votes_a_second);
    }

    /// As many as can come, and half as many again.
    fn needed(&self, seconds: u32) -> u32 {
        let a_second = if self.greatest > 0.0 {
            1.5 * self.greatest
        } else {
            AT_FIRST
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is some hundreds of thousands a second"
        )]
        let a_second = a_second as u32;
        a_second.saturating_mul(seconds.saturating_add(1))
    }

    /// Proofs for the poll's channel, solved. They cost the least: what they cost is signed, and a server does the same with all.
    fn proofs(&self, count: u32) -> anyhow::Result<String> {
        let receipts = ReceiptKey::from_bytes(SEED);
        let key = ChallengeKey::new(receipts.for_proofs());
        let (poll, channel) = (PollId::parse("bench")?, ChannelId::parse("prova")?);
        let (asked_at, expires_at) = (now_and(0)?, now_and(HOLDS_S)?);
        self.lines("proofs", count, |_| {
            let asked = Asked {
                poll: &poll,
                channel: &channel,
                key: None,
                voter: None,
                cost: 1,
                asked_at: Some(asked_at),
                expires_at,
            };
            Ok(solve(&challenge(&key, &asked, [0, 0])?)?)
        })
    }

    /// Tokens of voters whose names begin so.
    fn tokens(&self, voters: &str, count: u32) -> anyhow::Result<String> {
        let key = SigningKey::from_seed(SEED);
        let now = now_and(0)?.as_second();
        self.lines("tokens", count, |voter| {
            let subject = format!("{voters}{voter}");
            Ok(key.sign(&json!({ "sub": subject, "iat": now, "exp": now + 3_600 })))
        })
    }

    /// A file of so many lines, made by all cores; its path.
    fn lines(
        &self,
        name: &str,
        count: u32,
        make: impl Fn(u32) -> anyhow::Result<String> + Sync,
    ) -> anyhow::Result<String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = count.div_ceil(u32::try_from(threads)?).max(1);
        let of = |first: u32| -> anyhow::Result<String> {
            let mut text = String::new();
            for line in first..count.min(first.saturating_add(share)) {
                text.push_str(&make(line)?);
                text.push('\n');
            }
            Ok(text)
        };
        let mut all = String::new();
        std::thread::scope(|scope| -> anyhow::Result<()> {
            let firsts = (0..count).step_by(usize::try_from(share)?);
            let threads: Vec<_> = firsts.map(|first| scope.spawn(move || of(first))).collect();
            for thread in threads {
                let part = thread.join().ok().context("a thread has panicked")??;
                all.push_str(&part);
            }
            Ok(())
        })?;
        ensure!(!all.is_empty(), "there is nothing to carry");
        self.write(&self.file(name), &all)
    }

    /// The name of a file of its own.
    fn file(&self, of: &str) -> String {
        format!("{}.{of}", self.name)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("{} can't be written", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Prepared {
    /// They are some hundred megabytes.
    fn drop(&mut self) {
        for name in ["proofs", "tokens"] {
            // It is only there where something was prepared.
            let _gone = std::fs::remove_file(self.folder.join(self.file(name)));
        }
    }
}

fn now_and(seconds: i64) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_second(
        SystemClock.now().as_second() + seconds,
    )?)
}
