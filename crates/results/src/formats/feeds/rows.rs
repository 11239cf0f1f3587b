//! `results.rows.json`: an array of flat objects, a row a candidate. Each row has what is said of the poll too, for graphics
//! systems see one row at a time.

use std::io;

use crate::documents::feed_table::FeedTable;
use crate::formats::feeds::format::{FeedFormat, Object};

pub(super) static ROWS: FeedFormat = FeedFormat {
    name: "rows.json",
    content_type: "application/json",
    write,
};

fn write(table: &FeedTable<'_>) -> io::Result<Vec<u8>> {
    let rows = table.rows.iter().map(|row| [row, &table.poll]);
    let rows: Vec<[_; 2]> = rows.collect();
    let objects: Vec<Object<'_>> = rows.iter().map(|row| Object(row)).collect();
    Ok(serde_json::to_vec(&objects)?)
}
