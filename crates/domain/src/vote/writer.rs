//! Who wrote a batch: an id drawn anew at each start of an ingest process.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shown::shown;

/// A writer of batches, new at each process start: eight random bytes, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Debug)]
#[debug("WriterId({self})")]
pub struct WriterId([u8; 8]);

/// A text that isn't a writer's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a writer must be 16 lower-case hexadecimal digits, is `{given}`")]
pub struct WriterIdError {
    /// What was given, cut to a length fit for a message.
    pub given: String,
}

impl WriterId {
    /// The id made of these bytes, which are to be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Reads 16 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// Where the text is anything else.
    pub fn parse(text: &str) -> Result<Self, WriterIdError> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| WriterIdError { given: shown(text) })
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for WriterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WriterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sixteen_hexadecimal_digits() {
        let writer = WriterId::from_bytes([0, 1, 2, 0xab, 0xcd, 0xef, 0x7f, 0xff]);
        assert_eq!(writer.to_string(), "000102abcdef7fff");
        assert_eq!(WriterId::parse("000102abcdef7fff"), Ok(writer));
        let json = serde_json::to_string(&writer).expect("serialises");
        assert_eq!(json, r#""000102abcdef7fff""#);
        assert_eq!(
            serde_json::from_str::<WriterId>(&json).expect("reads"),
            writer
        );
    }

    #[test]
    fn nothing_else_is_one() {
        for text in [
            "",
            "00",
            "000102ABCDEF7FFF",
            "000102abcdef7ff",
            "000102abcdef7fff0",
            "zz0102abcdef7fff",
            "é",
        ] {
            assert!(WriterId::parse(text).is_err(), "{text}");
        }
    }
}
