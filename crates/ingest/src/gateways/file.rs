//! The file of gateways: who they are, and what each may do.
//!
//! ```toml
//! [[gateway]]
//! name = "sms"
//! token_sha256 = "…"
//! channels = ["sms", "paredao-01/telefone"]
//! rate = "2000/1s"
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use vote_domain::{ChannelId, PollId};
use vote_limits::{Quota, text_of};

/// The largest file, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// Most gateways: each has metrics of its own.
const MOST: usize = 64;
/// The longest name.
const MAX_NAME: usize = 64;

/// One gateway, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// SHA-256 of its token, which is nowhere.
    pub(super) digest: [u8; 32],
    pub(super) channels: Vec<Allowed>,
    pub(super) rate: Quota,
    /// Only channels that allow each voter at most so many votes.
    pub(super) votes_per_voter: Option<u32>,
    pub(super) voters: Identity,
}

/// A channel that a gateway may vote by: of one poll, or of each that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) poll: Option<PollId>,
    pub(super) channel: ChannelId,
}

/// Whom a gateway's `voter` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Somebody whom the gateways of that group know, and no token.
    Group(String),
    /// Whom a voter token with that `sub` names.
    Subject,
}

/// Why a file gives no gateways. What is said never repeats a digest: it may be a token by mistake.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewaysError {
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the file has more than {MAX_BYTES} bytes: it is no list of gateways")]
    TooLong,
    #[error("line {line}: {reason}")]
    Malformed { line: usize, reason: String },
    #[error("it has more than {MOST} gateways")]
    TooMany,
    #[error("gateway number {number}: {reason}")]
    Gateway { number: usize, reason: String },
}

impl GatewaysError {
    /// The line, and what is wrong there; without the text of the line.
    fn malformed(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start));
        Self::Malformed {
            line: before.map_or(1, |before| before.matches('\n').count() + 1),
            reason: error.message().to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    gateway: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    token_sha256: String,
    channels: Vec<String>,
    rate: String,
    votes_per_voter: Option<u32>,
    voters: Option<String>,
    #[serde(default)]
    voters_are_subjects: bool,
}

/// Reads the gateways of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, GatewaysError> {
    parse(&text_of(path, MAX_BYTES)?.ok_or(GatewaysError::TooLong)?)
}

fn parse(text: &str) -> Result<Vec<Entry>, GatewaysError> {
    let document: Document =
        toml::from_str(text).map_err(|error| GatewaysError::malformed(text, &error))?;
    if document.gateway.len() > MOST {
        return Err(GatewaysError::TooMany);
    }
    let (mut names, mut digests) = (BTreeSet::new(), BTreeSet::new());
    let written = document.gateway.into_iter().enumerate();
    let entries = written.map(|(place, written)| {
        let entry = written.entry().and_then(|entry| {
            if !names.insert(entry.name.clone()) {
                return Err(format!("the name {} is there twice", entry.name));
            }
            if !digests.insert(entry.digest) {
                return Err("its token is that of an earlier one".to_owned());
            }
            Ok(entry)
        });
        let number = place + 1;
        entry.map_err(|reason| GatewaysError::Gateway { number, reason })
    });
    entries.collect()
}

impl Written {
    fn entry(self) -> Result<Entry, String> {
        check_name("name", &self.name)?;
        let digest = HEXLOWER_PERMISSIVE.decode(self.token_sha256.as_bytes());
        let digest = digest.ok().and_then(|bytes| bytes.try_into().ok());
        let digest = digest.ok_or("token_sha256: must be the 64 hexadecimal digits of a SHA-256 (`votectl token gateway NAME` makes a token, and this entry); it is not shown")?;
        if self.channels.is_empty() {
            return Err("channels: names none".to_owned());
        }
        let channels = self.channels.iter();
        let voters = match (self.voters, self.voters_are_subjects) {
            (Some(_), true) => {
                return Err("voters: of no use where voters_are_subjects is true".to_owned());
            }
            (Some(group), false) => {
                check_name("voters", &group)?;
                Identity::Group(group)
            }
            (None, true) => Identity::Subject,
            (None, false) => Identity::Group(self.name.clone()),
        };
        if self.votes_per_voter == Some(0) {
            return Err("votes_per_voter: must be at least 1".to_owned());
        }
        Ok(Entry {
            digest,
            channels: channels
                .map(|text| allowed(text))
                .collect::<Result<_, _>>()?,
            rate: self
                .rate
                .parse()
                .map_err(|error| format!("rate: {error}"))?,
            votes_per_voter: self.votes_per_voter,
            voters,
            name: self.name,
        })
    }
}

fn check_name(field: &str, text: &str) -> Result<(), String> {
    let is_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(is_named) {
        return Ok(());
    }
    Err(format!(
        "{field}: must have 1 to {MAX_NAME} of A-Z, a-z, 0-9, `-`, `_` and `.`"
    ))
}

