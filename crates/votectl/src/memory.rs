//! Which polls this operator has seen where, so that one that Redis has lost is missed.
//!
//! A small file on the operator's machine. No command fails for it: where it can't be read or written, nothing is
//! remembered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use vote_domain::{Poll, PollId, PollState, wire_time};

/// The environment variable that names the directory of the file; `off` for none.
pub const DIRECTORY: &str = "VOTECTL_STATE_DIR";

const OFF: &str = "off";
const FILE: &str = "polls.json";
const VERSION: u32 = 1;
/// The servers that are remembered, and the polls of each: the ones seen last.
const MOST_SERVERS: usize = 64;
const MOST_POLLS: usize = 256;
/// A file that is larger is not ours.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// A poll as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its state.
    pub state: PollState,
    /// When.
    #[serde(with = "wire_time")]
    pub at: Timestamp,
}

type Polls = BTreeMap<PollId, Seen>;

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    version: u32,
    /// By the address of Redis, without passwords.
    servers: BTreeMap<String, Polls>,
}

/// The polls of one Redis.
#[derive(Debug)]
pub struct Memory {
    file: Option<PathBuf>,
    address: String,
    /// What this command has seen; `None` for what is to be forgotten.
    news: BTreeMap<PollId, Option<Seen>>,
}

impl Memory {
    /// Of the Redis at `address`, in the directory that the environment names, or else in that of programs' states
    /// (XDG Base Directory Specification).
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "where a user's programs keep such files is no setting of a service"
    )]
    pub fn of_this_user(address: String) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let directory = match variable(DIRECTORY) {
            Some(given) if given == OFF => None,
            Some(given) => Some(PathBuf::from(given)),
            None => variable("XDG_STATE_HOME")
                .map(PathBuf::from)
                // "All paths set in these environment variables must be absolute."
                .filter(|path| path.is_absolute())
                .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))
                .map(|states| states.join("votectl")),
        };
        Self::within(directory, address)
    }

    /// Of the Redis at `address`, in this directory; `None` remembers nothing.
    #[must_use]
    pub fn within(directory: Option<PathBuf>, address: String) -> Self {
        Self {
            file: directory.map(|directory| directory.join(FILE)),
            address,
            news: BTreeMap::new(),
        }
    }

    /// The poll is there. One that is void is nothing to miss.
    pub fn see(&mut self, poll: &Poll, now: Timestamp) {
        let state = poll.state;
        let seen = (state != PollState::Void).then_some(Seen { state, at: now });
        self.news.insert(poll.definition.id().clone(), seen);
    }

    /// The poll is not to be missed any more.
    pub fn forget(&mut self, poll: &PollId) {
        self.news.insert(poll.clone(), None);
    }

    /// What earlier commands have seen, and this one has not.
    #[must_use]
    pub fn missed(&self) -> BTreeMap<PollId, Seen> {
        let servers = self.file.as_deref().and_then(read);
        let polls = servers.and_then(|mut servers| servers.remove(&self.address));
        let mut polls = polls.unwrap_or_default();
        polls.retain(|id, _| !self.news.contains_key(id));
        polls
    }

    /// Remembers what this command has seen.
    pub fn write(&self) {
        let Some(file) = self.file.as_deref().filter(|_| !self.news.is_empty()) else {
            return;
        };
        let Some(mut servers) = read(file) else {
            return;
        };
        let polls = servers.entry(self.address.clone()).or_default();
        for (id, seen) in &self.news {
            match seen {
                Some(seen) => polls.insert(id.clone(), seen.clone()),
                None => polls.remove(id),
            };
        }
        while polls.len() > MOST_POLLS {
            let oldest = polls.iter().min_by_key(|(_, seen)| seen.at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            polls.remove(&oldest);
        }
        servers.retain(|_, polls| !polls.is_empty());
        while servers.len() > MOST_SERVERS {
            let last_seen = |polls: &Polls| polls.values().map(|seen| seen.at).max();
            let oldest = servers.iter().min_by_key(|(_, polls)| last_seen(polls));
            let Some(oldest) = oldest.map(|(address, _)| address.clone()) else {
                break;
            };
            servers.remove(&oldest);
        }
        let version = VERSION;
        // Nobody waits for it: what can't be written is not remembered.
        let _written = replace(file, &Remembered { version, servers });
    }
}

