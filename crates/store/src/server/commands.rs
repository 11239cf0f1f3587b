//! The commands that each program needs of a server, and which of them the server forbids: its users' rights, or the
//! service that manages it.

use redis::{Cmd, RedisResult, Value};

use super::findings::{Finding, Problem};
use crate::commit::Durability;
use crate::error::StoreError;
use crate::forbidden::is_forbidden;
use crate::nodes::Link;
use crate::store::Store;

/// A program that comes to Redis as a user of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The service that takes votes.
    Ingest,
    /// The service that publishes figures.
    Results,
    /// The operator's command line.
    Votectl,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Results, Self::Votectl];

    /// Its name, which is also that of its user in `deploy/redis/acl`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "vote-ingest",
            Self::Results => "vote-results",
            Self::Votectl => "votectl",
        }
    }

    /// What it needs, in the order of its user's rights.
    fn needs(self, durability: Durability, is_cluster: bool) -> Vec<Need> {
        let mut needs = vec![INFO, LOAD, TIME];
        if is_cluster {
            needs.push(SLOTS);
        }
        needs.extend(match self {
            Self::Ingest => INGEST,
            Self::Results => RESULTS,
            Self::Votectl => VOTECTL,
        });
        match (self, durability) {
            (Self::Ingest, Durability::Replicas { .. }) | (Self::Votectl, _) => needs.push(WAIT),
            (Self::Ingest, Durability::Fsync) => needs.extend([WAIT_FOR_DISK, POLICY]),
            (Self::Ingest, Durability::Memory) | (Self::Results, _) => {}
        }
        needs
    }
}

/// A command that a program needs.
#[derive(Debug, Clone, Copy)]
struct Need {
    /// What a user is given to be allowed it, as in `ACL SETUSER`.
    right: &'static str,
    /// A call that changes nothing: it only reads, is about a poll that nobody has, or is refused for its form, which a
    /// server looks at after the user's rights.
    call: &'static str,
    /// The call of another command that does as well.
    instead: Option<&'static str>,
}

const fn need(right: &'static str, call: &'static str) -> Need {
    Need {
        right,
        call,
        instead: None,
    }
}

const fn need_or(right: &'static str, call: &'static str, instead: &'static str) -> Need {
    Need {
        right,
        call,
        instead: Some(instead),
    }
}

const EVAL: &str = "EVAL return(1) 1 vote:{doctor/0}:state";
const INFO: Need = need("+info", "INFO memory");
const LOAD: Need = need_or("+script|load", "SCRIPT LOAD return(1)", EVAL);
const SLOTS: Need = need_or("+cluster|slots", "CLUSTER SLOTS", "CLUSTER SHARDS");
const TIME: Need = need("+time", "TIME");
const WAIT: Need = need("+wait", "WAIT 0 1");
const WAIT_FOR_DISK: Need = need("+waitaof", "WAITAOF 0 0 1");
const POLICY: Need = need("+config|get", "CONFIG GET appendfsync");

const NO_SCRIPT: &str = "EVALSHA 0000000000000000000000000000000000000000 1 vote:{doctor/0}:state";
const NO_READER: &str =
    "EVALSHA_RO 0000000000000000000000000000000000000000 1 vote:{doctor/0}:state";
const LIST: Need = need("(+smembers %R~vote:polls)", "SMEMBERS vote:polls");
const DOCUMENT: Need = need("(+get %R~vote:poll:*)", "GET vote:poll:doctor");
const RECEIPTS: Need = need("(+get %R~vote:receipts:key)", "GET vote:receipts:key");
/// What the script deletes where a writer ends.
const LEAVE_LEDGER: Need = need(
    "(+hdel ~vote:{*:writers)",
    "HDEL vote:{doctor/0}:writers no-field",
);
const FORGET_REPLY: Need = need(
    "(+hdel ~vote:{*:replies)",
    "HDEL vote:{doctor/0}:replies no-field",
);