/// `CHANNEL`, or `POLL/CHANNEL`.
fn allowed(text: &str) -> Result<Allowed, String> {
    let (poll, channel) = match text.split_once('/') {
        Some((poll, channel)) => (Some(PollId::parse(poll)), channel),
        None => (None, text),
    };
    let poll = poll.transpose();
    Ok(Allowed {
        poll: poll.map_err(|error| format!("channels: {error}"))?,
        channel: ChannelId::parse(channel).map_err(|error| format!("channels: {error}"))?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn one(lines: &str) -> String {
        format!("[[gateway]]\nname = \"sms\"\ntoken_sha256 = \"{DIGEST}\"\n{lines}\n")
    }

    fn said(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn a_gateway_has_channels_a_rate_and_voters() {
        let lines = "channels = [\"sms\", \"paredao-01/telefone\"]\nrate = \"20/10s\"";
        let entries = parse(&one(lines)).expect("right");
        let [entry] = entries.as_slice() else {
            panic!("{entries:?}")
        };
        assert_eq!((entry.name.as_str(), entry.digest[0]), ("sms", 0x9f));
        assert_eq!(entry.rate.to_string(), "20/10s");
        assert_eq!(entry.channels[0].poll, None);
        assert_eq!(entry.channels[1].channel.as_str(), "telefone");
        assert_eq!(entry.voters, Identity::Group("sms".to_owned()));
        assert_eq!(entry.votes_per_voter, None);
        let group = parse(&one(&format!(
            "{lines}\nvoters = \"fones\"\nvotes_per_voter = 3"
        )));
        let group = group.expect("right").remove(0);
        assert_eq!(group.voters, Identity::Group("fones".to_owned()));
        assert_eq!(group.votes_per_voter, Some(3));
        let same = parse(&one(&format!("{lines}\nvoters_are_subjects = true")));
        assert_eq!(same.expect("right")[0].voters, Identity::Subject);
        assert_eq!(parse("").expect("none"), []);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_digest_is_shown() {
        let rest = "channels = [\"sms\"]\nrate = \"1/1s\"";
        let right = one(rest);
        let other = right.replace("sms\"\ntoken", "fone\"\ntoken");
        for (text, says) in [
            (
                right.clone() + &right,
                "number 2: the name sms is there twice",
            ),
            (
                right.clone() + &other,
                "number 2: its token is that of an earlier one",
            ),
            (right.replace("9f86", "o-segredo-"), "token_sha256: must be"),
            (right.replace(DIGEST, ""), "token_sha256: must be"),
            (
                right.replace("name = \"sms\"", "name = \"a b\""),
                "name: must have",
            ),
            (
                one("channels = []\nrate = \"1/1s\""),
                "channels: names none",
            ),
            (one("channels = [\"A B\"]\nrate = \"1/1s\""), "channels: "),
            (one("channels = [\"/x\"]\nrate = \"1/1s\""), "channels: "),
            (one("channels = [\"a/b/c\"]\nrate = \"1/1s\""), "channels: "),
            (
                one("channels = [\"sms\"]\nrate = \"lots\""),
                "rate: is no limit",
            ),
            (one("channels = [\"sms\"]"), "missing field `rate`"),
            (right.clone() + "typo = 1\n", "unknown field `typo`"),
            (
                right.clone() + "votes_per_voter = 0\n",
                "votes_per_voter: must be",
            ),
            (right.clone() + "voters = \"\"\n", "voters: must have"),
            (
                right.clone() + "voters = \"x\"\nvoters_are_subjects = true\n",
                "voters: of no use",
            ),
            ("\n[[gateway".to_owned(), "line 2: "),
        ] {
            let error = said(&text);
            assert!(error.contains(says), "{error}");
            assert!(
                !error.contains("d081884c") && !error.contains("o-segredo"),
                "{error}"
            );
        }
        let many: Vec<String> = (0..=MOST)
            .map(|n| {
                right
                    .replace("\"sms\"\ntoken", &format!("\"g{n}\"\ntoken"))
                    .replace("9f86d0", &format!("{n:06x}"))
            })
            .collect();
        assert!(said(&many.concat()).contains("more than 64"));
        assert_eq!(parse(&many[1..].concat()).expect("right").len(), MOST);
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_refused(text in prop_oneof!["\\PC{0,300}", "(\\[\\[gateway\\]\\]|name|=|\"|\n|rate|1/1s|#|channels|\\[|\\]){0,60}"]) {
            if let Ok(entries) = parse(&text) {
                prop_assert!(entries.len() <= MOST && entries.iter().all(|entry| !entry.channels.is_empty()));
            }
        }

        /// A slip in a right file gives the same token or none, and what is said of it shows no part of a digest.
        #[test]
        fn a_file_that_was_changed_opens_nothing_and_shows_no_digest(place in any::<Index>(), byte in 0_u8..128) {
            let right = one("channels = [\"sms\"]\nrate = \"1/1s\"");
            let mut bytes = right.into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            match parse(&text) {
                Ok(entries) => {
                    let digest = entries.first().map(|entry| data_encoding::HEXLOWER.encode(&entry.digest));
                    prop_assert!(digest.is_none_or(|digest| text.to_ascii_lowercase().contains(&digest)));
                }
                Err(error) => {
                    let said = error.to_string();
                    let mut parts = DIGEST.as_bytes().windows(8);
                    let is_shown = parts.any(|part| said.as_bytes().windows(8).any(|shown| shown == part));
                    prop_assert!(!is_shown, "{said}");
                }
            }
        }
    }
}
