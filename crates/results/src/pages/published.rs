//! The newest board, and who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;
use tokio::time::Instant;
use vote_http::{Problem, ProblemCode};

use crate::pages::board::Board;

/// How long a process that has just started is not ready for want of an open poll's figures. A poll that can't be read at
/// all must not keep it, and every other process, from showing the others. The alert on its age fires before.
const PATIENCE: Duration = Duration::from_secs(30);

/// The newest board, for as long as somebody sees to it that it is. A request loads it without a lock.
///
/// Figures turn stale by being made anew. Where that has stopped, they would go on to say that they are
/// fresh: nobody gets them any more.
#[derive(Debug)]
pub(crate) struct Published {
    board: ArcSwap<Board>,
    /// Changes with every board that says something else.
    news: watch::Sender<()>,
    since: Instant,
    /// Milliseconds from `since` to when the board was last found, or made, to be up to date.
    checked_ms: AtomicU64,
    /// Milliseconds from `since` until which open polls are waited for; 0 once there was something of each.
    patient_until_ms: AtomicU64,
    limit: Duration,
}

/// Nothing has been read yet.
const UNTOLD: u64 = u64::MAX;

impl Published {
    /// An empty board, which must be published anew at least every `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            board: ArcSwap::default(),
            news: watch::Sender::new(()),
            since: Instant::now(),
            checked_ms: AtomicU64::new(0),
            patient_until_ms: AtomicU64::new(UNTOLD),
            limit,
        }
    }

    /// The newest board.
    ///
    /// # Errors
    /// `snapshot-unavailable` where nobody has seen to it for too long.
    pub(crate) fn load(&self) -> Result<Guard<Arc<Board>>, Problem> {
        let board = self.board.load();
        // An empty one says of itself that nothing is known yet.
        if board.list.is_none() || self.is_up_to_date() {
            return Ok(board);
        }
        Err(Problem::new(ProblemCode::SnapshotUnavailable)
            .because("the pages are not kept up to date"))
    }

    /// Whether there is something to answer from.
    ///
    /// # Errors
    /// Why there isn't.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let board = self.board.load();
        if board.list.is_none() {
            return Err("nothing has been read from Redis yet".to_owned());
        }
        if board.polls.is_empty() && !board.unread.is_empty() {
            return Err("the figures of no poll have been read yet".to_owned());
        }
        if !self.is_up_to_date() {
            return Err("the pages are not kept up to date".to_owned());
        }
        match board.open_unread() {
            Some(id) if self.now_ms() < self.patient_until_ms.load(Ordering::Relaxed) => {
                Err(format!("nothing of the open poll {id} has been read yet"))
            }
            _ => Ok(()),
        }
    }

    /// Once there was something of every open poll, one that can't be read takes no others out of service.
    fn be_patient(&self, board: &Board, now_ms: u64) {
        if board.list.is_none() {
            return;
        }
        let patience_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let until = match self.patient_until_ms.load(Ordering::Relaxed) {
            _ if board.open_unread().is_none() => 0,
            UNTOLD => now_ms.saturating_add(patience_ms),
            _ => return,
        };
        self.patient_until_ms.store(until, Ordering::Relaxed);
    }

    /// Milliseconds since the start.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_up_to_date(&self) -> bool {
        let checked = Duration::from_millis(self.checked_ms.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(checked) <= self.limit
    }

    /// The newest board, for who makes it.
    pub(crate) fn newest(&self) -> Arc<Board> {
        self.board.load_full()
    }

    /// Wakes whoever waits for it after each board that says something else. What was published while nobody
    /// waited is one piece of news: the newest board has all of it.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Publishes a board, which is up to date now.
    pub(crate) fn publish(&self, board: Board) {
        let now_ms = self.now_ms();
        self.be_patient(&board, now_ms);
        let before = self.newest();
        let is_news = !board.is_same(&before);
        // The key is read anew with every list of polls, and is hardly ever another one.
        if is_news || !board.has_key_of(&before) {
            self.board.store(Arc::new(board));
        }
        self.checked_ms.store(now_ms, Ordering::Relaxed);
        if is_news {
            self.news.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus_client::registry::Registry;
    use vote_domain::{ManualClock, PollId, ReceiptKey};
    use vote_store::{Snapshots, UnreadPoll};

    use super::*;
    use crate::documents::view::tests_freshness as freshness;
    use crate::metrics::Metrics;
    use crate::pages::maker::PageMaker;
    use crate::samples::{at, confirmed, snapshot};

    /// A board that differs from the others by the poll that could not be read yet.
    fn board(unread: &str) -> Board {
        let poll = UnreadPoll {
            since: at("2026-11-24T01:02:03Z"),
            is_open: true,
        };
        let id = PollId::parse(unread).expect("an id");
        Board {
            unread: Arc::new(BTreeMap::from([(id, poll)])),
            ..Board::default()
        }
    }

    #[test]
    fn a_process_that_could_read_nothing_of_any_poll_is_not_ready() {
        let published = Published::new(Duration::from_secs(60));
        assert!(
            published
                .ready()
                .is_err_and(|why| why.contains("nothing has been read"))
        );
        published.publish(Board {
            list: Some(Arc::default()),
            ..board("one")
        });
        assert!(
            published
                .ready()
                .is_err_and(|why| why.contains("figures of no poll"))
        );
        published.publish(Board {
            list: Some(Arc::default()),
            ..Board::default()
        });
        assert_eq!(published.ready(), Ok(()), "there is no poll");
    }

    /// The board of a list that was read, with one poll whose figures were.
    fn with_a_poll(board: Board) -> Board {
        let now = at("2026-11-24T01:02:03Z");
        let (_, snapshots) = watch::channel(Snapshots::default());
        let clock = Arc::new(ManualClock::new(now));
        let metrics = Metrics::register(&mut Registry::default(), snapshots, clock);
        let poll = confirmed(snapshot(&[]), now);
        let id = poll.snapshot.poll.definition.id().clone();
        let pages = PageMaker::new(freshness(), metrics).poll(&poll, None, now);
        Board {
            list: Some(Arc::default()),
            polls: BTreeMap::from([(id, pages.expect("pages"))]),
            ..board
        }
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_process_that_starts_waits_for_each_open_poll_but_not_for_ever() {
        let published = Published::new(LONG);
        // Redis was away for longer than anybody's patience.
        tokio::time::advance(2 * PATIENCE).await;
        assert!(published.ready().is_err());
        published.publish(with_a_poll(board("one")));
        assert!(published.ready().is_err_and(|why| why.contains("one")));
        tokio::time::advance(PATIENCE - Duration::from_millis(1)).await;
        published.publish(with_a_poll(board("one")));
        assert!(published.ready().is_err_and(|why| why.contains("one")));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(published.ready(), Ok(()), "the others are shown");
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_has_had_something_of_each_open_poll_stays_ready() {
        let published = Published::new(LONG);
        published.publish(with_a_poll(board("one")));
        assert!(published.ready().is_err());
        published.publish(with_a_poll(Board::default()));
        assert_eq!(published.ready(), Ok(()));
        published.publish(with_a_poll(board("opened-later")));
        assert_eq!(published.ready(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_poll_that_is_not_open() {
        let published = Published::new(LONG);
        let mut unread = board("one");
        for poll in Arc::make_mut(&mut unread.unread).values_mut() {
            poll.is_open = false;
        }
        published.publish(with_a_poll(unread));
        assert_eq!(published.ready(), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_learns_of_a_new_board_once() {
        let published = Arc::new(Published::new(Duration::from_secs(60)));
        let mut news = published.news();
        assert!(!news.has_changed().expect("open"), "nothing is new yet");

        let publisher = Arc::clone(&published);
        let publishing = tokio::spawn(async move { publisher.publish(board("one")) });
        news.changed().await.expect("open");
        publishing.await.expect("published");
        assert_eq!(published.newest().unread, board("one").unread);
        assert!(!news.has_changed().expect("open"), "told already");
    }

    #[tokio::test]
    async fn what_was_missed_is_one_piece_of_news() {
        let published = Published::new(Duration::from_secs(60));
        let mut news = published.news();
        for unread in ["one", "two", "three"] {
            published.publish(board(unread));
        }
        news.changed().await.expect("open");
        assert_eq!(published.newest().unread, board("three").unread);
        assert!(!news.has_changed().expect("open"));
        assert!(!published.news().has_changed().expect("open"), "came later");
    }

    #[test]
    fn the_same_board_again_is_no_news_and_neither_is_the_receipts_key() {
        let published = Published::new(Duration::from_secs(60));
        published.publish(board("one"));
        let news = published.news();
        published.publish(board("one"));
        let key = Arc::new(ReceiptKey::from_bytes([1; 32]));
        published.publish(Board {
            receipt_key: Some(Arc::clone(&key)),
            ..board("one")
        });
        assert!(!news.has_changed().expect("open"));
        let known = published.newest().receipt_key.clone();
        assert!(known.is_some_and(|known| Arc::ptr_eq(&known, &key)));
    }
}
