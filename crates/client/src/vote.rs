//! One vote's way: sent, sent again with the same key while its outcome is open or the service asks to, and judged.

use crate::answer::{self, NO_CONNECTION, Seen, Shown, no_connection};
use crate::backoff::backoff;
use crate::connection::Connection;
use crate::plan::Plan;
use crate::stats::{Progress, Stats, Verdict};
use crate::stop::Stop;
use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest pause between two attempts, also when the service asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a vote is sent again at most: well within the time for which its key is remembered (120 s by default).
/// Later, a repeat could count it twice.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// The name of a request whose answer was not waited for, because the run was to end at once.
const NOT_WAITED_FOR: &str = "not waited for";

/// Sends vote `index` until its outcome is known, the attempts are used up or the run is stopped.
///
/// `connection` is the worker's, opened when needed and dropped when it breaks. Without a key a vote whose outcome is
/// open is not sent again: that could count it twice.
pub(crate) async fn cast(
    plan: &Plan,
    index: u64,
    request: &[u8],
    connection: &mut Option<Connection>,
    stats: &RefCell<Stats>,
    progress: &Progress,
    stop: &Stop,
) -> (Verdict, u32) {
    let (mut sent, mut open) = (false, false);
    let start = Instant::now();
    for attempt in 1..=plan.attempts.max(1) {
        let tried = send(plan, request, connection, stop).await;
        sent |= tried.sent;
        let mut last = attempt >= plan.attempts || start.elapsed() >= GIVE_UP_AFTER;
        match tried.shown {
            Shown::Accepted => return (Verdict::Accepted, attempt),
            // Only an earlier attempt of ours can have recorded it: keys are new with every run.
            Shown::AlreadyAccepted if open => return (Verdict::Accepted, attempt),
            Shown::AlreadyAccepted => return (Verdict::Repeated, attempt),
            Shown::Refused => last = true,
            Shown::NotRecorded => {}
            Shown::Open => {
                open = true;
                last |= plan.keys.is_none();
            }
        }
        progress.failures.fetch_add(1, Ordering::Relaxed);
        match says_gone(&tried.error) {
            true => progress.gone.fetch_add(1, Ordering::Relaxed),
            false => progress.gone.swap(0, Ordering::Relaxed),
        };
        // Before the error is counted: a pause in which the run is stopped makes this attempt the last.
        let pause = tried.pause.unwrap_or_else(|| backoff(index, attempt));
        let last = last || !paused(pause.min(LONGEST_PAUSE), stop).await;
        stats.borrow_mut().error(&tried.error, last);
        if last {
            let verdict = match (sent, open) {
                (_, true) => Verdict::Unknown,
                (true, false) => Verdict::Refused,
                (false, false) => Verdict::NoConnection,
            };
            return (verdict, attempt);
        }
    }
    (Verdict::Refused, 0)
}

/// Whether an error says that votes have no place there: of a poll that is over, or of a path that is wrong.
fn says_gone(error: &str) -> bool {
    matches!(error.get(..3), Some("404" | "405" | "410"))
}

/// Whether the pause is over, and not the run.
async fn paused(pause: Duration, stop: &Stop) -> bool {
    tokio::select! {
        biased;
        () = stop.sending_stopped() => false,
        () = tokio::time::sleep(pause) => true,
    }
}

/// What came of one attempt.
struct Tried {
    /// Whether there was a connection to send it on.
    sent: bool,
    shown: Shown,
    /// The pause that it asks for.
    pause: Option<Duration>,
    /// The name of its error.
    error: String,
}

impl Tried {
    fn not_sent(error: String) -> Self {
        Self {
            sent: false,
            shown: Shown::NotRecorded,
            pause: None,
            error,
        }
    }
}

async fn send(plan: &Plan, request: &[u8], slot: &mut Option<Connection>, stop: &Stop) -> Tried {
    let mut connection = match slot.take_if(Connection::is_reusable) {
        Some(connection) => connection,
        None => match open(plan, stop).await {
            Ok(connection) => connection,
            Err(why) => return Tried::not_sent(why),
        },
    };
    let seen = tokio::select! {
        biased;
        seen = answer::vote(&mut connection, request, plan.timeout) => seen,
        () = stop.waiting_stopped() => Seen {
            shown: Shown::Open,
            retry_after: None,
            error: NOT_WAITED_FOR.to_owned(),
            body: None,
        },
    };
    let tried = Tried {
        sent: true,
        shown: seen.shown,
        pause: seen
            .retry_after
            .filter(|_| seen.shown == Shown::NotRecorded),
        error: seen.error,
    };
    // One that broke is not reusable.
    *slot = Some(connection);
    tried
}

/// A new connection, or why there is none. One that would come after the stop is not waited for: nothing is to be sent.
async fn open(plan: &Plan, stop: &Stop) -> Result<Connection, String> {
    let opening = tokio::time::timeout(plan.timeout, Connection::open(&plan.endpoint));
    tokio::select! {
        biased;
        opened = opening => match opened {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(no_connection(&error)),
            Err(_) => Err(format!("{NO_CONNECTION}: timed out")),
        },
        () = stop.sending_stopped() => Err(format!("{NO_CONNECTION}: stopped")),
    }
}
