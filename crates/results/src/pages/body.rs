//! A body as it is sent: written and compressed once, then only cloned.

use std::io::{self, Write as _};

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use brotli::enc::BrotliEncoderParams;
use data_encoding::BASE64URL_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// Up to this size a body is compressed well; a larger one, such as the minutes of two days, quickly.
const COMPRESSED_WELL: usize = 64 * 1024;

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
    pub(crate) content_type: HeaderValue,
    /// How long caches may keep it.
    pub(crate) cache_control: HeaderValue,
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
        let digest = Sha256::digest(&content);
        let tag = BASE64URL_NOPAD.encode(&digest[..TAG_BYTES]);
        let gzip = gzip(&content, effort)?;
        let brotli = match effort {
            Effort::Ahead => Some(brotli(&content)?),
            Effort::OnDemand => None,
        };
        let variant = |coding, bytes| Variant::new(coding, &tag, bytes);
        // What doesn't become smaller is not worth a client's work.
        let smaller = |bytes: &Vec<u8>| bytes.len() < content.len();
        Ok(Self {
            gzip: Some(gzip)
                .filter(smaller)
                .map(|bytes| variant(Coding::Gzip, bytes)),
            brotli: brotli
                .filter(smaller)
                .map(|bytes| variant(Coding::Brotli, bytes)),
            identity: variant(Coding::Identity, content),
            content_type: HeaderValue::from_static(content_type),
            cache_control,
        })
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
            bytes: bytes.into(),
            // Base64url and a suffix are always a header's text.
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }
}

fn gzip(content: &[u8], effort: Effort) -> io::Result<Vec<u8>> {
    let level = match effort {
        Effort::Ahead if content.len() <= COMPRESSED_WELL => Compression::new(6),
        _ => Compression::fast(),
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 3 + 64), level);
    encoder.write_all(content)?;
    encoder.finish()
}

fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let is_small = content.len() <= COMPRESSED_WELL;
    let params = BrotliEncoderParams {
        quality: if is_small { 5 } else { 2 },
        // Not less for small bodies: up to 16, quality 5 takes ten times as long for the same size.
        lgwin: if is_small { 18 } else { 20 },
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::with_capacity(content.len() / 3 + 64);
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &params)?;
    Ok(compressed)
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

    #[test]
    fn every_coding_decodes_to_the_same_bytes() {
        for rows in [20, 20_000] {
            let body = body(rows, Effort::Ahead);
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
