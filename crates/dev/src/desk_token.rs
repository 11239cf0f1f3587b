//! The token with which production's desk is looked at here: in a file, made once, so that it is in no output and no log.

use anyhow::Context as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
const FILE: &str = "production-token";

/// The file with the token, which only its owner can read; the one from before, where there is one. `token` is a new one.
///
/// # Errors
/// Where it can't be written.
pub(crate) fn prepare(data_dir: &Path, token: &str) -> anyhow::Result<PathBuf> {
    let path = data_dir.join(FILE);
    let said = || format!("can't keep the desk's token in {}", path.display());
    // Half a token, of a process that was killed while it wrote, is none.
    let is_whole = fs::read_to_string(&path)
        .is_ok_and(|text| text.ends_with('\n') && text.len() > token.len());
    if is_whole {
        return Ok(path);
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(said);
        }
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| writeln!(file, "{token}"))
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
        let path = prepare(folder.path(), "0123456789abcdef").expect("a token");
        let token = || fs::read_to_string(&path).expect("text");
        assert_eq!(token(), "0123456789abcdef\n");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        prepare(folder.path(), "another-token-00").expect("a token");
        assert_eq!(token(), "0123456789abcdef\n");
        // What a killed process has left.
        fs::write(&path, "012345").expect("written");
        prepare(folder.path(), "another-token-00").expect("a token");
        assert_eq!(token(), "another-token-00\n");
    }
}
