//! A gateway for trials: another token with each run, and the file that ingest knows it by.

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The token's file in the data directory.
const TOKEN: &str = "gateway-token";

/// The file of gateways, which ingest reads.
const GATEWAYS: &str = "gateways.toml";

/// The files of this run's gateway.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    /// Its token: only its owner can read it.
    pub(crate) token: PathBuf,
    /// What ingest knows of it.
    pub(crate) file: PathBuf,
}

/// Writes the files of a gateway with this token, which may vote by the channels of the demo poll, and by that of the rehearsal
/// which takes gateways alone.
///
/// # Errors
/// Where they can't be written.
pub(crate) fn prepare(data_dir: &Path, token: &str) -> anyhow::Result<Gateway> {
    let files = Gateway {
        token: data_dir.join(TOKEN),
        file: data_dir.join(GATEWAYS),
    };
    let digest = HEXLOWER.encode(&Sha256::digest(token));
    let text = format!(
        "# Written by votectl dev at every start.\n[[gateway]]\nname = \"demo\"\ntoken_sha256 = \"{digest}\"\n\
         channels = [\"torcida\", \"unico\", \"sms\"]\nrate = \"100000/1s\"\nvoters_are_subjects = true\n"
    );
    let write = || {
        // Whoever has the one from before may have more rights.
        let _none = fs::remove_file(&files.token);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        writeln!(options.open(&files.token)?, "{token}")?;
        fs::write(&files.file, &text)
    };
    write().with_context(|| format!("can't keep the gateway's token in {}", data_dir.display()))?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn each_run_has_a_token_of_its_own_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |path: &Path| fs::read_to_string(path).expect("text");
        let files = prepare(folder.path(), "the-first-token").expect("a gateway");
        let first = read(&files.file);
        assert_eq!(read(&files.token), "the-first-token\n");
        assert!(!first.contains("the-first-token"));
        let mode = fs::metadata(&files.token)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        prepare(folder.path(), "another-token").expect("a gateway");
        assert_ne!(first, read(&files.file));
    }
}
