//! A body as it is sent: written and compressed once, then only cloned.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::pages::compress::{brotli, gzip};
use crate::pages::lasting::{Lasting, Parts};
use crate::pages::room::{Room, occupying};

/// Bytes of the content's digest in an entity tag.
const TAG_BYTES: usize = 15;

/// How the bytes of an answer are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    pub(crate) const ALL: [Self; 3] = [Self::Identity, Self::Gzip, Self::Brotli];

    /// Its name in `Content-Encoding`; also the label of metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// What its entity tags end with: a strong tag names bytes, so each coding has its own.
    const fn tag_suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-gzip",
            Self::Brotli => "-br",
        }
    }
}

/// How much work compression is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Made ahead, and read by everybody.
    Ahead,
    /// Made for one who asked.
    OnDemand,
}

/// The bytes of a body in one coding.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
}

/// A body in all the codings it is served in.
#[derive(Debug)]
pub(crate) struct Body {
    /// As it is, which is always served.
    pub(crate) identity: Variant,
    gzip: Option<Variant>,
    brotli: Option<Variant>,
    /// What the next one of its kind need not compress again.
    lasting: Option<Arc<Lasting>>,
    pub(crate) content_type: HeaderValue,
    /// How long caches may keep it.
    pub(crate) cache_control: HeaderValue,
}

/// What the compressors made of a content.
struct Coded {
    gzip: Vec<u8>,
    brotli: Option<Vec<u8>>,
    lasting: Option<Arc<Lasting>>,
}

impl Body {
    /// Compresses a content.
    ///
    /// # Errors
    /// Those of the compressors: none, in memory.
    pub(crate) fn new(
        content: Vec<u8>,
        content_type: &'static str,
        cache_control: HeaderValue,
        effort: Effort,
    ) -> io::Result<Self> {
        let digest = Sha256::digest(&content).into();
        let coded = Coded {
            gzip: gzip(&content, effort == Effort::OnDemand)?,
            brotli: match effort {
                Effort::Ahead => Some(brotli(&content)?),
                Effort::OnDemand => None,
            },
            lasting: None,
        };
        Ok(Self::of(
            content,
            digest,
            coded,
            content_type,
            cache_control,
        ))
    }

    /// As [`Body::new`], ahead, of a content that will go on to say the same in one part. That part is compressed anew only where
    /// `known`, the body before this one, doesn't have it.
    ///
    /// # Errors
    /// Those of the compressors: none, in memory.
    pub(crate) fn with_lasting(
        content: Vec<u8>,
        lasting: Range<usize>,
        known: Option<&Self>,
        content_type: &'static str,
        cache_control: HeaderValue,
    ) -> io::Result<Self> {
        let known = known.and_then(|known| known.lasting.as_ref());
        let Some(parts) = Parts::new(&content, lasting, known)? else {
            return Self::new(content, content_type, cache_control, Effort::Ahead);
        };
        let digest = parts.digest();
        let coded = Coded {
            gzip: parts.gzip()?,
            brotli: Some(parts.brotli()?),
            lasting: Some(parts.lasting),
        };
        Ok(Self::of(
            content,
            digest,
            coded,
            content_type,
            cache_control,
        ))
    }

    fn of(
        content: Vec<u8>,
        digest: [u8; 32],
        coded: Coded,
        content_type: &'static str,
        cache_control: HeaderValue,
    ) -> Self {
        let tag = BASE64URL_NOPAD.encode(&digest[..TAG_BYTES]);
        let variant = |coding, bytes| Variant::new(coding, &tag, bytes);
        // What doesn't become smaller is not worth a client's work.
        let smaller = |bytes: &Vec<u8>| bytes.len() < content.len();
        Self {
            gzip: Some(coded.gzip)
                .filter(smaller)
                .map(|bytes| variant(Coding::Gzip, bytes)),
            brotli: coded
                .brotli
                .filter(smaller)
                .map(|bytes| variant(Coding::Brotli, bytes)),
            lasting: coded.lasting,
            identity: variant(Coding::Identity, content),
            content_type: HeaderValue::from_static(content_type),
            cache_control,
        }
    }

    /// Lets its bytes take room, for as long as a cache or a reader has them.
    #[must_use]
    pub(crate) fn in_room(mut self, room: &Room) -> Self {
        let taken = room.take(self.size());
        let coded = [&mut self.gzip, &mut self.brotli].into_iter().flatten();
        for variant in coded.chain([&mut self.identity]) {
            variant.bytes = occupying(std::mem::take(&mut variant.bytes), &taken);
        }
        self
    }

    /// The bytes of all codings.
    pub(crate) fn size(&self) -> usize {
        let coded = [&self.gzip, &self.brotli].into_iter().flatten();
        let bytes: usize = coded.map(|variant| variant.bytes.len()).sum();
        self.identity.bytes.len() + bytes
    }

    /// The body in a coding; `None` where it isn't served in it.
    pub(crate) fn variant(&self, coding: Coding) -> Option<&Variant> {
        match coding {
            Coding::Identity => Some(&self.identity),
            Coding::Gzip => self.gzip.as_ref(),
            Coding::Brotli => self.brotli.as_ref(),
        }
    }
}

