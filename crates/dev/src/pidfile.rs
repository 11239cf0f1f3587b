//! Files that say which processes a `dev` has started, so that the next one finds what a killed one has left.
//!
//! A process id alone says little: the system gives it to another process one day. So the name is checked before
//! anything is stopped.

use crate::names::REDIS;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

/// How long a left-over process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that a supervisor has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Its executable's name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) pid: u32,
    /// The id of the `dev` that started it.
    pub(crate) supervisor: u32,
}

/// The directory of these files.
#[derive(Debug, Clone)]
pub(crate) struct PidFiles {
    dir: PathBuf,
}

impl PidFiles {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("run"),
        }
    }

    /// Records a process.
    pub(crate) fn write(&self, recorded: &Recorded) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let Recorded {
            name,
            pid,
            supervisor,
        } = recorded;
        fs::write(self.path(name), format!("{pid} {supervisor}\n"))
    }

    /// Forgets a process that has ended, unless another one has been recorded since.
    pub(crate) fn forget(&self, recorded: &Recorded) {
        if self.read(&recorded.name).as_ref() == Some(recorded) {
            // A file that stays names a process that has ended, which is found out at the next start.
            let _removed = fs::remove_file(self.path(&recorded.name));
        }
    }

    /// All recorded processes that still run under the recorded name.
    pub(crate) fn running(&self) -> Vec<Recorded> {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let names = entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".pid")?.to_owned()));
        names
            .filter_map(|name| self.read(&name))
            .filter(runs)
            .collect()
    }

    fn read(&self, name: &str) -> Option<Recorded> {
        let text = fs::read_to_string(self.path(name)).ok()?;
        let (pid, supervisor) = text.trim().split_once(' ')?;
        Some(Recorded {
            name: name.to_owned(),
            pid: pid.parse().ok()?,
            supervisor: supervisor.parse().ok()?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pid"))
    }
}

/// Stops a left-over process, first in order, then for good; returns once it is gone.
pub(crate) async fn stop(recorded: &Recorded) {
    let Some(pid) = pid(recorded.pid) else { return };
    let _sent = kill_process(pid, Signal::TERM);
    let until = Instant::now() + PATIENCE;
    while runs(recorded) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if runs(recorded) {
        let _sent = kill_process(pid, Signal::KILL);
        while runs(recorded) && Instant::now() < until + PATIENCE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// In which order left-over processes are stopped: those that write to Redis before Redis.
pub(crate) fn in_order(mut recorded: Vec<Recorded>) -> Vec<Recorded> {
    recorded.sort_by_key(|process| (process.name == REDIS, process.name.clone()));
    recorded
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

/// Whether the process is there and still the one that was recorded.
fn runs(recorded: &Recorded) -> bool {
    pid(recorded.pid).is_some_and(|pid| test_kill_process(pid).is_ok())
        && name(recorded.pid).is_some_and(|name| name == recorded.name)
}

/// The name of a process' executable; `None` where it has ended (a zombie has ended too).
fn name(pid: u32) -> Option<String> {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // `pid (name) state …`; the name may hold parentheses, and is cut to 15 bytes as ours are not.
        let (head, tail) = stat.rsplit_once(") ")?;
        let (_, name) = head.split_once('(')?;
        return (!tail.starts_with('Z')).then(|| name.to_owned());
    }
    if Path::new("/proc/self/stat").exists() {
        return None;
    }
    let shown = Command::new("ps")
        .args(["-o", "comm=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let command = String::from_utf8(shown.stdout).ok()?;
    Some(Path::new(command.trim()).file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{PidFiles, Recorded, in_order, stop};
    use std::process::Command;

    #[tokio::test]
    async fn a_left_over_process_is_found_by_id_and_name_and_stopped() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = PidFiles::new(dir.path());
        assert!(files.running().is_empty());
        let mut child = Command::new("sleep")
            .arg("600")
            .spawn()
            .expect("the program starts");
        let recorded = Recorded {
            name: "sleep".to_owned(),
            pid: child.id(),
            supervisor: 1,
        };
        files.write(&recorded).expect("it is recorded");
        // Between fork and exec the child still has our name.
        vote_testkit::eventually(std::time::Duration::from_secs(5), || async {
            files.running().len() == 1
        })
        .await;
        assert_eq!(files.running(), std::slice::from_ref(&recorded));
        // The same id under another name is another process.
        files
            .write(&Recorded {
                name: "vote-ingest".to_owned(),
                ..recorded.clone()
            })
            .expect("it is recorded");
        assert_eq!(files.running(), std::slice::from_ref(&recorded));
        stop(&recorded).await;
        assert!(files.running().is_empty());
        assert!(!child.wait().expect("the process ends").success());
        files.forget(&recorded);
        assert!(!files.path("sleep").exists());
    }

    #[test]
    fn a_newer_record_is_not_forgotten_for_an_older_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = PidFiles::new(dir.path());
        let older = Recorded {
            name: "redis-server".to_owned(),
            pid: 1,
            supervisor: 1,
        };
        let newer = Recorded {
            supervisor: 2,
            ..older.clone()
        };
        files.write(&newer).expect("it is recorded");
        files.forget(&older);
        assert_eq!(files.read("redis-server"), Some(newer));
    }

    #[test]
    fn redis_is_stopped_last() {
        let process = |name: &str| Recorded {
            name: name.to_owned(),
            pid: 1,
            supervisor: 1,
        };
        let order = in_order(vec![
            process("redis-server"),
            process("vote-results"),
            process("vote-ingest"),
        ]);
        let names: Vec<&str> = order.iter().map(|process| process.name.as_str()).collect();
        assert_eq!(names, ["vote-ingest", "vote-results", "redis-server"]);
    }
}
