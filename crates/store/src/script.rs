//! The Lua scripts: each is called by its digest, and loaded where a server does not know it. Where loading is forbidden,
//! the whole script is sent instead.

use std::sync::OnceLock;

use redis::aio::MultiplexedConnection;
use redis::{Arg, Cmd, RedisError, RedisResult, ServerErrorKind, Value};

use crate::forbidden::is_forbidden;

/// Records a batch of votes.
pub(crate) static COMMIT: Script = Script::new(include_str!("lua/commit.lua"));
/// The same script, for calls that change no more than an entry of the ledger: they run on a full server as well
/// (`allow-oom`), so that the writers of a closed poll can say there that they are drained.
pub(crate) static COMMIT_ENTRY: Script = Script::new(concat!(
    "#!lua flags=allow-oom\n",
    include_str!("lua/commit.lua")
));
/// Claims a key in a shard that its vote does not go to any more.
pub(crate) static CLAIM_KEY: Script = Script::new(include_str!("lua/claim_key.lua"));
/// Writes the fence of a shard.
pub(crate) static FENCE: Script = Script::new(include_str!("lua/fence.lua"));
/// Replaces a poll's document.
pub(crate) static SAVE_POLL: Script = Script::new(include_str!("lua/save_poll.lua"));
/// Removes the fence of a shard of a draft.
pub(crate) static DELETE_FENCE: Script = Script::new(include_str!("lua/delete_fence.lua"));
/// Removes a draft's document.
pub(crate) static DELETE_POLL: Script = Script::new(include_str!("lua/delete_poll.lua"));
/// Says that a draft was deleted.
pub(crate) static SAY_DELETED: Script = Script::new(include_str!("lua/say_deleted.lua"));
/// Writes a sealed result.
pub(crate) static PUT_SEALED: Script = Script::new(include_str!("lua/put_sealed.lua"));
/// Decides of votes of a shard that were set aside.
pub(crate) static DECIDE_QUARANTINE: Script =
    Script::new(include_str!("lua/decide_quarantine.lua"));
/// Claims a shard for a backup that is being restored.
pub(crate) static RESTORE_CLAIM: Script = Script::new(include_str!("lua/restore_claim.lua"));
/// Writes a part of a backup to a shard.
pub(crate) static RESTORE_FILL: Script = Script::new(include_str!("lua/restore_fill.lua"));
/// Writes the fence of a shard that has all of a backup.
pub(crate) static RESTORE_FENCE: Script = Script::new(include_str!("lua/restore_fence.lua"));

/// Reads the figures of a shard.
pub(crate) static FIGURES: Script = Script::new(include_str!("lua/figures.lua"));
/// Reads minutes of a shard that are over.
pub(crate) static MINUTES: Script = Script::new(include_str!("lua/minutes.lua"));

/// A script and its SHA-1, by which Redis knows it.
pub(crate) struct Script {
    code: &'static str,
    sha1: OnceLock<String>,
}

impl Script {
    const fn new(code: &'static str) -> Self {
        let sha1 = OnceLock::new();
        Self { code, sha1 }
    }

    fn sha1(&self) -> &str {
        let hash = || redis::Script::new(self.code).get_hash().to_owned();
        self.sha1.get_or_init(hash)
    }

    /// `EVALSHA` with the number of keys; keys and arguments follow.
    pub(crate) fn command(&self, keys: usize) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.sha1()).arg(keys);
        command
    }

    /// As [`Script::command`], for a script that only reads: the server keeps it to that.
    pub(crate) fn read_command(&self, keys: usize) -> Cmd {
        let mut command = redis::cmd("EVALSHA_RO");
        command.arg(self.sha1()).arg(keys);
        command
    }

    /// Makes the script known to the server behind `connection`.
    pub(crate) async fn load(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(self.code)
            .exec_async(connection)
            .await
    }

    /// The same call with the whole script in place of its digest (`EVAL`), which a server needs not know.
    pub(crate) fn in_full(&self, command: &Cmd) -> Cmd {
        let mut words = command.args_iter().filter_map(|word| match word {
            Arg::Simple(bytes) => Some(bytes),
            _ => None,
        });
        let mut full = match words.next() {
            Some(b"EVALSHA_RO") => redis::cmd("EVAL_RO"),
            _ => redis::cmd("EVAL"),
        };
        full.arg(self.code);
        for word in words.skip(1) {
            full.arg(word);
        }
        full
    }

    /// Runs a command made for this script, and loads the script first if need be.
    pub(crate) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> RedisResult<Value> {
        match command.query_async(connection).await {
            Err(error) if is_unknown_script(&error) => match self.load(connection).await {
                Ok(()) => command.query_async(connection).await,
                Err(error) if is_forbidden(&error) => {
                    self.in_full(command).query_async(connection).await
                }
                Err(error) => Err(error),
            },
            Err(error) if is_digest_forbidden(&error) => {
                self.in_full(command).query_async(connection).await
            }
            result => result,
        }
    }
}

/// Whether it is the calling by digest that the server does not have, or does not let our user do.
pub(crate) fn is_digest_forbidden(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    is_forbidden(error) && detail.to_ascii_lowercase().contains("evalsha")
}

/// Whether the server has never seen the script, or has forgotten it in a restart.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}
