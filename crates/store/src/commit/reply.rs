//! What `commit.lua` answers. The script's header is the protocol.

use vote_domain::Refusal;

use super::outcome::{Outcome, Verdict};

/// A parsed reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Judged: applied, late or refused by the fence.
    Judged {
        /// How its plain votes ended.
        plain: Verdict,
        /// How each of its checked votes ended.
        checked: Vec<Verdict>,
    },
    /// The batch spans the opening or the closing instant (milliseconds since the epoch).
    Split { opens_at_ms: i64, closes_at_ms: i64 },
    /// A replay that is on record after all, as an earlier writer's; counted nothing.
    Original,
    /// Counted nothing, and whatever was sent under this sequence can't apply any more.
    Burnt,
    /// The shard has no fence (`absent`), or a replay found one that takes no votes yet (its state); nothing was done.
    Waits(String),
    /// Redis knows this writer only up to `last`.
    Gap { last: u64 },
    /// Redis knows this writer beyond the batch.
    Behind { last: u64 },
    /// To a question: the sequence is the last one, and the writer has so many votes on record.
    Stands { votes: u64 },
}

impl Reply {
    /// Whether the batch has used its sequence. A poll that is over for good is not written to.
    pub(super) const fn uses_sequence(&self) -> bool {
        match self {
            Self::Judged { plain, .. } => {
                !matches!(plain, Outcome::Refused(Refusal::Sealed | Refusal::Void))
            }
            Self::Split { .. } | Self::Original | Self::Burnt => true,
            Self::Waits(_) | Self::Gap { .. } | Self::Behind { .. } | Self::Stands { .. } => false,
        }
    }

    /// Parses a reply to a batch with `checked` checked votes; `None` if it is not one.
    pub(super) fn parse(reply: &[u8], checked: usize) -> Option<Self> {
        let (&kind, rest) = reply.split_first()?;
        match kind {
            b'A' => judged(Verdict::Accepted(()), rest, checked),
            b'L' => judged(Verdict::Refused(Refusal::Closed), rest, checked),
            b'R' => {
                let end = rest.iter().position(|byte| *byte == b';')?;
                let refusal = match &rest[..end] {
                    b"not_open" | b"draft" => Refusal::NotOpenYet,
                    b"paused" => Refusal::Paused,
                    b"sealed" => Refusal::Sealed,
                    b"void" => Refusal::Void,
                    _ => return None,
                };
                judged(Verdict::Refused(refusal), &rest[end + 1..], checked)
            }
            b'S' => {
                let (opens_at, closes_at) = std::str::from_utf8(rest).ok()?.split_once(';')?;
                Some(Self::Split {
                    opens_at_ms: opens_at.parse().ok()?,
                    closes_at_ms: closes_at.parse().ok()?,
                })
            }
            b'O' if rest.is_empty() => Some(Self::Original),
            b'X' if rest.is_empty() => Some(Self::Burnt),
            b'W' => Some(Self::Waits(String::from_utf8(rest.to_vec()).ok()?)),
            b'G' => number(rest).map(|last| Self::Gap { last }),
            b'B' => number(rest).map(|last| Self::Behind { last }),
            b'V' => number(rest).map(|votes| Self::Stands { votes }),
            _ => None,
        }
    }
}

/// A reply whose plain votes ended as `plain`, with a letter per checked vote, or none where all ended so.
fn judged(plain: Verdict, letters: &[u8], checked: usize) -> Option<Reply> {
    if letters.is_empty() {
        let checked = vec![plain; checked];
        return Some(Reply::Judged { plain, checked });
    }
    if letters.len() != checked {
        return None;
    }
    let refusal = match plain {
        Verdict::Refused(refusal) => refusal,
        _ => Refusal::Closed,
    };
    let checked = letters.iter();
    let checked = checked.map(|letter| Verdict::of_letter(*letter, refusal));
    Some(Reply::Judged {
        plain,
        checked: checked.collect::<Option<_>>()?,
    })
}

/// Says that a server has answered what is no reply.
pub(super) fn not_a_reply(bytes: &[u8]) -> String {
    format!(
        "not a reply of commit.lua: {:?}",
        String::from_utf8_lossy(bytes)
    )
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_parsed_as_the_script_writes_them() {
        let (accepted, paused) = (Verdict::Accepted(()), Verdict::Refused(Refusal::Paused));
        let judged = |plain, checked: &[Verdict]| {
            Some(Reply::Judged {
                plain,
                checked: checked.to_vec(),
            })
        };
        assert_eq!(Reply::parse(b"A", 2), judged(accepted, &[accepted; 2]));
        assert_eq!(
            Reply::parse(b"Aadml", 4),
            judged(
                accepted,
                &[
                    accepted,
                    Verdict::Duplicate(()),
                    Verdict::Mismatch,
                    Verdict::LimitReached
                ]
            )
        );
        let late = Verdict::Refused(Refusal::Closed);
        assert_eq!(
            Reply::parse(b"Ldx", 2),
            judged(late, &[Verdict::Duplicate(()), late])
        );
        assert_eq!(
            Reply::parse(b"Rpaused;dr", 2),
            judged(paused, &[Verdict::Duplicate(()), paused])
        );
        assert_eq!(
            Reply::parse(b"S10;20", 0),
            Some(Reply::Split {
                opens_at_ms: 10,
                closes_at_ms: 20
            })
        );
        assert_eq!(Reply::parse(b"O", 2), Some(Reply::Original));
        assert_eq!(Reply::parse(b"X", 2), Some(Reply::Burnt));
        assert_eq!(
            Reply::parse(b"Wdraft", 2),
            Some(Reply::Waits("draft".to_owned()))
        );
        assert_eq!(Reply::parse(b"G41", 0), Some(Reply::Gap { last: 41 }));
        assert_eq!(Reply::parse(b"B7", 3), Some(Reply::Behind { last: 7 }));
        assert_eq!(Reply::parse(b"V12", 0), Some(Reply::Stands { votes: 12 }));
    }

    #[test]
    fn what_is_not_a_reply_is_not_taken_for_one() {
        for text in [
            &b""[..],
            b"Z",
            b"Aa",
            b"Aaz",
            b"Rwhat;",
            b"S1",
            b"G",
            b"Gx",
            b"V",
            b"V-1",
        ] {
            assert_eq!(Reply::parse(text, 2), None, "{text:?}");
        }
    }
}
