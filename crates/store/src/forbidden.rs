//! Whether a server knows a command at all, and lets our user say it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What servers, and services that manage them, say of a command that they do not have.
const UNKNOWN: [&str; 4] = [
    "unknown command",
    "unknown subcommand",
    "not allowed",
    "not supported",
];

/// Whether the server has refused the command itself, so that asking again is in vain.
pub(crate) fn is_forbidden(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoPerm) => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => {
            let said = error.detail().unwrap_or_default().to_ascii_lowercase();
            UNKNOWN.iter().any(|words| said.contains(words))
        }
        _ => false,
    }
}
