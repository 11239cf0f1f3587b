//! Why a command failed, and the exit code that says so.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// How a command is repeated, where nothing else is said: what it asks for is the same each time.
pub(crate) const REPEAT: &str = "Repeat the command";

/// A command's failure. Its text says what was wrong, where, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1: the command did its work, and what it checked doesn't hold, or the change is refused.
    #[error("{0}")]
    Refused(String),
    /// Exit code 2: the command line or a file is wrong; nothing was done.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3: the work could not be done: Redis or a service is away, the output can't be written.
    #[error("{0:#}")]
    Broken(#[from] anyhow::Error),
    /// Exit code 4: all is written, and no replica has confirmed it yet.
    #[error(
        "it is written, and no replica has confirmed it: a failover now could forget it. {repeat} when the replicas have \
         caught up ({servers})"
    )]
    Unconfirmed {
        /// How the command is repeated ([`REPEAT`]).
        repeat: String,
        /// Which servers, and why.
        servers: String,
    },
    /// Nobody reads our output any more (`votectl … | head`): no failure to speak of.
    #[error("the output was closed")]
    Closed,
}

impl Failure {
    /// A check that failed, or a change that is refused.
    #[must_use]
    pub fn refused(why: impl Display) -> Self {
        Self::Refused(why.to_string())
    }

    /// Wrong input.
    #[must_use]
    pub fn usage(why: impl Display) -> Self {
        Self::Usage(why.to_string())
    }

    /// The output that takes no more; nobody is told who has closed it.
    #[must_use]
    pub fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Broken(anyhow::Error::from(error).context("can't write the output"))
        }
    }

    /// A file of the command line that can't be written: wrong input where its path is to blame.
    #[must_use]
    pub fn unwritable(file: &Path, error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let what = format!("can't write {}", file.display());
        match error.kind() {
            Kind::NotFound
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::InvalidFilename
            | Kind::InvalidInput => Self::usage(format!("--file: {what}: {error}")),
            _ => Self::Broken(anyhow::Error::from(error).context(what)),
        }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Broken(_) => 3,
            Self::Unconfirmed { .. } => 4,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Broken(error.into())
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            Self::output(error.into())
        } else {
            Self::Broken(error.into())
        }
    }
}

impl From<vote_store::StoreError> for Failure {
    fn from(error: vote_store::StoreError) -> Self {
        match error {
            vote_store::StoreError::Address(_) => Self::usage(format!(
                "--redis: {error} (it must read redis://[user:password@]host[:port][/database])"
            )),
            vote_store::StoreError::Corrupt { .. } | vote_store::StoreError::Full { .. } => {
                Self::Broken(error.into())
            }
            _ => Self::away(&error.to_string()),
        }
    }
}

impl Failure {
    /// Redis is away, or refuses us, as this text says.
    #[must_use]
    pub(crate) fn away(text: &str) -> Self {
        let hint = hint(text);
        Self::Broken(anyhow::anyhow!("{text}; {hint}"))
    }
}

/// What Redis says, or its client, of a wrong password.
const LOGIN: [&str; 3] = ["AuthenticationFailed", "WRONGPASS", "NOAUTH"];
/// What they say of a user who may not do that.
const RIGHTS: [&str; 2] = ["NoPerm", "NOPERM"];

fn says(error: &str, words: &[&str]) -> bool {
    words.iter().any(|word| error.contains(word))
}

/// Whether it is about who asks, and not about whether Redis is there.
pub(crate) fn is_about_the_user(error: &str) -> bool {
    says(error, &LOGIN) || says(error, &RIGHTS)
}

/// Where to look. Who could not log in has found Redis; the pool passes on the text of its error alone.
fn hint(error: &str) -> String {
    let question = if says(error, &LOGIN) {
        "are user and password right"
    } else if says(error, &RIGHTS) {
        "is it the right user"
    } else {
        return "is Redis where --redis (or VOTE__REDIS__URL) says?".to_owned();
    };
    format!(
        "{question}? They are in the address, or --redis-username with VOTE__REDIS__PASSWORD or --redis-password-file"
    )
}

impl From<vote_store::SaveError> for Failure {
    fn from(error: vote_store::SaveError) -> Self {
        match error {
            vote_store::SaveError::Store(error) => error.into(),
            half @ vote_store::SaveError::HalfWritten(_) => Self::half_written(&half, REPEAT),
            other => Self::refused(other),
        }
    }
}

impl Failure {
    /// The document of a poll has a change, and perhaps not all else; repeated in this way the command completes it.
    #[must_use]
    pub(crate) fn half_written(half: &vote_store::SaveError, repeat: &str) -> Self {
        Self::Broken(anyhow::anyhow!("{half}. {repeat}, which completes it"))
    }
}
