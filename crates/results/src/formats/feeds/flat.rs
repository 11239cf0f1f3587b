//! `results.flat.json`: one object without any other in it, for what binds one field to one name. The candidates' names and
//! values have their row in front: `c1_name`, `c1_percent_text`, `c2_name`, …

use std::io;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::documents::feed_table::FeedTable;
use crate::formats::feeds::format::FeedFormat;

pub(super) static FLAT: FeedFormat = FeedFormat {
    name: "flat.json",
    content_type: "application/json",
    write,
};

struct Flat<'t>(&'t FeedTable<'t>);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(table) = self;
        let mut map = serializer.serialize_map(None)?;
        for (name, cell) in &table.poll.0 {
            map.serialize_entry(name, cell)?;
        }
        map.serialize_entry("rows", &table.rows.len())?;
        for (index, row) in table.rows.iter().enumerate() {
            for (name, cell) in &row.0 {
                map.serialize_entry(&format!("c{}_{name}", index + 1), cell)?;
            }
        }
        map.end()
    }
}

fn write(table: &FeedTable<'_>) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Flat(table))?)
}
