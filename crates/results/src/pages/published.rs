//! The newest board, and who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;
use tokio::time::Instant;
use vote_http::{Problem, ProblemCode};

use crate::pages::board::Board;

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
    limit: Duration,
}

impl Published {
    /// An empty board, which must be published anew at least every `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            board: ArcSwap::default(),
            news: watch::Sender::new(()),
            since: Instant::now(),
            checked_ms: AtomicU64::new(0),
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
        // One poll that can't be read takes no others out of service.
        if board.polls.is_empty() && !board.unread.is_empty() {
            return Err("the figures of no poll have been read yet".to_owned());
        }
        if !self.is_up_to_date() {
            return Err("the pages are not kept up to date".to_owned());
        }
        Ok(())
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
        let now_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
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
    use std::collections::BTreeSet;

    use vote_domain::{PollId, ReceiptKey};

    use super::*;

    /// A board that differs from the others by the poll that could not be read yet.
    fn board(unread: &str) -> Board {
        let unread = PollId::parse(unread).expect("an id");
        Board {
            unread: Arc::new(BTreeSet::from([unread])),
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
