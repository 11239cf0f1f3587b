//! Free TCP ports that nothing takes away while a server restarts.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// First port handed out, and how many: below every system's ephemeral range (Linux starts at 32,768).
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Ports that a process takes at once.
const BLOCK: u16 = 60;

static PORTS: Mutex<Ports> = Mutex::new(Ports::none());

/// A port of 127.0.0.1 that was free a moment ago, and that no process has from here that runs now, this one included.
///
/// It lies outside the ephemeral range on purpose. A client that keeps on connecting to an ephemeral port of its own
/// machine while the server is down is sooner or later given that very port as its source, connects to *itself*, and
/// the server can't come back. Tests that kill and restart Redis under load meet this within minutes.
///
/// # Panics
/// When none of the 12,000 ports is free.
#[must_use]
pub fn free_port() -> u16 {
    let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let left = ports.left.by_ref();
        if let Some(port) = left.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return port;
        }
        assert!(
            ports.take_block(),
            "no free port between {FIRST} and {}",
            FIRST + COUNT - 1
        );
    }
}

/// What a process may hand out: in blocks, each of which it alone has. A port is free as well while its server is started
/// again, so that others can't see whose it is.
struct Ports {
    left: Range<u16>,
    /// The blocks so far, and their locks: held until the process ends, however it ends. Without one where a lock can't be made.
    blocks: Vec<(u16, Option<File>)>,
}

impl Ports {
    const fn none() -> Self {
        Self {
            left: 0..0,
            blocks: Vec::new(),
        }
    }

    /// Takes a block that no other process has; whether there was one.
    fn take_block(&mut self) -> bool {
        const BLOCKS: u16 = COUNT / BLOCK;
        let folder = folder();
        // If it can't be made, no block can be locked.
        let _may_be_there = std::fs::create_dir_all(&folder);
        let seed = std::process::id().wrapping_mul(2_654_435_761) >> 16;
        let from = u16::try_from(seed).unwrap_or_default() % BLOCKS;
        for block in (from..BLOCKS).chain(0..from) {
            if self.blocks.iter().any(|(taken, _)| *taken == block) {
                continue;
            }
            let file = lock_file(&folder, block);
            if let Ok(file) = &file
                && let Err(TryLockError::WouldBlock) = file.try_lock()
            {
                continue;
            }
            self.blocks.push((block, file.ok()));
            let first = FIRST + block * BLOCK;
            self.left = first..first + BLOCK;
            return true;
        }
        false
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("vote-testkit-ports")
}

fn lock_file(folder: &Path, block: u16) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(folder.join(block.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_free_distinct_and_outside_the_ephemeral_range() {
        let ports: BTreeSet<u16> = (0..150).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 150);
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
    }

    #[test]
    fn a_block_is_one_owners_until_its_process_ends() {
        let mut owners: Vec<_> = (0..20).map(|_| Ports::none()).collect();
        assert!(owners.iter_mut().all(Ports::take_block));
        let firsts: BTreeSet<u16> = owners.iter().map(|owner| owner.left.start).collect();
        assert_eq!(firsts.len(), 20);
        let (block, _) = owners[0].blocks[0];
        let is_locked = || {
            let file = lock_file(&folder(), block).expect("the owner has made it");
            matches!(file.try_lock(), Err(TryLockError::WouldBlock))
        };
        assert!(is_locked());
        owners.clear();
        assert!(!is_locked());
    }
}
