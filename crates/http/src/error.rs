//! Why a service did not start, or did not stop cleanly.

use std::io;
use std::net::SocketAddr;

use vote_runtime::ServiceName;

/// Any error of a service's own start.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("{setting}: {address} {reason}: set {variable} to another address")]
    Bind {
        /// Name of the setting.
        setting: &'static str,
        /// Name of the variable.
        variable: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What is wrong with it.
        reason: String,
    },
    /// A flood of clients would take what Redis and the operators' port need.
    #[error(
        "{files} files may be open, and {kept} are kept for Redis (redis.pool_size) and the operators' port: \
         raise the limit (ulimit -n, LimitNOFILE), or set redis.pool_size lower"
    )]
    TooFewFiles {
        /// The limit of open files.
        files: u64,
        /// Those that no client gets.
        kept: u64,
    },
    /// A server can't be started.
    #[error("the server could not start: {0}")]
    Server(#[from] io::Error),
    /// The service's own start failed.
    #[error("{0} could not start: {1}")]
    Service(ServiceName, #[source] BoxError),
}

impl StartError {
    pub(crate) fn bind(setting: &'static str, address: SocketAddr, error: &io::Error) -> Self {
        let variable = if setting == "http.bind" {
            "VOTE__HTTP__BIND"
        } else {
            "VOTE__ADMIN__BIND"
        };
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => format!("can't be used, port {} is taken", address.port()),
            io::ErrorKind::AddrNotAvailable => "is no address of this machine".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be used by this user".to_owned(),
            _ => format!("can't be used ({error})"),
        };
        Self::Bind {
            setting,
            variable,
            address,
            reason,
        }
    }
}

/// A stop that was not clean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Requests were still open at the bound, and were cut off.
    #[error("requests were still open after shutdown.drain_timeout_ms ({0} ms), and were cut off")]
    Requests(u64),
    /// The service had not finished what it had accepted.
    #[error("the service had not drained after shutdown.drain_timeout_ms ({0} ms)")]
    Service(u64),
    /// Accepted votes are left over that Redis may not have.
    #[error("{votes} accepted votes may be nowhere in Redis: {whereabouts}")]
    Unrecorded {
        /// How many.
        votes: u64,
        /// Where they are now, and what to do.
        whereabouts: String,
    },
    /// A server ended by itself.
    #[error("the {0} server ended by itself: {1}")]
    Server(&'static str, String),
}
