//! The data directory: made, locked, and cleared of what a killed supervisor has left.

use crate::error::DevError;
use crate::host::Host;
use crate::pidfile::{PidFiles, in_order, stop};
use anyhow::Context as _;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Makes it; its full path.
pub(crate) fn prepare(dir: &Path) -> Result<PathBuf, DevError> {
    let create = || -> std::io::Result<PathBuf> {
        fs::create_dir_all(dir.join("redis"))?;
        dir.canonicalize()
    };
    create().map_err(|error| {
        DevError::Usage(format!("--data-dir: can't use {}: {error}", dir.display()))
    })
}

/// Two supervisors must not share a directory: the lock is gone with the process that holds it.
pub(crate) fn lock(data_dir: &Path) -> Result<File, DevError> {
    let path = data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DevError::Usage(format!(
            "another `votectl dev` runs with {}: stop it, or give another --data-dir",
            data_dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(DevError::from(
            anyhow::Error::from(error).context(format!("can't lock {}", path.display())),
        )),
    }
}

/// Stops what a killed `dev` has left in this directory; we hold its lock, so that one is gone.
pub(crate) async fn clear_left_overs(data_dir: &Path, host: &mut impl Host) {
    for recorded in in_order(PidFiles::new(data_dir).running()) {
        let (name, pid) = (&recorded.name, recorded.pid);
        host.note(&format!(
            "stopping {name} (process {pid}), left over from a `dev` that was killed"
        ));
        stop(&recorded).await;
    }
}
