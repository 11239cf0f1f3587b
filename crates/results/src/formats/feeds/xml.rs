//! `results.xml`: what is said of the poll in attributes and elements of the root, each candidate's in those of its own
//! element, so that an XPath finds it either way: `/results/candidate[1]/name`, `/results/candidate[@id='ana']/@percent_text`.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::documents::feed_table::{Cells, FeedTable};
use crate::formats::feeds::format::FeedFormat;

pub(super) static XML: FeedFormat = FeedFormat {
    name: "xml",
    // Not application/xml, which means the same (RFC 7303, section 9.2): generated clients know text.
    content_type: "text/xml; charset=utf-8",
    write,
};

fn write(table: &FeedTable<'_>) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new());
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    element(&mut writer, "results", &table.poll, |writer| {
        table
            .rows
            .iter()
            .try_for_each(|row| element(writer, "candidate", row, |_writer| Ok(())))
    })?;
    Ok(writer.into_inner())
}

/// An element with these values as attributes and as elements, and what `inner` writes behind them.
fn element(
    writer: &mut Writer<Vec<u8>>,
    name: &str,
    cells: &Cells<'_>,
    inner: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<()>,
) -> io::Result<()> {
    let values: Vec<(&str, String)> = cells
        .0
        .iter()
        .map(|(name, cell)| (*name, characters(&cell.plain())))
        .collect();
    let attributes = values.iter().map(|(name, value)| (*name, value.as_str()));
    let start = BytesStart::new(name).with_attributes(attributes);
    writer.write_event(Event::Start(start))?;
    for (name, value) in &values {
        writer.write_event(Event::Start(BytesStart::new(*name)))?;
        writer.write_event(Event::Text(BytesText::new(value)))?;
        writer.write_event(Event::End(BytesEnd::new(*name)))?;
    }
    inner(writer)?;
    writer.write_event(Event::End(BytesEnd::new(name)))
}

/// The text with a replacement for each character that XML 1.0 can't write at all (section 2.2): a parser would refuse
/// the whole document.
fn characters(text: &str) -> String {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    let written = |c: char| {
        if legal(c) {
            c
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(written).collect()
}
