//! JSON: the documents as they are.

use std::io;

use crate::documents::Document;
use crate::formats::format::Format;

pub(crate) static JSON: Format = Format {
    content_type: "application/json",
    write,
};

fn write(document: &Document<'_>) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(document)?)
}
