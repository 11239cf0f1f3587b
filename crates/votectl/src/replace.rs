//! Files that a command writes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces a file by a new one that is on the disk, so that a failure half-way leaves the old one. What is no
/// plain file (a pipe, a link) is written to as it is.
///
/// # Errors
/// Where it can't be written.
pub(crate) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let plain = match fs::symlink_metadata(file) {
        Ok(there) => there.is_file(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    let (true, Some(name)) = (plain, file.file_name()) else {
        return fs::write(file, content);
    };
    let mut part = name.to_owned();
    part.push(".part");
    let part = file.with_file_name(part);
    let write = || {
        let mut new = File::create(&part)?;
        if let Ok(old) = fs::metadata(file) {
            new.set_permissions(old.permissions())?;
        }
        new.write_all(content)?;
        new.sync_all()?;
        fs::rename(&part, file)
    };
    let written = write();
    if written.is_err() {
        // It is of no use, and what is told is why it could not be written.
        let _removed = fs::remove_file(&part);
    }
    written
}
