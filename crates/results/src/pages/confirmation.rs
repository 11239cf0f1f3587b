//! When pages were last confirmed: said in a header field, since bodies are the same in every process.

use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::http::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use vote_domain::wire_time;

/// When this process last found in Redis what it answers with (RFC 3339, UTC). No field of HTTP says that: `Date` is
/// when the answer was made, `Age` is for caches, `Last-Modified` is when the content changed.
pub(crate) const CONFIRMED_AT: HeaderName = HeaderName::from_static("figures-confirmed-at");

/// The instant of the last confirmation; it moves while the pages stay.
#[derive(Debug, Default)]
pub(crate) struct Confirmation(AtomicI64);

impl Confirmation {
    pub(crate) fn set(&self, at: Timestamp) {
        self.0.store(at.as_millisecond(), Ordering::Relaxed);
    }

    /// The value of [`CONFIRMED_AT`].
    pub(crate) fn header(&self) -> HeaderValue {
        let at = Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap_or_default();
        // A date's text is always a header's.
        HeaderValue::try_from(wire_time::format(at)).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::opens_at;

    #[test]
    fn a_confirmation_is_said_to_the_millisecond() {
        let confirmation = Confirmation::default();
        confirmation.set(opens_at());
        assert_eq!(confirmation.header(), "2026-11-24T00:00:00.000Z");
    }
}
