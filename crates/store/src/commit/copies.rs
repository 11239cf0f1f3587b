//! The wait for a batch's copies: its command, and what the server answers.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};

use super::config::LaneConfig;
use super::durability::{Durability, ReplicasMissing};
use crate::error::StoreError;
use crate::nodes::Nodes;
use crate::server::Greeting;
use crate::store::Store;

/// The wait for replicas that are known to be missing: just long enough to notice that they are back.
const GLANCE: Duration = Duration::from_millis(1);

/// Whether a batch has the copies that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Copies {
    Enough,
    /// It has too few, and why.
    Missing(String),
    /// The server can't say.
    Error(String),
}

/// How a lane waits for the copies of its batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopiesWait {
    durability: Durability,
    timeout: Duration,
    degrades: bool,
}

impl CopiesWait {
    pub(super) fn new(config: &LaneConfig) -> Self {
        let (timeout, can_degrade) = match config.durability {
            Durability::Memory => (Duration::ZERO, false),
            Durability::Replicas { timeout, .. } => (timeout, true),
            // Whoever waits longer has been told that the outcome is unknown.
            Durability::Fsync => (config.accept_timeout, false),
        };
        Self {
            durability: config.durability,
            timeout,
            degrades: can_degrade && config.replicas_missing == ReplicasMissing::Degrade,
        }
    }

    /// Whether anything is waited for behind a batch.
    pub(super) const fn waits(&self) -> bool {
        !matches!(self.durability, Durability::Memory)
    }

    /// The longest wait behind a batch.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether a server that was just connected to can make them. It may be another one than was asked at the start, or
    /// have been configured anew.
    pub(super) async fn check(
        &self,
        link: &mut MultiplexedConnection,
        nodes: &Nodes,
    ) -> Result<(), StoreError> {
        match self.durability {
            Durability::Memory | Durability::Replicas { .. } => Ok(()),
            Durability::Fsync => check_fsync(link, nodes.response_timeout()).await,
        }
    }

    /// Whether votes are accepted without their copies.
    pub(super) const fn degrades(&self) -> bool {
        self.degrades
    }

    /// The command that follows a batch on its connection. It waits for what that connection has seen,
    /// and so also for a batch that another connection had sent before and that is only found again.
    pub(super) fn command(&self, degraded: bool) -> Option<Cmd> {
        let timeout = if degraded { GLANCE } else { self.timeout };
        // 0 would mean: for ever.
        let milliseconds = u64::try_from(timeout.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        match self.durability {
            Durability::Memory => None,
            Durability::Replicas { count, .. } => {
                let mut command = redis::cmd("WAIT");
                command.arg(count).arg(milliseconds);
                Some(command)
            }
            Durability::Fsync => {
                let mut command = redis::cmd("WAITAOF");
                command.arg(1).arg(0).arg(milliseconds);
                Some(command)
            }
        }
    }

    /// What the server answered to [`CopiesWait::command`].
    pub(super) fn copies(&self, answer: Value) -> Copies {
        let error = |error: String| Copies::Error(format!("the wait for its copies: {error}"));
        let answer = match answer.extract_error() {
            Ok(answer) => answer,
            Err(refused) => return error(refused.to_string()),
        };
        match self.durability {
            Durability::Memory => Copies::Enough,
            Durability::Replicas { count, .. } => match u16::from_redis_value(answer) {
                Ok(have) if have >= count => Copies::Enough,
                Ok(have) => {
                    Copies::Missing(format!("only {have} of {count} replicas have it in time"))
                }
                Err(unlike) => error(unlike.to_string()),
            },
            Durability::Fsync => match <(u16, u16)>::from_redis_value(answer) {
                Ok((0, _)) => Copies::Missing("it is not on disk in time".to_owned()),
                Ok(_) => Copies::Enough,
                Err(unlike) => error(unlike.to_string()),
            },
        }
    }
}

impl Durability {
    /// Whether the servers of `store` can do this, as far as they can be reached now.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where one can't: see [`check_fsync`]. Any other error says that a server could not
    /// be asked.
    pub async fn check(&self, store: &Store) -> Result<(), StoreError> {
        if *self != Self::Fsync {
            return Ok(());
        }
        let nodes = store.nodes();
        for node in nodes.masters().await? {
            let mut link = nodes.connection_to(&node).await?;
            check_fsync(&mut link, nodes.response_timeout()).await?;
        }
        Ok(())
    }
}

/// Makes sure that a vote is on disk when the server's `WAITAOF` says so. It is where `appendfsync` is `always`; with
/// `everysec` only on Redis 8.0 and later, which wait for the second to pass, where others confirm before the fsync;
/// with `no` nobody knows when it will be.
///
/// # Errors
/// [`StoreError::Unsupported`] where it isn't, or the server does not let us ask. Any other error may pass: the server
/// could not be asked, or is still loading its data.
pub(crate) async fn check_fsync(
    link: &mut MultiplexedConnection,
    patience: Duration,
) -> Result<(), StoreError> {
    let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let mut wait = redis::cmd("WAITAOF");
    wait.arg(1).arg(0).arg((milliseconds / 2).max(1));
    let _copies: Value = answer(link, &wait, "the server says to WAITAOF (Redis 7.2)").await?;
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg("appendfsync");
    let forbidden = "whether it is can't be asked, allow our user +config|get";
    let policy: HashMap<String, String> = answer(link, &ask, forbidden).await?;
    let policy = policy.get("appendfsync").map_or("", String::as_str);
    let greeting = Greeting::ask(link).await?;
    let waits = greeting.server == "redis" && !greeting.is_redis_before((8, 0));
    match policy {
        "always" => Ok(()),
        "everysec" if waits => Ok(()),
        other => Err(no_fsync(format!(
            "{} {} has appendfsync {other}",
            greeting.server, greeting.version
        ))),
    }
}

/// Runs a command that a server with `fsync` answers; `otherwise` is what it means where this one never will.
async fn answer<T: FromRedisValue>(
    link: &mut MultiplexedConnection,
    command: &Cmd,
    otherwise: &str,
) -> Result<T, StoreError> {
    let answer: RedisResult<T> = command.query_async(link).await;
    answer.map_err(|error| match is_for_good(&error) {
        true => no_fsync(format!("{otherwise}: {error}")),
        false => error.into(),
    })
}

/// Whether the server doesn't know the command, or doesn't let our user say it. One that is loading its data, or has just
/// become another one's replica, may answer later.
fn is_for_good(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::NoPerm)
    )
}

