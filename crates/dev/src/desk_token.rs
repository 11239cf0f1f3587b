//! The token with which production's desk is looked at here: in a file, made once, so that it is in no output and no log.

use anyhow::Context as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use vote_runtime::entropy;

/// The file's name in the data directory.
const FILE: &str = "production-token";

/// Bytes of randomness: as many as nobody guesses.
const BYTES: usize = 16;

/// The file with the token, which only its owner can read; the one from before, where there is one.
///
/// # Errors
/// Where it can't be written, or there is no randomness.
pub(crate) fn prepare(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let path = data_dir.join(FILE);
    let said = || format!("can't keep the desk's token in {}", path.display());
    // Half a token, of a process that was killed while it wrote, is none.
    let is_whole = fs::read(&path).is_ok_and(|text| text.len() == 2 * BYTES + 1);
    if is_whole {
        return Ok(path);
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(said);
        }
        Ok(()) | Err(_) => {}
    }
    let token: [u8; BYTES] = entropy::random_bytes()?;
    let mut text = String::with_capacity(2 * BYTES + 1);
    for byte in token {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(said)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_token_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = prepare(folder.path()).expect("a token");
        let first = fs::read_to_string(&path).expect("text");
        assert_eq!(first.trim_end().len(), 32);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(prepare(folder.path()).expect("a token"), path);
        assert_eq!(fs::read_to_string(&path).expect("text"), first);
        // What a killed process has left.
        fs::write(&path, "ab").expect("written");
        prepare(folder.path()).expect("a token");
        assert_eq!(fs::read_to_string(&path).expect("text").len(), 33);
    }
}
