//! The key that makes a vote that is sent twice the same vote.

use std::borrow::Cow;

/// The longest idempotency key, in characters.
const MAX_KEY_CHARS: usize = 255;

/// Why the value of an `Idempotency-Key` header isn't a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// It is empty.
    #[error("Idempotency-Key must not be empty")]
    Empty,
    /// It is longer than 255 characters.
    #[error("Idempotency-Key must have at most {MAX_KEY_CHARS} characters")]
    TooLong,
    /// It has characters that a key can't have.
    #[error("Idempotency-Key must hold only visible ASCII characters")]
    Character,
    /// It begins as a structured-field string and doesn't end as one.
    #[error(
        "Idempotency-Key must be one string in double quotes, in which only `\\\"` and `\\\\` are escapes"
    )]
    Quoting,
    /// It isn't in quotes, but holds a quote or a comma: more than one header was given, or half a string.
    #[error(
        "Idempotency-Key must be given once, and in double quotes if it holds a quote or a comma"
    )]
    Bare,
}

/// An idempotency key: what makes a vote that is sent twice the same vote.
///
/// 1 to 255 visible ASCII characters. The header's value is a string of RFC 8941 in double quotes
/// (draft-ietf-httpapi-idempotency-key-header); a value without quotes is taken as it stands, and is the
/// same key as in quotes. It lies in the header's value where that has no escapes: a vote is not worth a copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey<'v>(Cow<'v, str>);

impl<'v> IdempotencyKey<'v> {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// Where it isn't a key; the error says why, and never repeats it.
    pub fn parse(value: &'v str) -> Result<Self, IdempotencyKeyError> {
        let value = value.trim_matches([' ', '\t']);
        let key = match value.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None if value.contains(['"', ',']) => return Err(IdempotencyKeyError::Bare),
            None => Cow::Borrowed(value),
        };
        if key.is_empty() {
            Err(IdempotencyKeyError::Empty)
        } else if !key.bytes().all(|b| b.is_ascii_graphic()) {
            Err(IdempotencyKeyError::Character)
        } else if key.len() > MAX_KEY_CHARS {
            Err(IdempotencyKeyError::TooLong)
        } else {
            Ok(Self(key))
        }
    }

    /// The key itself, without quotes and escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The content of a string whose opening quote has been read.
fn unquote(rest: &str) -> Result<Cow<'_, str>, IdempotencyKeyError> {
    if let Some(content) = rest.strip_suffix('"')
        && !content.contains(['"', '\\'])
    {
        return Ok(Cow::Borrowed(content));
    }
    let mut content = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            Some('"') => break,
            Some('\\') => match chars.next() {
                Some(escaped @ ('"' | '\\')) => content.push(escaped),
                _ => return Err(IdempotencyKeyError::Quoting),
            },
            Some(c) => content.push(c),
            None => return Err(IdempotencyKeyError::Quoting),
        }
    }
    if chars.next().is_some() {
        return Err(IdempotencyKeyError::Quoting);
    }
    Ok(Cow::Owned(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
        let bare = IdempotencyKey::parse(uuid).expect("bare");
        let in_quotes = format!("\"{uuid}\"");
        let quoted = IdempotencyKey::parse(&in_quotes).expect("quoted");
        assert_eq!(bare, quoted);
        assert_eq!(bare.as_str(), uuid);
        for key in [bare, quoted] {
            assert!(matches!(key.0, Cow::Borrowed(_)), "{key:?} was copied");
        }
        assert_eq!(
            IdempotencyKey::parse(r#""a\"b\\c""#)
                .expect("escapes")
                .as_str(),
            r#"a"b\c"#
        );
        assert_eq!(
            IdempotencyKey::parse("AZ+/az09==")
                .expect("base64")
                .as_str(),
            "AZ+/az09=="
        );
        assert_eq!(
            IdempotencyKey::parse(&"k".repeat(255))
                .expect("longest")
                .as_str()
                .len(),
            255
        );
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        use IdempotencyKeyError as E;
        let long = "k".repeat(1000);
        let long_quoted = format!("\"{}\"", "k".repeat(256));
        for (value, error) in [
            ("", E::Empty),
            ("   ", E::Empty),
            (r#""""#, E::Empty),
            (long.as_str(), E::TooLong),
            (long_quoted.as_str(), E::TooLong),
            ("chave-é", E::Character),
            ("a b", E::Character),
            ("\"a b\"", E::Character),
            ("a\0b", E::Character),
            ("\"\u{7f}\"", E::Character),
            ("\"open", E::Quoting),
            (r#""a\n""#, E::Quoting),
            (r#""a\"#, E::Quoting),
            (r#""a"; x=1"#, E::Quoting),
            (r#""a", "b""#, E::Quoting),
            (r#"a"b"#, E::Bare),
            ("a,b", E::Bare),
        ] {
            assert_eq!(IdempotencyKey::parse(value), Err(error), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_its_quoting(key in "[!-~]{1,255}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let parsed = IdempotencyKey::parse(&quoted).expect("legal");
            prop_assert_eq!(parsed.as_str(), key);
        }

        #[test]
        fn no_value_panics(value in ".{0,300}") {
            let _ = IdempotencyKey::parse(&value);
        }
    }
}