fn no_fsync(why: impl Display) -> StoreError {
    StoreError::Unsupported(format!(
        "the durability `fsync` needs `appendonly yes` and `appendfsync always` (or, with votes that wait up to a \
         second, `everysec` on Redis 8.0 or later): {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: CopiesWait = CopiesWait {
        durability: Durability::Replicas {
            count: 2,
            timeout: Duration::from_millis(500),
        },
        timeout: Duration::from_millis(500),
        degrades: false,
    };
    const DISK: CopiesWait = CopiesWait {
        durability: Durability::Fsync,
        timeout: Duration::from_secs(2),
        degrades: false,
    };

    fn words(command: Option<Cmd>) -> String {
        let packed = command.expect("a command").get_packed_command();
        String::from_utf8(packed).expect("text")
    }

    #[test]
    fn a_server_that_is_not_ready_yet_is_not_one_that_never_will_do() {
        use ServerErrorKind::{BusyLoading, MasterDown, NoPerm, ReadOnly, ResponseError};
        for (kind, lasts) in [
            (ResponseError, true),
            (NoPerm, true),
            (BusyLoading, false),
            (MasterDown, false),
            (ReadOnly, false),
        ] {
            let error = RedisError::from((ErrorKind::Server(kind), "an answer"));
            assert_eq!(is_for_good(&error), lasts, "{kind:?}");
        }
    }

    #[test]
    fn memory_waits_for_nothing() {
        let wait = CopiesWait::new(&LaneConfig::default());
        assert!(wait.command(false).is_none());
        assert_eq!(wait.timeout(), Duration::ZERO);
    }

    #[test]
    fn a_wait_names_its_copies_and_its_time_and_never_waits_for_ever() {
        assert!(words(TWO.command(false)).ends_with("WAIT\r\n$1\r\n2\r\n$3\r\n500\r\n"));
        assert!(words(TWO.command(true)).ends_with("WAIT\r\n$1\r\n2\r\n$1\r\n1\r\n"));
        assert!(words(DISK.command(false)).contains("WAITAOF\r\n$1\r\n1\r\n$1\r\n0\r\n$4\r\n2000"));
        let none = CopiesWait {
            timeout: Duration::ZERO,
            ..DISK
        };
        assert!(words(none.command(false)).ends_with("$1\r\n1\r\n"));
    }

    #[test]
    fn too_few_copies_are_missing_and_what_is_no_number_is_an_error() {
        assert_eq!(TWO.copies(Value::Int(2)), Copies::Enough);
        assert_eq!(TWO.copies(Value::Int(3)), Copies::Enough);
        assert!(
            matches!(TWO.copies(Value::Int(1)), Copies::Missing(why) if why.contains("1 of 2"))
        );
        assert!(matches!(TWO.copies(Value::Nil), Copies::Error(_)));
        let disk = |local| Value::Array(vec![Value::Int(local), Value::Int(0)]);
        assert_eq!(DISK.copies(disk(1)), Copies::Enough);
        assert!(matches!(DISK.copies(disk(0)), Copies::Missing(_)));
        assert!(matches!(DISK.copies(Value::Int(1)), Copies::Error(_)));
    }

    #[test]
    fn the_wait_is_that_of_the_durability_and_only_one_for_replicas_may_be_left_out() {
        let wait = |durability, replicas_missing| {
            CopiesWait::new(&LaneConfig {
                accept_timeout: Duration::from_secs(2),
                durability,
                replicas_missing,
                ..LaneConfig::default()
            })
        };
        assert_eq!(
            wait(TWO.durability, ReplicasMissing::Refuse).timeout(),
            TWO.timeout
        );
        assert!(!wait(TWO.durability, ReplicasMissing::Refuse).degrades());
        assert!(wait(TWO.durability, ReplicasMissing::Degrade).degrades());
        assert_eq!(
            wait(Durability::Fsync, ReplicasMissing::Degrade).timeout(),
            DISK.timeout
        );
        assert!(!wait(Durability::Fsync, ReplicasMissing::Degrade).degrades());
    }
}
