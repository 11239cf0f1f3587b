//! The formats of feeds, one file each. A feed is asked for by its address, not by `Accept`: who takes only a URL sends none
//! that says anything.

mod csv;
mod flat;
pub(crate) mod format;
mod rows;
mod xml;

use self::format::FeedFormat;

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

#[cfg(test)]
mod tests;
