//! What decides where the idempotency keys of a poll are kept.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The key of the hash by which idempotency keys are spread among the fields of a shard. A field is read and written whole, so that
/// whoever knew where keys go could choose thousands that go to the same one, and hold up Redis with each (hash flooding).
///
/// Drawn when the poll is created, and the same ever after: under another one no key would be found again. In JSON it is 32
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, derive_more::Debug)]
#[debug("[secret]")]
pub struct KeySeed([u8; 16]);

impl KeySeed {
    /// The seed with these bytes, which nobody can predict.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that spreads keys.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Serialize for KeySeed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for KeySeed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        // Not the text itself, which may be most of a seed.
        bytes
            .map(Self)
            .ok_or_else(|| de::Error::custom("a key_seed has 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\"000102030405060708090a0b0c0d0eff\"";

    #[test]
    fn a_seed_is_read_as_it_is_written_and_never_shows() {
        let seed: KeySeed = serde_json::from_str(TEXT).expect("32 digits");
        assert_eq!(seed.expose()[14..], [14, 255]);
        assert_eq!(serde_json::to_string(&seed).expect("JSON"), TEXT);
        assert_eq!(format!("{seed:?}"), "[secret]");
    }

    #[test]
    fn what_is_no_seed_is_refused_without_being_repeated() {
        for wrong in [
            "",
            "00",
            "g00102030405060708090a0b0c0d0eff",
            &"0".repeat(34),
        ] {
            let json = serde_json::to_string(wrong).expect("JSON");
            let error = serde_json::from_str::<KeySeed>(&json).expect_err(wrong);
            assert!(
                error.to_string().starts_with("a key_seed has 32 "),
                "{error}"
            );
            assert!(wrong.len() < 3 || !error.to_string().contains(wrong));
        }
    }
}
