//! What a format of feeds is, and what those of JSON share.

use std::io;

use serde::Serialize;
use serde::ser::SerializeMap as _;

use crate::documents::feed_table::{Cells, FeedTable};

/// A way to write feeds.
#[derive(Debug)]
pub(crate) struct FeedFormat {
    /// What its address ends with, after `results.`; also the label of metrics.
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) write: fn(&FeedTable<'_>) -> io::Result<Vec<u8>>,
}

impl PartialEq for FeedFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for FeedFormat {}

/// Several lists of names and values as one JSON object.
pub(super) struct Object<'t>(pub(super) &'t [&'t Cells<'t>]);

impl Serialize for Object<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, cell) in self.0.iter().flat_map(|cells| &cells.0) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}