/// What the file holds; nothing where there is none, or it is damaged. `None` where a later version has written it, which
/// knows more than this one could write.
fn read(file: &Path) -> Option<BTreeMap<String, Polls>> {
    #[derive(Deserialize)]
    struct Header {
        version: u32,
    }
    let is_ours = std::fs::metadata(file).is_ok_and(|found| found.len() <= MOST_BYTES);
    let bytes = if is_ours {
        std::fs::read(file).unwrap_or_default()
    } else {
        Vec::new()
    };
    match serde_json::from_slice::<Header>(&bytes) {
        Ok(header) if header.version > VERSION => return None,
        _ => {}
    }
    let read = serde_json::from_slice::<Remembered>(&bytes);
    Some(read.map(|read| read.servers).unwrap_or_default())
}

/// Another command may read it at any time: it sees the old file or the new one.
fn replace(file: &Path, remembered: &Remembered) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let beside = directory.join(format!("{FILE}.{}", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        serde_json::to_writer_pretty(&mut file, remembered)?;
        file.write_all(b"\n")
    });
    let replaced = written.and_then(|()| std::fs::rename(&beside, file));
    if replaced.is_err() {
        let _removed = std::fs::remove_file(&beside);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use vote_domain::Transition;
    use vote_testkit::fixtures::{at, demo_poll};

    fn now() -> Timestamp {
        at("2026-11-24T00:00:00Z")
    }

    fn poll(id: &str) -> Poll {
        demo_poll().id(id).draft()
    }

    fn names(memory: &Memory) -> Vec<String> {
        memory.missed().keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_poll_is_missed_at_its_own_address_until_it_is_seen_or_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let memory =
            |address: &str| Memory::within(Some(directory.path().join("new")), address.to_owned());
        let mut first = memory("redis://a");
        for id in ["one", "two", "three"] {
            first.see(&poll(id), now());
        }
        first.write();
        assert_eq!(names(&memory("redis://a")), ["one", "three", "two"]);
        assert_eq!(names(&memory("redis://b")), [""; 0]);

        let mut second = memory("redis://a");
        second.see(&poll("two"), now());
        let void = poll("one").transition(Transition::Void, now(), "ana");
        second.see(&void.expect("legal"), now());
        second.forget(poll("three").definition.id());
        assert_eq!(names(&second), [""; 0]);
        second.write();
        assert_eq!(names(&memory("redis://a")), ["two"]);
    }

    #[test]
    fn it_is_bounded_and_lets_go_of_what_was_seen_longest_ago() {
        let directory = tempfile::tempdir().expect("a directory");
        let memory = |address: &str| {
            Memory::within(Some(directory.path().to_path_buf()), address.to_owned())
        };
        let mut full = memory("redis://a");
        for number in 0..=MOST_POLLS {
            let later = SignedDuration::from_secs(number as i64);
            full.see(&poll(&format!("p{number}")), now() + later);
        }
        full.write();
        let missed = names(&memory("redis://a"));
        assert_eq!(missed.len(), MOST_POLLS);
        assert!(!missed.contains(&"p0".to_owned()));

        for number in 0..MOST_SERVERS {
            let mut other = memory(&format!("redis://{number}"));
            let later = SignedDuration::from_hours(1 + number as i64);
            other.see(&poll("p"), now() + later);
            other.write();
        }
        assert_eq!(names(&memory("redis://a")), [""; 0]);
        assert_eq!(names(&memory("redis://0")), ["p"]);
    }

    #[test]
    fn what_is_no_memory_is_none_and_a_later_versions_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join(FILE);
        let memory = || Memory::within(Some(directory.path().to_path_buf()), "r".to_owned());
        let hostile = r#"{"version":1,"servers":{"r":{"../x":{"state":"open","at":"now"}}}}"#;
        for text in ["", "{", "[]", hostile] {
            std::fs::write(&file, text).expect("written");
            assert_eq!(names(&memory()), [""; 0], "{text}");
            let mut next = memory();
            next.see(&poll("p"), now());
            next.write();
            assert_eq!(names(&memory()), ["p"], "{text}");
        }
        let later = r#"{"version":2,"polls":[]}"#;
        std::fs::write(&file, later).expect("written");
        let mut next = memory();
        next.see(&poll("p"), now());
        next.write();
        assert_eq!(std::fs::read_to_string(&file).expect("there"), later);
    }

    #[test]
    fn nothing_is_said_where_nothing_can_be_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "x").expect("written");
        for place in [None, Some(file), Some(PathBuf::from("/proc/none"))] {
            let mut memory = Memory::within(place, "r".to_owned());
            memory.see(&poll("p"), now());
            memory.write();
            assert_eq!(memory.missed().len(), 0);
        }
    }
}