const INGEST: &[Need] = &[
    LIST,
    DOCUMENT,
    RECEIPTS,
    need(
        "(+set ~vote:receipts:key)",
        "SET vote:receipts:key x NO-OPTION",
    ),
    need("(+get ~vote:voters:*)", "GET vote:voters:doctor"),
    need(
        "(+set ~vote:voters:*)",
        "SET vote:voters:doctor x NO-OPTION",
    ),
    need_or("(+evalsha ~vote:{*)", NO_SCRIPT, EVAL),
    need("(+hmget ~vote:{*)", "HMGET vote:{doctor/0}:state state"),
    need("(+hget ~vote:{*)", "HGET vote:{doctor/0}:state state"),
    need(
        "(+hset ~vote:{*)",
        "HSET vote:{doctor/0}:state a b no-value",
    ),
    need("(+hlen ~vote:{*)", "HLEN vote:{doctor/0}:state"),
    need("(+exists ~vote:{*)", "EXISTS vote:{doctor/0}:state"),
    need("(+pexpire ~vote:{*)", "PEXPIRE vote:{doctor/0}:state 1"),
    LEAVE_LEDGER,
    FORGET_REPLY,
];

const RESULTS: &[Need] = &[
    LIST,
    DOCUMENT,
    RECEIPTS,
    need_or(
        "(+evalsha_ro %R~vote:{*)",
        NO_READER,
        "EVAL_RO return(1) 1 vote:{doctor/0}:state",
    ),
    need("(+hmget %R~vote:{*)", "HMGET vote:{doctor/0}:state state"),
    need("(+hgetall %R~vote:{*)", "HGETALL vote:{doctor/0}:state"),
    need("(+hlen %R~vote:{*:writers)", "HLEN vote:{doctor/0}:writers"),
    need("(+hscan %R~vote:{*:ended)", "HSCAN vote:{doctor/0}:ended 0"),
    need(
        "(+hscan %R~vote:{*:writers)",
        "HSCAN vote:{doctor/0}:writers 0",
    ),
];

const VOTECTL: &[Need] = &[
    need("+role", "ROLE"),
    LIST,
    need("(+srem ~vote:polls)", "SREM vote:polls -"),
    DOCUMENT,
    need("(+set ~vote:poll:*)", "SET vote:poll:doctor x NO-OPTION"),
    need_or(
        "(+evalsha ~vote:poll:*)",
        "EVALSHA 0000000000000000000000000000000000000000 1 vote:poll:doctor",
        "EVAL return(1) 1 vote:poll:doctor",
    ),
    need("(+del ~vote:poll:*:import)", "DEL vote:poll:doctor:import"),
    need("(+del ~vote:voters:*)", "DEL vote:voters:doctor"),
    RECEIPTS,
    need_or("(+evalsha ~vote:{*)", NO_SCRIPT, EVAL),
    need_or(
        "(+evalsha_ro ~vote:{*)",
        NO_READER,
        "EVAL_RO return(1) 1 vote:{doctor/0}:state",
    ),
    need("(+hmget ~vote:{*)", "HMGET vote:{doctor/0}:state state"),
    need(
        "(+hset ~vote:{*)",
        "HSET vote:{doctor/0}:state a b no-value",
    ),
    need("(+hgetall ~vote:{*)", "HGETALL vote:{doctor/0}:state"),
    need("(+hscan ~vote:{*)", "HSCAN vote:{doctor/0}:ended 0"),
    need("(+exists ~vote:{*)", "EXISTS vote:{doctor/0}:state"),
    need(
        "(+hdel ~vote:{*:state)",
        "HDEL vote:{doctor/0}:state no-field",
    ),
    LEAVE_LEDGER,
    FORGET_REPLY,
    need("(+get ~vote:{*:import)", "GET vote:{doctor/0}:import"),
    need(
        "(+set ~vote:{*:import)",
        "SET vote:{doctor/0}:import x NO-OPTION",
    ),
    need("(+del ~vote:{*:import)", "DEL vote:{doctor/0}:import"),
];

/// What one server forbids a program, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The server.
    pub server: String,
    /// What it forbids; an error says why that is not known.
    pub forbidden: Result<Option<Finding>, String>,
}

/// Tries on every server of `store`, as the user that it logs in as, what `program` needs where votes count as `durability`
/// says. Nothing is changed by that.
///
/// # Errors
/// Where nobody says which servers there are.
pub async fn try_commands(
    store: &Store,
    program: Program,
    durability: Durability,
) -> Result<Vec<Rights>, StoreError> {
    rights(store, program, durability, None).await
}

/// Asks every server of `store` what it forbids `user` of what `program` needs (`ACL DRYRUN`), which an administrator may.
///
/// # Errors
/// Where nobody says which servers there are.
pub async fn ask_for_user(
    store: &Store,
    program: Program,
    durability: Durability,
    user: &str,
) -> Result<Vec<Rights>, StoreError> {
    rights(store, program, durability, Some(user)).await
}

