//! The key that voter tokens are made with here: another one with each run, so that no token outlives the trial.

use anyhow::Context as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use vote_voters::mint::SigningKey;

/// The private key's file in the data directory.
const KEY: &str = "voter-key.json";

/// The public key's file, which ingest reads.
const KEYS: &str = "voter-keys.json";

/// The files of this run's key.
#[derive(Debug, Clone)]
pub(crate) struct VoterKey {
    /// With it tokens are made: only its owner can read it.
    pub(crate) private: PathBuf,
    /// With it they are verified.
    pub(crate) public: PathBuf,
}

/// Writes the key of these random bytes.
///
/// # Errors
/// Where it can't be written.
pub(crate) fn prepare(data_dir: &Path, seed: [u8; 32]) -> anyhow::Result<VoterKey> {
    let key = SigningKey::from_seed(seed);
    let files = VoterKey {
        private: data_dir.join(KEY),
        public: data_dir.join(KEYS),
    };
    let write = || {
        // Whoever has the one from before may have more rights.
        let _none = fs::remove_file(&files.private);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&files.private)?;
        writeln!(file, "{}", key.to_private_jwk())?;
        fs::write(&files.public, key.public_jwks())
    };
    write().with_context(|| format!("can't keep the voters' key in {}", data_dir.display()))?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn each_run_has_a_key_of_its_own_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |path: &Path| fs::read_to_string(path).expect("text");
        let files = prepare(folder.path(), [1; 32]).expect("a key");
        let first = (read(&files.private), read(&files.public));
        let mode = fs::metadata(&files.private)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = prepare(folder.path(), [2; 32]).expect("a key");
        assert_ne!(first, (read(&files.private), read(&files.public)));
        assert!(!read(&files.public).contains("\"d\""));
    }
}
