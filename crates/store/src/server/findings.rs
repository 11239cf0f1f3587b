//! What is wrong with a server, and what to do about it.

use super::facts::Facts;
use crate::commit::Durability;

/// The share of `maxmemory`, in percent, from which votes may soon be refused.
const FULL_PERCENT: u64 = 90;

/// A kind of what can be wrong; its name is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// It can't be reached, is too old, or is a replica.
    Unusable,
    /// It throws keys away when its memory is full.
    Eviction,
    /// Its memory is nearly full.
    NearlyFull,
    /// It keeps no append-only file.
    NoAppendOnlyFile,
    /// It can't write to its disk.
    Disk,
    /// It has fewer replicas than a vote must be on.
    ReplicasMissing,
    /// It does not do what `commit.durability = "fsync"` asks for.
    Fsync,
    /// Its clock and ours are apart.
    Clock,
    /// It does not let our user ask, or do what it must.
    Forbidden,
}

impl Problem {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Unusable,
        Self::Eviction,
        Self::NearlyFull,
        Self::NoAppendOnlyFile,
        Self::Disk,
        Self::ReplicasMissing,
        Self::Fsync,
        Self::Clock,
        Self::Forbidden,
    ];

    /// Its name, in metrics and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unusable => "unusable",
            Self::Eviction => "eviction",
            Self::NearlyFull => "nearly_full",
            Self::NoAppendOnlyFile => "no_append_only_file",
            Self::Disk => "disk",
            Self::ReplicasMissing => "replicas_missing",
            Self::Fsync => "fsync",
            Self::Clock => "clock",
            Self::Forbidden => "forbidden",
        }
    }
}

/// Something that is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind it is of.
    pub problem: Problem,
    /// What was seen.
    pub seen: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    pub(super) fn new(
        problem: Problem,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            problem,
            seen: seen.into(),
            remedy: remedy.into(),
        }
    }
}

/// What is wrong with a server of which these facts are known, for votes that count as `durability` says.
pub(super) fn findings(facts: &Facts, durability: Durability) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_bounded = facts.max_memory > 0;
    if is_bounded && facts.eviction != "noeviction" {
        found.push(Finding::new(
            Problem::Eviction,
            format!(
                "maxmemory-policy is {}: it throws votes away when its memory is full",
                facts.eviction
            ),
            "set maxmemory-policy to noeviction",
        ));
    }
    if is_bounded && facts.used_memory.saturating_mul(100) / facts.max_memory >= FULL_PERCENT {
        found.push(Finding::new(
            Problem::NearlyFull,
            format!(
                "{} of {} bytes (maxmemory) are used: it refuses votes when it is full",
                facts.used_memory, facts.max_memory
            ),
            "raise maxmemory, or remove what is not ours from this Redis",
        ));
    }
    if !facts.has_append_only_file {
        found.push(Finding::new(
            Problem::NoAppendOnlyFile,
            "appendonly is no: after a crash it comes back without what it had acknowledged",
            "set appendonly to yes",
        ));
    }
    if !facts.appends || !facts.saves {
        found.push(Finding::new(
            Problem::Disk,
            "its last write to disk failed, and it refuses votes until one succeeds",
            "look at its disk and its log",
        ));
    }
    if let Durability::Replicas { count, .. } = durability
        && facts.replicas < usize::from(count)
    {
        found.push(Finding::new(
            Problem::ReplicasMissing,
            format!(
                "{} replicas are connected, a vote must be on {count}",
                facts.replicas
            ),
            "bring the replicas back, or change commit.durability",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn well() -> Facts {
        Facts {
            has_append_only_file: true,
            appends: true,
            saves: true,
            max_memory: 1000,
            used_memory: 899,
            eviction: "noeviction".to_owned(),
            replicas: 0,
        }
    }

    fn problems(facts: &Facts, durability: Durability) -> Vec<&'static str> {
        let found = findings(facts, durability);
        found.iter().map(|found| found.problem.as_str()).collect()
    }

    #[test]
    fn a_server_as_it_must_be_has_no_findings() {
        assert!(problems(&well(), Durability::Memory).is_empty());
        let unbounded = Facts {
            max_memory: 0,
            eviction: "allkeys-lru".to_owned(),
            ..well()
        };
        assert!(
            problems(&unbounded, Durability::Memory).is_empty(),
            "nothing is evicted"
        );
    }

    #[test]
    fn each_fault_is_found() {
        let memory = |facts| problems(&facts, Durability::Memory);
        let eviction = "volatile-ttl".to_owned();
        assert_eq!(memory(Facts { eviction, ..well() }), ["eviction"]);
        assert_eq!(
            memory(Facts {
                used_memory: 900,
                ..well()
            }),
            ["nearly_full"]
        );
        let has_append_only_file = false;
        assert_eq!(
            memory(Facts {
                has_append_only_file,
                ..well()
            }),
            ["no_append_only_file"]
        );
        assert_eq!(
            memory(Facts {
                appends: false,
                ..well()
            }),
            ["disk"]
        );
        assert_eq!(
            memory(Facts {
                saves: false,
                ..well()
            }),
            ["disk"]
        );
        let two = Durability::Replicas {
            count: 2,
            timeout: Duration::from_millis(500),
        };
        assert_eq!(
            problems(
                &Facts {
                    replicas: 1,
                    ..well()
                },
                two
            ),
            ["replicas_missing"]
        );
        assert!(
            problems(
                &Facts {
                    replicas: 2,
                    ..well()
                },
                two
            )
            .is_empty()
        );
    }
}