async fn rights(
    store: &Store,
    program: Program,
    durability: Durability,
    user: Option<&str>,
) -> Result<Vec<Rights>, StoreError> {
    let nodes = store.nodes();
    let needs = program.needs(durability, nodes.is_cluster());
    let mut rights = Vec::new();
    for node in nodes.masters().await? {
        let server = node.to_string();
        let forbidden = match nodes.connection_to(&node).await {
            Ok(mut link) => forbidden(&mut link, &needs, user).await,
            Err(error) => Err(error.to_string()),
        };
        let forbidden = forbidden.map(|found| finding(program, &found));
        rights.push(Rights { server, forbidden });
    }
    Ok(rights)
}

/// The needs that are not met.
async fn forbidden(
    link: &mut Link,
    needs: &[Need],
    user: Option<&str>,
) -> Result<Vec<Need>, String> {
    let mut found = Vec::new();
    for need in needs {
        if may(link, need.call, user).await? {
            continue;
        }
        let instead = match need.instead {
            Some(call) => may(link, call, user).await?,
            None => false,
        };
        if !instead {
            found.push(*need);
        }
    }
    Ok(found)
}

/// Whether a call is allowed, to us or to `user`.
///
/// # Errors
/// Why that is not known.
async fn may(link: &mut Link, call: &str, user: Option<&str>) -> Result<bool, String> {
    let words: Vec<&str> = call.split(' ').collect();
    let Some(user) = user else {
        let mut command = Cmd::new();
        command.arg(&words);
        let answer: RedisResult<Value> = command.query_async(&mut **link).await;
        return match answer {
            Err(error) if is_forbidden(&error) => Ok(false),
            // Any answer at all says that it may be asked.
            Err(error) if error.is_io_error() || error.is_timeout() => Err(error.to_string()),
            _ => Ok(true),
        };
    };
    let mut command = redis::cmd("ACL");
    command.arg("DRYRUN").arg(user).arg(&words);
    let answer: RedisResult<Value> = command.query_async(&mut **link).await;
    match answer {
        Ok(Value::Okay) => Ok(true),
        // A sentence that says what is not allowed.
        Ok(_) => Ok(false),
        // "Command 'waitaof' not found"
        Err(error)
            if error
                .detail()
                .is_some_and(|said| said.starts_with("Command")) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.to_string()),
    }
}

fn finding(program: Program, forbidden: &[Need]) -> Option<Finding> {
    if forbidden.is_empty() {
        return None;
    }
    let calls = forbidden.iter().map(|need| {
        let mut words = need.call.split(' ');
        let words = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        match words {
            (group @ ("SCRIPT" | "CLUSTER" | "CONFIG"), word) => format!("{group} {word}"),
            (name, key) if key.starts_with("vote:") => format!("{name} {key}"),
            (name, _) => name.to_owned(),
        }
    });
    let calls: Vec<String> = calls.collect();
    let rights: Vec<&str> = forbidden.iter().map(|need| need.right).collect();
    Some(Finding::new(
        Problem::Forbidden,
        format!(
            "the user of {program} may not say {}",
            calls.join(", "),
            program = program.as_str()
        ),
        format!(
            "allow that user {} (all that it needs is in deploy/redis/acl/{}.acl), or take a server that knows these commands",
            rights.join(" "),
            program.as_str()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_is_named_with_the_right_that_allows_it() {
        assert_eq!(finding(Program::Ingest, &[]), None);
        let found = finding(Program::Ingest, &[LOAD, RECEIPTS, WAIT]).expect("something");
        assert_eq!(
            found.seen,
            "the user of vote-ingest may not say SCRIPT LOAD, GET vote:receipts:key, WAIT"
        );
        assert!(
            found
                .remedy
                .contains("+script|load (+get %R~vote:receipts:key) +wait"),
            "{}",
            found.remedy
        );
    }

    #[test]
    fn what_is_needed_goes_by_durability_and_servers() {
        let needs = |durability, is_cluster| {
            let needs = Program::Ingest.needs(durability, is_cluster);
            needs.iter().map(|need| need.right).collect::<Vec<_>>()
        };
        let plain = needs(Durability::Memory, false);
        assert!(!plain.contains(&"+wait") && !plain.contains(&"+cluster|slots"));
        assert!(needs(Durability::Memory, true).contains(&"+cluster|slots"));
        let disk = needs(Durability::Fsync, false);
        assert!(disk.contains(&"+waitaof") && disk.contains(&"+config|get"));
    }
}
