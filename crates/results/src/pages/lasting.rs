//! What most of a body goes on to say from one revision to the next, compressed once: a page but for its figures, the minutes of
//! the hours that have ended.
//!
//! Which part that is, the content alone says: so the same content is the same bytes in every process, whether or not it had
//! the part already.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::pages::compress::{Pace, brotli_of, brotli_part, deflate_part, gzip_of};

/// Less than this is compressed with the rest.
const LEAST: usize = 2 * 1024;

/// A part of a body, and what it is in each coding.
#[derive(Debug)]
pub(crate) struct Lasting {
    text: Vec<u8>,
    /// Whether the body begins with it.
    is_first: bool,
    digest: [u8; 32],
    deflated: Vec<u8>,
    brotli: Vec<u8>,
}

impl Lasting {
    fn new(text: &[u8], is_first: bool) -> io::Result<Self> {
        Ok(Self {
            text: text.to_vec(),
            is_first,
            digest: Sha256::digest(text).into(),
            deflated: deflate_part(text, &[], Pace::Thorough, false)?,
            brotli: brotli_part(text, Pace::Thorough, is_first)?,
        })
    }
}

/// A content in parts.
#[derive(Debug)]
pub(crate) struct Parts<'c> {
    content: &'c [u8],
    before: &'c [u8],
    pub(crate) lasting: Arc<Lasting>,
    after: &'c [u8],
}

impl<'c> Parts<'c> {
    /// Parts a content, and takes the lasting part from the body before it where that says the same; `None` where the part is
    /// too short to be worth it.
    ///
    /// # Errors
    /// Those of the compressors: none, in memory.
    pub(crate) fn new(
        content: &'c [u8],
        lasting: Range<usize>,
        known: Option<&Arc<Lasting>>,
    ) -> io::Result<Option<Self>> {
        let Some(text) = content.get(lasting.clone()) else {
            return Ok(None);
        };
        let (before, after) = (&content[..lasting.start], &content[lasting.end..]);
        if text.len() < LEAST || after.is_empty() {
            return Ok(None);
        }
        let is_first = before.is_empty();
        let known = known.filter(|known| known.is_first == is_first && known.text == text);
        let lasting = match known {
            Some(known) => Arc::clone(known),
            None => Arc::new(Lasting::new(text, is_first)?),
        };
        Ok(Some(Self {
            content,
            before,
            lasting,
            after,
        }))
    }

    /// A digest of the whole content.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.before);
        digest.update(self.lasting.digest);
        digest.update(self.after);
        digest.finalize().into()
    }

    /// The whole content as gzip.
    ///
    /// # Errors
    /// Those of the compressor: none, in memory.
    pub(crate) fn gzip(&self) -> io::Result<Vec<u8>> {
        let before = if self.before.is_empty() {
            Vec::new()
        } else {
            deflate_part(self.before, &[], Pace::Quick, false)?
        };
        let after = deflate_part(self.after, &self.lasting.text, Pace::Quick, true)?;
        let parts = [&before, &self.lasting.deflated, &after].map(|part| &part[..]);
        Ok(gzip_of(self.content, &parts))
    }

    /// The whole content as brotli.
    ///
    /// # Errors
    /// Those of the compressor: none, in memory.
    pub(crate) fn brotli(&self) -> io::Result<Vec<u8>> {
        let before = if self.before.is_empty() {
            Vec::new()
        } else {
            brotli_part(self.before, Pace::Quick, true)?
        };
        let after = brotli_part(self.after, Pace::Quick, false)?;
        let parts = [&before, &self.lasting.brotli, &after].map(|part| &part[..]);
        Ok(brotli_of(&parts))
    }
}
