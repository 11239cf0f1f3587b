//! What an event is called, so that a reader who comes back, to whichever process, gets nothing older.

use std::fmt;

use jiff::Timestamp;
use vote_domain::PollId;

use crate::pages::body::Body;

/// Characters of the body's entity tag in an id: they tell bodies of one revision apart.
const DIGEST_CHARS: usize = 10;

/// The `id:` of an event, as `paredao-01:r815-V1StGXR8_Z`: the poll, what its place is counted in, its place, and a digest
/// of its body.
///
/// Of the same poll and the same audience it grows with the figures, and two processes that show the same say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventId {
    poll: PollId,
    kind: Kind,
    order: u64,
    digest: String,
}

/// What the place of an event is counted in. Places of two kinds don't compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Revisions.
    Revision,
    /// Milliseconds of `as_of`, for readers who may not know the revision: it is nearly the count of votes.
    Time,
}

impl EventId {
    /// The id of a body that shows the poll at a revision, where its readers may know it, and as of then.
    pub(crate) fn new(poll: &PollId, revision: Option<u64>, as_of: Timestamp, body: &Body) -> Self {
        let (kind, order) = match revision {
            Some(revision) => (Kind::Revision, revision),
            None => {
                let ms = u64::try_from(as_of.as_millisecond());
                (Kind::Time, ms.unwrap_or(0))
            }
        };
        let tag = body.identity.etag.to_str().unwrap_or_default();
        let digest = tag.trim_matches('"').chars().take(DIGEST_CHARS).collect();
        Self {
            poll: poll.clone(),
            kind,
            order,
            digest,
        }
    }

    /// What a reader says that it has (`Last-Event-ID`); `None` for what is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (poll, text) = text.split_once(':')?;
        let (place, digest) = text.split_once('-')?;
        let kind = match place.get(..1)? {
            "r" => Kind::Revision,
            "t" => Kind::Time,
            _ => return None,
        };
        let is_digest = digest.len() == DIGEST_CHARS && digest.bytes().all(is_base64url);
        let digits = place.get(1..)?;
        if !is_digest || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            poll: PollId::parse(poll).ok()?,
            kind,
            order: digits.parse().ok()?,
            digest: digest.to_owned(),
        })
    }

    /// Whether what it names is older than what the other does. Of what can't be compared nothing is.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.poll == other.poll && self.kind == other.kind && self.order < other.order
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Revision => 'r',
            Kind::Time => 't',
        };
        let Self {
            poll,
            order,
            digest,
            ..
        } = self;
        write!(f, "{poll}:{kind}{order}-{digest}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "paredao-01:r815-V1StGXR8_Z",
            "a:t1795482123250-abcdefghi-",
            "a:r0-0000000000",
        ] {
            let id = EventId::parse(text).expect(text);
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn what_is_none_of_ours_is_no_id() {
        let long = format!("a:r{}-V1StGXR8_Z", "9".repeat(100_000));
        for text in [
            "",
            ":",
            "r815-V1StGXR8_Z",
            "UP:r815-V1StGXR8_Z",
            "a:b:r815-V1StGXR8_Z",
            "a:-",
            "a:815",
            "a:r-V1StGXR8_Z",
            "a:r+5-V1StGXR8_Z",
            "a:r815-",
            "a:r815-short",
            "a:r815-V1StGXR8_ZZ",
            "a:r815-V1StGXR8 Z",
            "a:x815-V1StGXR8_Z",
            "a:é815-V1StGXR8_Z",
            "a:r18446744073709551616-V1StGXR8_Z",
            &long,
        ] {
            assert_eq!(EventId::parse(text), None, "{text:.40}");
        }
    }

    #[test]
    fn only_what_is_counted_alike_compares() {
        let id = |text| EventId::parse(text).expect("an id");
        let (first, second) = (id("a:r9-V1StGXR8_Z"), id("a:r10-V1StGXR8_Z"));
        assert!(first.is_before(&second) && !second.is_before(&first));
        assert!(
            !first.is_before(&id("a:r9-aaaaaaaaaa")),
            "the same revision"
        );
        let time = id("a:t1795482123250-V1StGXR8_Z");
        assert!(!first.is_before(&time) && !time.is_before(&first));
        let other = id("b:r10-V1StGXR8_Z");
        assert!(!first.is_before(&other), "another poll");
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_or_none(text in prop_oneof!["\\PC{0,120}", "[a-z0-9-]{1,3}:[rtx][0-9]{0,21}-[A-Za-z0-9_-]{8,11}"]) {
            if let Some(id) = EventId::parse(&text) {
                // Zeros before a number may be lost.
                prop_assert_eq!(EventId::parse(&id.to_string()), Some(id));
            }
        }

        #[test]
        fn an_id_survives_its_writing(poll in "[a-z0-9][a-z0-9-]{0,20}[a-z0-9]", order in any::<u64>(), digest in "[A-Za-z0-9_-]{10}") {
            for kind in ['r', 't'] {
                let text = format!("{poll}:{kind}{order}-{digest}");
                prop_assert_eq!(EventId::parse(&text).map(|id| id.to_string()), Some(text));
            }
        }
    }
}
