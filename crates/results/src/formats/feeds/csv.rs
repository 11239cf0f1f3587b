//! `results.csv`: a table with a row of headings (RFC 4180), in UTF-8 without a byte-order mark, numbers with a decimal
//! point. A blank number is an empty field.

use std::borrow::Cow;
use std::io;

use csv::{Terminator, WriterBuilder};

use crate::documents::feed_table::{Cells, FeedTable};
use crate::formats::feeds::format::FeedFormat;

pub(super) static CSV: FeedFormat = FeedFormat {
    name: "csv",
    content_type: "text/csv; charset=utf-8; header=present",
    write,
};

fn write(table: &FeedTable<'_>) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    // Without a row there is none to have the headings from; a feed has one at least.
    if let Some(first) = table.rows.first() {
        let names = cells(first, &table.poll).map(|(name, _)| *name);
        writer.write_record(names)?;
    }
    for row in &table.rows {
        let values = cells(row, &table.poll).map(|(_, cell)| cell.plain());
        writer.write_record(values.map(Cow::into_owned))?;
    }
    writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))
}

fn cells<'t>(
    row: &'t Cells<'t>,
    poll: &'t Cells<'t>,
) -> impl Iterator<Item = &'t (&'static str, crate::documents::feed_table::Cell<'t>)> {
    row.0.iter().chain(&poll.0)
}