impl Variant {
    fn new(coding: Coding, tag: &str, bytes: Vec<u8>) -> Self {
        let etag = format!("\"{tag}{}\"", coding.tag_suffix());
        Self {
            // Without what a vector keeps to grow.
            bytes: bytes.into_boxed_slice().into(),
            // Base64url and a suffix are always a header's text.
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn of(content: String, effort: Effort) -> Body {
        let cache_control = HeaderValue::from_static("max-age=1");
        Body::new(content.into_bytes(), "text/plain", cache_control, effort).expect("compresses")
    }

    fn body(rows: u32, effort: Effort) -> Body {
        let row = |i| format!("[{i},\"a candidate's name\"],");
        of((0..rows).map(row).collect(), effort)
    }

    /// Both codings, decoded, are the content, and a third of its size at most.
    fn assert_decodes(body: &Body) {
        let plain = &body.identity.bytes;
        let gzip = &body.variant(Coding::Gzip).expect("gzip").bytes;
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..])
            .read_to_end(&mut decoded)
            .expect("gzip");
        assert_eq!(&decoded[..], &plain[..]);
        let brotli = &body.variant(Coding::Brotli).expect("brotli").bytes;
        let mut decoded = Vec::new();
        brotli::BrotliDecompress(&mut &brotli[..], &mut decoded).expect("brotli");
        assert_eq!(&decoded[..], &plain[..]);
        assert!(gzip.len() * 3 < plain.len() && brotli.len() * 3 < plain.len());
    }

    #[test]
    fn every_coding_decodes_to_the_same_bytes() {
        for rows in [20, 200, 20_000] {
            assert_decodes(&body(rows, Effort::Ahead));
        }
    }

    /// A body whose middle lasts.
    fn parted(before: &str, rows: u32, after: &str, known: Option<&Body>) -> Body {
        let row = |i| format!("[{i},\"a candidate's name\"],");
        let middle: String = (0..rows).map(row).collect();
        let lasting = before.len()..before.len() + middle.len();
        let content = format!("{before}{middle}{after}").into_bytes();
        let cache_control = HeaderValue::from_static("max-age=1");
        Body::with_lasting(content, lasting, known, "text/plain", cache_control)
            .expect("compresses")
    }

    #[test]
    fn a_body_with_a_lasting_part_decodes_to_the_same_bytes() {
        let long = "what comes after ".repeat(2000);
        for before in ["", "{", "what comes before "] {
            for rows in [100, 500, 20_000] {
                for after in ["}", "[1,\"a candidate's name\"]}", &long] {
                    assert_decodes(&parted(before, rows, after, None));
                }
            }
        }
        // Random bytes, of which compression makes more.
        let mut state = 1_u32;
        let mut noise = |length: usize| -> Vec<u8> {
            let next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            std::iter::repeat_with(next).take(length).collect()
        };
        for (length, lasting) in [(9_000, 3..6_000), (300_000, 0..150_000)] {
            let content = noise(length);
            let parts = Parts::new(&content, lasting, None)
                .expect("parts")
                .expect("large");
            let mut decoded = Vec::new();
            flate2::read::GzDecoder::new(&parts.gzip().expect("gzip")[..])
                .read_to_end(&mut decoded)
                .expect("gzip");
            assert_eq!(decoded, content);
            let (brotli, mut decoded) = (parts.brotli().expect("brotli"), Vec::new());
            brotli::BrotliDecompress(&mut &brotli[..], &mut decoded).expect("brotli");
            assert_eq!(decoded, content);
        }
    }

    #[test]
    fn a_lasting_part_is_compressed_once_and_the_bytes_are_those_of_a_body_without_a_past() {
        let first = parted("1,", 200, "end", None);
        let next = parted("2,", 200, "the end", Some(&first));
        let lasting = |body: &Body| Arc::clone(body.lasting.as_ref().expect("a part"));
        assert!(Arc::ptr_eq(&lasting(&first), &lasting(&next)));
        let without_past = parted("2,", 200, "the end", None);
        assert!(!Arc::ptr_eq(&lasting(&first), &lasting(&without_past)));
        for coding in Coding::ALL {
            let (one, other) = (next.variant(coding), without_past.variant(coding));
            let (one, other) = (one.expect("served"), other.expect("served"));
            assert_eq!((&one.bytes, &one.etag), (&other.bytes, &other.etag));
            assert_ne!(first.variant(coding).expect("served").etag, one.etag);
        }
        // Another part, or the same one in another place, is not taken for it.
        for other in [
            parted("2,", 201, "the end", Some(&first)),
            parted("", 200, "the end", Some(&first)),
        ] {
            assert!(!Arc::ptr_eq(&lasting(&first), &lasting(&other)));
            assert_decodes(&other);
        }
    }

    #[test]
    fn a_part_that_is_short_or_ends_the_content_is_compressed_with_the_rest() {
        assert!(parted("1,", 3, "end", None).lasting.is_none());
        assert!(parted("1,", 200, "", None).lasting.is_none());
    }

    #[test]
    fn every_coding_has_its_own_strong_tag() {
        let body = body(20, Effort::Ahead);
        let tags: Vec<&str> = Coding::ALL
            .iter()
            .map(|coding| {
                let etag = &body.variant(*coding).expect("served").etag;
                etag.to_str().expect("text")
            })
            .collect();
        let opaque = tags[0].trim_matches('"');
        assert_eq!(opaque.len(), 20);
        assert_eq!(tags[1], format!("\"{opaque}-gzip\""));
        assert_eq!(tags[2], format!("\"{opaque}-br\""));
    }

    #[test]
    fn a_tag_changes_with_the_content() {
        assert_ne!(
            body(20, Effort::Ahead).identity.etag,
            body(21, Effort::Ahead).identity.etag
        );
    }

    #[test]
    fn what_does_not_become_smaller_is_served_as_it_is() {
        let body = of("1".to_owned(), Effort::Ahead);
        assert!(body.variant(Coding::Gzip).is_none());
        assert!(body.variant(Coding::Brotli).is_none());
    }

    #[test]
    fn on_demand_there_is_no_brotli() {
        let body = body(20, Effort::OnDemand);
        assert!(body.variant(Coding::Gzip).is_some());
        assert!(body.variant(Coding::Brotli).is_none());
    }
}
