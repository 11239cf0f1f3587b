//! When a batch counts as recorded: how many copies of it there must be.

use std::time::Duration;

use redis::{Cmd, FromRedisValue as _, Value};

use crate::{connection::Store, error::StoreError, keys};

/// The wait for replicas that are known to be missing: just long enough to notice that they are back.
const GLANCE: Duration = Duration::from_millis(1);

/// When a vote counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Redis has acknowledged it; its append-only file follows by Redis' own policy.
    Memory,
    /// So many replicas have acknowledged it (`WAIT`).
    Replicas {
        /// Replicas that must have it.
        count: u16,
        /// Longest time to wait for them.
        timeout: Duration,
        /// What happens when they don't.
        missing: ReplicasMissing,
    },
    /// It is in the append-only file on the server's disk (`WAITAOF`, Redis 7.2).
    Fsync {
        /// Longest time to wait for it.
        timeout: Duration,
    },
}

/// What happens to votes while replicas are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicasMissing {
    /// Nothing is accepted: those that were sent are unknown, those that wait are not recorded.
    Refuse,
    /// They are accepted all the same, and counted.
    Degrade,
}

/// Whether a batch has the copies that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Confirmed {
    Yes,
    /// It has not, and why.
    Missing(String),
    /// The server can't say.
    Error(String),
}

impl Durability {
    /// The longest wait behind a batch.
    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Memory => Duration::ZERO,
            Self::Replicas { timeout, .. } | Self::Fsync { timeout } => *timeout,
        }
    }

    /// Whether votes are accepted without their copies.
    pub(super) fn degrades(&self) -> bool {
        matches!(
            self,
            Self::Replicas {
                missing: ReplicasMissing::Degrade,
                ..
            }
        )
    }

    /// The command that follows a batch on its connection. It waits for what that connection has seen,
    /// and so also for a batch that another connection had sent before and that is only found again.
    pub(super) fn command(&self, degraded: bool) -> Option<Cmd> {
        let timeout = if degraded { GLANCE } else { self.timeout() };
        // 0 would mean: for ever.
        let milliseconds = u64::try_from(timeout.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        match self {
            Self::Memory => None,
            Self::Replicas { count, .. } => {
                let mut command = redis::cmd("WAIT");
                command.arg(*count).arg(milliseconds);
                Some(command)
            }
            Self::Fsync { .. } => {
                let mut command = redis::cmd("WAITAOF");
                command.arg(1).arg(0).arg(milliseconds);
                Some(command)
            }
        }
    }

    /// What the server answered to [`Durability::command`].
    pub(super) fn confirmed(&self, answer: Value) -> Confirmed {
        let error = |error: String| Confirmed::Error(format!("the wait for its copies: {error}"));
        let answer = match answer.extract_error() {
            Ok(answer) => answer,
            Err(refused) => return error(refused.to_string()),
        };
        match self {
            Self::Memory => Confirmed::Yes,
            Self::Replicas { count, .. } => match u16::from_redis_value(answer) {
                Ok(have) if have >= *count => Confirmed::Yes,
                Ok(have) => {
                    Confirmed::Missing(format!("only {have} of {count} replicas have it in time"))
                }
                Err(unlike) => error(unlike.to_string()),
            },
            Self::Fsync { .. } => match <(u16, u16)>::from_redis_value(answer) {
                Ok((0, _)) => Confirmed::Missing("it is not on disk in time".to_owned()),
                Ok(_) => Confirmed::Yes,
                Err(unlike) => error(unlike.to_string()),
            },
        }
    }

    /// Whether the servers of `store` can do this, as far as they can be reached now.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where one can't: a server before Redis 7.2, or one without an append-only
    /// file. Any other error says that a server could not be asked.
    pub async fn check(&self, store: &Store) -> Result<(), StoreError> {
        let Self::Fsync { .. } = self else {
            return Ok(());
        };
        let mut command = redis::cmd("WAITAOF");
        command.arg(1).arg(0).arg(1);
        match store.nodes().query::<Value>(keys::POLLS, &command).await {
            Ok(_) => Ok(()),
            Err(StoreError::Redis(error))
                if error.kind()
                    == redis::ErrorKind::Server(redis::ServerErrorKind::ResponseError) =>
            {
                Err(StoreError::Unsupported(format!(
                    "the durability `fsync` needs WAITAOF (Redis 7.2) and `appendonly yes`, and the server says: {error}"
                )))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Durability = Durability::Replicas {
        count: 2,
        timeout: Duration::from_millis(500),
        missing: ReplicasMissing::Refuse,
    };
    const DISK: Durability = Durability::Fsync {
        timeout: Duration::from_secs(2),
    };

    fn words(command: Option<Cmd>) -> String {
        let packed = command.expect("a command").get_packed_command();
        String::from_utf8(packed).expect("text")
    }

    #[test]
    fn memory_waits_for_nothing() {
        assert!(Durability::Memory.command(false).is_none());
    }

    #[test]
    fn a_wait_names_its_copies_and_its_time_and_never_waits_for_ever() {
        assert!(words(TWO.command(false)).ends_with("WAIT\r\n$1\r\n2\r\n$3\r\n500\r\n"));
        assert!(words(TWO.command(true)).ends_with("WAIT\r\n$1\r\n2\r\n$1\r\n1\r\n"));
        assert!(words(DISK.command(false)).contains("WAITAOF\r\n$1\r\n1\r\n$1\r\n0\r\n$4\r\n2000"));
        let none = Durability::Fsync {
            timeout: Duration::ZERO,
        };
        assert!(words(none.command(false)).ends_with("$1\r\n1\r\n"));
    }

    #[test]
    fn too_few_copies_are_missing_and_what_is_no_number_is_an_error() {
        assert_eq!(TWO.confirmed(Value::Int(2)), Confirmed::Yes);
        assert_eq!(TWO.confirmed(Value::Int(3)), Confirmed::Yes);
        assert!(
            matches!(TWO.confirmed(Value::Int(1)), Confirmed::Missing(why) if why.contains("1 of 2"))
        );
        assert!(matches!(TWO.confirmed(Value::Nil), Confirmed::Error(_)));
        let disk = |local| Value::Array(vec![Value::Int(local), Value::Int(0)]);
        assert_eq!(DISK.confirmed(disk(1)), Confirmed::Yes);
        assert!(matches!(DISK.confirmed(disk(0)), Confirmed::Missing(_)));
        assert!(matches!(DISK.confirmed(Value::Int(1)), Confirmed::Error(_)));
    }
}
