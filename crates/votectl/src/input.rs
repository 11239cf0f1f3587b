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

/// What some editors and shells of Windows put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Its bytes without a byte-order mark: one more than `max_bytes` at most, so that what is too long is seen, and no more of it is read.
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
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("part.json");
        for (written, text) in [
            ("\u{feff}{}", "{}"),
            ("{}", "{}"),
            ("\u{feff}", ""),
            ("", ""),
        ] {
            std::fs::write(&file, written).expect("the file can be written");
            assert_eq!(read(&file, 100).expect("it is read"), text.as_bytes());
        }
    }
}
