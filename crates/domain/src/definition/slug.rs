//! Identifiers that are safe in a URL, a file name, a Redis key and a metric's label.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shown::shown;

/// The longest id, in characters (which are bytes: ids are ASCII).
pub(crate) const MAX_CHARS: usize = 64;

/// A text that isn't an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to {MAX_CHARS} characters of a-z, 0-9, `-` and `_`, the first a letter or digit; is `{given}`{}",
    if *chars > MAX_CHARS { format!(" ({chars} characters)") } else { String::new() }
)]
pub struct SlugError {
    /// What was given, cut to a length fit for a message.
    pub given: String,
    /// How many characters it has.
    pub chars: usize,
}

fn check(text: &str) -> Result<(), SlugError> {
    let bytes = text.as_bytes();
    let legal = (1..=MAX_CHARS).contains(&bytes.len())
        && bytes
            .iter()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        && bytes[0].is_ascii_alphanumeric();
    if legal {
        Ok(())
    } else {
        Err(SlugError {
            given: shown(text),
            chars: text.chars().count(),
        })
    }
}

macro_rules! slug {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        ///
        /// 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, the first a letter or digit. Cloning
        /// copies no text.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Debug, derive_more::Display)]
        #[debug("{}({_0})", stringify!($name))]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads an id.
            ///
            /// # Errors
            /// Where the text breaks the rule; the error says the rule and what was given.
            pub fn parse(text: &str) -> Result<Self, SlugError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Lets a map keyed by ids be asked with a `&str`: `Hash` and `Ord` are those of the text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an id")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

slug! {
    /// Names a poll.
    PollId
}
slug! {
    /// Names a candidate within its poll.
    CandidateId
}
slug! {
    /// Names a channel within its poll.
    ChannelId
}

impl PollId {
    /// What a reader may say in a poll's place for the one that is on now; no file defines a poll of this id.
    pub const CURRENT: &'static str = "current";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_what_the_rule_allows() {
        for id in ["a", "0", "paredao-01", "a_b-c", &"x".repeat(64)] {
            assert_eq!(PollId::parse(id).expect(id).as_str(), id);
        }
    }

    #[test]
    fn refuses_what_it_does_not_and_says_why() {
        for id in [
            "", "-a", "_a", "A", "ção", "a b", "a/b", "../x", "a:b", "a{b}", "a\n", "a\0",
        ] {
            let error = PollId::parse(id).expect_err(id).to_string();
            assert!(error.contains("1 to 64 characters of a-z"), "{error}");
        }
        let long = "x".repeat(300);
        let error = PollId::parse(&long).expect_err("too long");
        assert_eq!(error.chars, 300);
        assert!(error.to_string().contains("(300 characters)"), "{error}");
        assert!(error.to_string().len() < 200, "cut: {error}");
    }

    #[test]
    fn is_a_string_on_the_wire_and_is_checked_when_read() {
        let id = ChannelId::parse("torcida").expect("legal");
        let json = serde_json::to_string(&id).expect("serialises");
        assert_eq!(json, r#""torcida""#);
        assert_eq!(serde_json::from_str::<ChannelId>(&json).expect("reads"), id);
        let error = serde_json::from_str::<ChannelId>(r#""../x""#).expect_err("illegal");
        assert!(error.to_string().contains("`../x`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_unchanged(text in ".{0,80}") {
            if let Ok(id) = CandidateId::parse(&text) {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert!(id.as_str().is_ascii());
            }
        }
    }
}
