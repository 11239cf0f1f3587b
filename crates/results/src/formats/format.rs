//! What a format is.

use std::io;
use std::ops::Range;

use mime::Mime;

use crate::documents::Document;

/// A way to write documents.
#[derive(Debug)]
pub(crate) struct Format {
    /// What `Content-Type` says of it. No two formats have the same media type.
    pub(crate) content_type: &'static str,
    /// Writes a document.
    pub(crate) write: fn(&Document<'_>) -> io::Result<Vec<u8>>,
    /// Which part of the written document the next revision will say as well: it is compressed once. Only the document says
    /// which, so that every process parts it alike; nothing where there is no such part.
    pub(crate) lasting: fn(&Document<'_>, &[u8]) -> Range<usize>,
}

impl Format {
    /// Whether it is one that a media range of `Accept` means.
    pub(crate) fn is_in(&self, range: &Mime) -> bool {
        let Ok(own) = self.content_type.parse::<Mime>() else {
            return false;
        };
        let is_type = range.type_() == mime::STAR || range.type_() == own.type_();
        is_type && (range.subtype() == mime::STAR || range.subtype() == own.subtype())
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.content_type == other.content_type
    }
}

impl Eq for Format {}
