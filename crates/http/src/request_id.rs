//! The id of a request that ends with a problem: what a client is told, and what the log says of it.
//!
//! Only problems have one. A vote that is recorded is named by its receipt, a page of figures by its revision, and nothing is
//! logged of either, so that an id would say nothing and cost each of them a header.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use actix_web::http::header::{HeaderName, HeaderValue};

/// The header, of requests and of answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The shortest id that is taken from a client, and the longest. A CPF has 11 digits and a telephone number at most 15: whoever
/// is named so is not named in a log.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// Makes the ids of one worker.
pub(crate) struct RequestIds {
    begin: u64,
    made: Cell<u64>,
}

impl RequestIds {
    /// Of a worker that begins somewhere.
    pub(crate) fn new() -> Self {
        Self {
            begin: RandomState::new().hash_one(0),
            made: Cell::new(0),
        }
    }

    /// The id that the client or a proxy has given, or else a new one.
    pub(crate) fn of(&self, given: Option<&[u8]>) -> HeaderValue {
        let given = given.filter(|given| is_id(given));
        let given = given.and_then(|given| HeaderValue::from_bytes(given).ok());
        given.unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let number = self.made.get();
        self.made.set(number.wrapping_add(1));
        // An odd step comes back to where it began after all numbers.
        let id = self
            .begin
            .wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // Hexadecimal digits are always a value.
        HeaderValue::try_from(format!("{id:016x}")).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// Whether it is an id such as a UUID: of a bounded length, and without anything that a log or a shell would read otherwise.
fn is_id(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    LENGTHS.contains(&text.len()) && text.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_that_is_one_is_taken_and_another_is_made() {
        let ids = RequestIds::new();
        for id in [
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
            "0af7651916cd43dd8448eb211c80319c",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "abcdefgh_-012345",
        ] {
            assert_eq!(ids.of(Some(id.as_bytes())), id);
        }
        let long = "a".repeat(65);
        for none in [
            "",
            "52998224725",
            "529.982.247-25",
            "+5521999998888",
            "maria@example.com",
            "abcdefgh ijklmnop",
            "abcdefghijklmno\n",
            "<script>alert(1)</script>",
            "abcdefghijklmn\u{e9}",
            &long,
        ] {
            let made = ids.of(Some(none.as_bytes()));
            assert_ne!(made, none);
            assert_eq!(made.len(), 16);
        }
    }

    #[test]
    fn each_is_another() {
        let (one, other) = (RequestIds::new(), RequestIds::new());
        let made = (0..1000).flat_map(|_| [one.of(None), other.of(None)]);
        let texts: BTreeSet<_> = made
            .map(|id| id.to_str().expect("text").to_owned())
            .collect();
        assert_eq!(texts.len(), 2000);
    }

    proptest! {
        /// Whatever is given, what is answered and logged is one word of a bounded length.
        #[test]
        fn any_bytes_leave_an_id(given in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100), "[A-Za-z0-9_-]{10,70}".prop_map(String::into_bytes),
        ]) {
            let id = RequestIds::new().of(Some(&given));
            prop_assert!(is_id(id.as_bytes()));
            prop_assert_eq!(id.as_bytes() == given, is_id(&given));
        }
    }
}
