//! Every vote's key is sent once more.

use crate::engine::client::{Attempt, Client};
use crate::engine::client_record::{ClientRecord, Told};
use crate::engine::fleet::Fleet;
use crate::engine::key_states::{KeyState, KeyStates};
use crate::engine::votes::Votes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use vote_client::answer::Shown;

/// How many keys a worker takes at a time.
const CHUNK: u64 = 256;

/// How many keys are asked for at the same time.
const WORKERS: usize = 64;

/// How often a key without an answer that says something is asked for again, and after which pause.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(100);

/// Asks for every key, each at another process than the one that has accepted it.
pub(crate) async fn look_up(
    record: &Arc<ClientRecord>,
    votes: &Arc<dyn Votes>,
    fleet: Fleet,
    candidates: usize,
) -> KeyStates {
    let fleet = Arc::new(fleet);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let (record, fleet, next) = (Arc::clone(record), Arc::clone(&fleet), Arc::clone(&next));
        let votes = Arc::clone(votes);
        workers.spawn(async move {
            let mut client = Client::new(number);
            let mut states = KeyStates::new(candidates);
            let mut request = Vec::with_capacity(1024);
            loop {
                let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                if from >= record.room() {
                    return states;
                }
                for index in from..from + CHUNK {
                    let Some(told) = record.told(index) else {
                        continue;
                    };
                    votes.render_look_up(index, &mut request);
                    let to = match told {
                        Told::Accepted { by } => by + 1,
                        Told::Refused | Told::Unknown => usize::try_from(index).unwrap_or(0),
                    } % fleet.len();
                    let state = ask(&mut client, &fleet, to, &request).await;
                    states.add(votes.candidate(index), told, state);
                }
            }
        });
    }
    let mut all = KeyStates::new(candidates);
    for states in workers.join_all().await {
        all.merge(&states);
    }
    all
}

async fn ask(client: &mut Client, fleet: &Fleet, to: usize, request: &[u8]) -> KeyState {
    // An attempt without an answer may have been recorded itself.
    let mut may_be_ours = false;
    for _ in 0..TRIES {
        let Attempt { shown, error, .. } = client.send(fleet, Some(to), request).await;
        match shown {
            Shown::Accepted => return KeyState::New,
            Shown::AlreadyAccepted if may_be_ours => return KeyState::Unanswered,
            Shown::AlreadyAccepted => return KeyState::Recorded,
            Shown::Refused if error.starts_with("410 ") => return KeyState::Absent,
            Shown::Refused if error == "422 idempotency-key-reused" => return KeyState::OtherVote,
            Shown::Refused => return KeyState::Unanswered,
            Shown::Open => {
                may_be_ours = true;
                tokio::time::sleep(PAUSE).await;
            }
            Shown::NotRecorded => tokio::time::sleep(PAUSE).await,
        }
    }
    KeyState::Unanswered
}
