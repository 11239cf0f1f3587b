//! What `commit.lua` answers. The script's header is the protocol.

use vote_domain::Refusal;

/// A parsed reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Applied; a letter a checked vote, or none where all are accepted.
    Applied(Vec<Letter>),
    /// All late but those that are known from before.
    Late(Vec<Letter>),
    /// Refused by the fence.
    Refused(Refusal, Vec<Letter>),
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

/// The outcome of one checked vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    Accepted,
    Duplicate,
    Mismatch,
    LimitReached,
    Late,
    Refused,
}

impl Letter {
    fn parse(letter: u8) -> Option<Self> {
        Some(match letter {
            b'a' => Self::Accepted,
            b'd' => Self::Duplicate,
            b'm' => Self::Mismatch,
            b'l' => Self::LimitReached,
            b'x' => Self::Late,
            b'r' => Self::Refused,
            _ => return None,
        })
    }
}

impl Reply {
    /// Whether the batch has used its sequence. A poll that is over for good is not written to.
    pub(crate) const fn uses_sequence(&self) -> bool {
        !matches!(
            self,
            Self::Refused(Refusal::Sealed | Refusal::Void, _)
                | Self::Waits(_)
                | Self::Gap { .. }
                | Self::Behind { .. }
                | Self::Stands { .. }
        )
    }

    /// Parses a reply to a batch with `checked` checked votes; `None` if it is not one.
    pub(crate) fn parse(reply: &[u8], checked: usize) -> Option<Self> {
        let (&kind, rest) = reply.split_first()?;
        match kind {
            b'A' => Some(Self::Applied(letters(rest, checked, Letter::Accepted)?)),
            b'L' => Some(Self::Late(letters(rest, checked, Letter::Late)?)),
            b'R' => {
                let end = rest.iter().position(|byte| *byte == b';')?;
                let refusal = match &rest[..end] {
                    b"not_open" | b"draft" => Refusal::NotOpenYet,
                    b"paused" => Refusal::Paused,
                    b"sealed" => Refusal::Sealed,
                    b"void" => Refusal::Void,
                    _ => return None,
                };
                let letters = letters(&rest[end + 1..], checked, Letter::Refused)?;
                Some(Self::Refused(refusal, letters))
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
            b'G' => Some(Self::Gap {
                last: std::str::from_utf8(rest).ok()?.parse().ok()?,
            }),
            b'B' => Some(Self::Behind {
                last: std::str::from_utf8(rest).ok()?.parse().ok()?,
            }),
            b'V' => Some(Self::Stands {
                votes: std::str::from_utf8(rest).ok()?.parse().ok()?,
            }),
            _ => None,
        }
    }
}

fn letters(text: &[u8], checked: usize, all: Letter) -> Option<Vec<Letter>> {
    if text.is_empty() {
        return Some(vec![all; checked]);
    }
    if text.len() != checked {
        return None;
    }
    text.iter().map(|letter| Letter::parse(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_parsed_as_the_script_writes_them() {
        assert_eq!(
            Reply::parse(b"A", 2),
            Some(Reply::Applied(vec![Letter::Accepted; 2]))
        );
        assert_eq!(
            Reply::parse(b"Aadml", 4),
            Some(Reply::Applied(vec![
                Letter::Accepted,
                Letter::Duplicate,
                Letter::Mismatch,
                Letter::LimitReached
            ]))
        );
        assert_eq!(
            Reply::parse(b"Rpaused;dr", 2),
            Some(Reply::Refused(
                Refusal::Paused,
                vec![Letter::Duplicate, Letter::Refused]
            ))
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
