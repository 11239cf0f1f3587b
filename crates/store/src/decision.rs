//! The call that decides of votes that were set aside as suspect.

use redis::Cmd;
use sha2::{Digest as _, Sha256};
use vote_domain::{Fate, PollId, QuarantineSelection, WriterId};

use crate::keys::ShardKeys;
use crate::script::DECIDE_QUARANTINE;

/// The call that decides of votes of one shard in some minutes.
pub(crate) fn decide_command(
    keys: &ShardKeys,
    writer: WriterId,
    fate: Fate,
    selection: &QuarantineSelection,
    minutes: &[i64],
) -> Cmd {
    let mut command = DECIDE_QUARANTINE.command(5 + 2 * minutes.len());
    command
        .arg(keys.state())
        .arg(keys.tally())
        .arg(keys.writers())
        .arg(keys.ended())
        .arg(keys.quarantine());
    for &minute in minutes {
        command
            .arg(keys.quarantine_minute(minute))
            .arg(keys.minutes(minute));
    }
    command.arg(writer.to_string()).arg(fate.as_str());
    for reason in &selection.reasons {
        command.arg(reason.as_str());
    }
    command
}

/// The writer that stands for a decision in the ledgers: by its name it is known which entry of the poll's log that is.
pub(crate) fn stands_for(poll: &PollId, revision: u64) -> WriterId {
    let mut hash = Sha256::new();
    hash.update(b"quarantine\0");
    hash.update(poll.as_str());
    hash.update(revision.to_be_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&hash.finalize()[..8]);
    WriterId::from_bytes(id)
}
