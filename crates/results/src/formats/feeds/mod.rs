//! The formats of feeds, one file each. A feed is asked for by its address, not by `Accept`: who takes only a URL sends none
//! that says anything.

mod csv;
mod flat;
mod rows;
mod xml;

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

/// All of them: every feed is made in each.
pub(crate) const ALL: [&FeedFormat; 4] = [ROWS, FLAT, CSV, XML];

/// An array of rows; the stream sends it too.
pub(crate) const ROWS: &FeedFormat = &rows::ROWS;
/// One object without any other in it.
pub(crate) const FLAT: &FeedFormat = &flat::FLAT;
/// A table.
pub(crate) const CSV: &FeedFormat = &csv::CSV;
/// Elements and attributes.
pub(crate) const XML: &FeedFormat = &xml::XML;

impl PartialEq for FeedFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for FeedFormat {}

/// Several lists of names and values as one JSON object.
struct Object<'t>(&'t [&'t Cells<'t>]);

impl Serialize for Object<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, cell) in self.0.iter().flat_map(|cells| &cells.0) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
