//! Files that commands read, `-` for standard input, up to a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// What messages call it.
pub(crate) fn name(file: &Path) -> String {
    if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Its bytes: one more than `max_bytes` at most, so that what is too long is seen, and no more of it is read.
pub(crate) fn read(file: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    if is_stdin(file) {
        io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
