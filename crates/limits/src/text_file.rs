//! Files that people write, which are read with a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The text of a file; `None` where it has more than so many bytes.
///
/// # Errors
/// It can't be read, or is not UTF-8.
pub fn text_of(path: &Path, most_bytes: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(most_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Ok(None);
    }
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|_error| io::Error::from(io::ErrorKind::InvalidData))
}
