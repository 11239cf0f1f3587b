//! How many connections of clients a process takes: as many as its memory, its file descriptors and its settings have room for.
//!
//! A flood of clients must not take the descriptors that Redis and the operators' port need: a connection that can't be opened
//! for want of one looks like a server that is away.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vote_runtime::settings::Settings;

use crate::error::StartError;

/// Where nothing says how much memory there is, and at the most of what follows from it: for each worker.
const UNBOUNDED: usize = 25_000;

/// As many connections are taken as half of the memory has room for at so much each. One that waits for a request or reads a stream takes
/// less than half of it, one that does not read 48 KiB at the most (docs/http.md): a house full of those leaves a seventh of the whole.
const BYTES_EACH: u64 = 28 * 1024;

/// Files beside the connections of clients and those to Redis: probes and scrapes on the operators' port, listeners, the
/// workers' event queues, the log, traces, what is spilled or read again.
const OTHER_FILES: u64 = 128;

/// With less than this for clients a process does not start.
const LEAST: u64 = 64;

/// Connections of one worker at most.
///
/// # Errors
/// There are so few file descriptors that next to nobody could connect.
pub(crate) fn per_worker(settings: &Settings) -> Result<usize, StartError> {
    let workers = settings.http.worker_count();
    let asked = match settings.http.max_connections {
        0 => by_memory(memory(Path::new("/")), workers),
        number => number,
    };
    let (files, kept) = (raise_files(), kept(settings));
    let Some(files) = files else {
        return Ok(asked);
    };
    let left = files.saturating_sub(kept);
    if left < LEAST {
        return Err(StartError::TooFewFiles { files, kept });
    }
    let most = (usize::try_from(left).unwrap_or(usize::MAX) / workers).max(1);
    if most < asked {
        tracing::warn!(
            files,
            kept,
            connections.asked = asked.saturating_mul(workers),
            connections = most * workers,
            remedy = "raise the limit of open files (ulimit -n, LimitNOFILE), or set http.max_connections lower",
            "fewer connections are taken than are asked for: there are too few file descriptors"
        );
    }
    let taken = asked.min(most);
    tracing::info!(
        connections = taken.saturating_mul(workers),
        files,
        "most connections"
    );
    Ok(taken)
}

/// The descriptors that no client gets.
fn kept(settings: &Settings) -> u64 {
    let redis = u64::try_from(settings.redis.most_connections()).unwrap_or(u64::MAX);
    let judge = &settings.judge;
    let judge = judge.url.as_ref().map_or(0, |_| judge.max_in_flight as u64);
    redis.saturating_add(judge).saturating_add(OTHER_FILES)
}

/// Takes as many file descriptors as the system lets us; `None` where there is no limit.
fn raise_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files can't be raised");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// What half of the memory has room for.
fn by_memory(limit: Option<u64>, workers: usize) -> usize {
    let Some(limit) = limit else {
        return UNBOUNDED;
    };
    let room = usize::try_from(limit / 2 / BYTES_EACH).unwrap_or(usize::MAX);
    (room / workers).clamp(1, UNBOUNDED)
}

/// The memory that the process may take, in bytes: that of its control group, or all that the machine has.
fn memory(root: &Path) -> Option<u64> {
    [memory_limit(root), machine_memory(root)]
        .into_iter()
        .flatten()
        .min()
}

/// What the machine has in all, in bytes, where the system says so.
fn machine_memory(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The memory that the process' control group may take, or one above it, in bytes; `None` where there is no limit.
fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        // <number>:<controllers>:<path>; version 2 has the number 0 and names no controllers.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (tree, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            named if named.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        least(
            &root.join(tree),
            Path::new(group.trim_start_matches('/')),
            file,
        )
    });
    limits.min()
}

/// The least of a group's limit and those above it. In a container the tree begins with its own group, whatever that is called
/// outside.
fn least(tree: &Path, group: &Path, file: &str) -> Option<u64> {
    let places = group.ancestors().map(|group| tree.join(group).join(file));
    places.filter_map(limit_in).min()
}

/// A limit; `max`, and what version 1 says for none (nearly 2^63), are none.
fn limit_in(file: PathBuf) -> Option<u64> {
    let limit: u64 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < 1 << 60).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A machine with these files.
    fn machine(name: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = std::env::temp_dir().join(format!("vote-cgroups-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        let limit = memory(&root);
        fs::remove_dir_all(&root).expect("removed");
        limit
    }

    #[test]
    fn the_limit_is_the_least_of_the_group_and_those_above_it() {
        let own = ("proc/self/cgroup", "0::/a.slice/b.service\n");
        let of = |name, files: &[(&str, &str)]| machine(name, &[&[own], files].concat());
        assert_eq!(of("none", &[]), None);
        let group = "sys/fs/cgroup/a.slice/b.service/memory.max";
        assert_eq!(of("unbounded", &[(group, "max\n")]), None);
        assert_eq!(of("own", &[(group, "268435456\n")]), Some(256 * MIB));
        let above = ("sys/fs/cgroup/a.slice/memory.max", "134217728\n");
        assert_eq!(
            of("above", &[(group, "268435456\n"), above]),
            Some(128 * MIB)
        );
        // As in a container, whose tree begins with its group.
        let root = ("sys/fs/cgroup/memory.max", "67108864\n");
        assert_eq!(of("container", &[root]), Some(64 * MIB));
    }

    #[test]
    fn version_one_has_a_tree_for_memory() {
        let own = (
            "proc/self/cgroup",
            "12:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
        );
        let group = "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes";
        assert_eq!(
            machine("v1", &[own, (group, "536870912\n")]),
            Some(512 * MIB)
        );
        let none = "9223372036854771712\n";
        assert_eq!(machine("v1-none", &[own, (group, none)]), None);
    }

    #[test]
    fn where_no_group_has_a_limit_the_machine_has() {
        let all = ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
        assert_eq!(machine("machine", &[all]), Some(16 * MIB));
        let own = ("proc/self/cgroup", "0::/a\n");
        let of = |name, text| machine(name, &[all, own, ("sys/fs/cgroup/a/memory.max", text)]);
        assert_eq!(of("unlimited", "max\n"), Some(16 * MIB));
        assert_eq!(of("less", "8388608\n"), Some(8 * MIB));
        assert_eq!(of("more", "33554432\n"), Some(16 * MIB));
        assert_eq!(
            machine("strange", &[("proc/meminfo", "MemTotal: many\n")]),
            None
        );
    }

    #[test]
    fn half_of_the_memory_is_for_connections() {
        assert_eq!(by_memory(None, 4), 25_000);
        assert_eq!(by_memory(Some(512 * MIB), 1), 9_362);
        assert_eq!(by_memory(Some(512 * MIB), 2), 4_681);
        assert_eq!(by_memory(Some(64 << 30), 2), 25_000);
    }

    #[test]
    fn a_house_full_of_clients_who_do_not_read_leaves_memory_to_the_service() {
        // docs/http.md: the most that a reader costs who does not read; 44.3 KiB were seen.
        const WORST: u64 = 48 * 1024;
        for limit in [256 * MIB, 512 * MIB, 1024 * MIB] {
            let connections = u64::try_from(by_memory(Some(limit), 1)).expect("few");
            assert!(connections * WORST < limit - limit / 8, "{limit}");
        }
    }
}
