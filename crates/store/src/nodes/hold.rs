//! Whether a failover is under way, for who sends votes: what the old master takes meanwhile would be forgotten.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The longest time that anybody holds back for one failover. A planned one has its new master after 1 to 2 s; of one
/// that takes longer than this, nobody knows when it ends, and votes would be refused that the old master can take.
pub(crate) const HOLD_AT_MOST: Duration = Duration::from_secs(5);

/// How a failover ended, as far as was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A sentinel names the new master.
    Followed,
    /// The sentinels gave it up: the old master stays.
    GivenUp,
    /// Nothing was heard within [`HOLD_AT_MOST`].
    Unheard,
}

impl End {
    pub(super) const ALL: [Self; 3] = [Self::Followed, Self::GivenUp, Self::Unheard];

    /// As metrics and log lines name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Followed => "followed",
            Self::GivenUp => "given_up",
            Self::Unheard => "unheard",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Over(End),
    UnderWay { until: Instant },
}

/// Whether a failover is under way.
#[derive(Debug)]
pub(super) struct Hold(watch::Sender<State>);

impl Default for Hold {
    fn default() -> Self {
        Self(watch::Sender::new(State::Over(End::Followed)))
    }
}

impl Hold {
    /// A failover has begun; `false` where that was known. What a second sentinel says of it makes it no longer.
    pub(super) fn begin(&self) -> bool {
        let now = Instant::now();
        self.0.send_if_modified(|state| {
            let known = matches!(state, State::UnderWay { until } if *until > now);
            if !known {
                *state = State::UnderWay {
                    until: now + HOLD_AT_MOST,
                };
            }
            !known
        })
    }

    /// It is over.
    pub(super) fn end(&self, end: End) {
        self.0.send_if_modified(|state| {
            let ends = matches!(state, State::UnderWay { .. });
            if ends {
                *state = State::Over(end);
            }
            ends
        });
    }

    /// Waits until no failover is under way, or for as long as anybody holds back for one; says how the last one ended.
    pub(super) async fn over(&self) -> End {
        let mut news = self.0.subscribe();
        loop {
            let until = match *news.borrow_and_update() {
                State::Over(end) => return end,
                State::UnderWay { until } => until,
            };
            match tokio::time::timeout_at(until, news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return End::Unheard,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_while_no_failover_is_under_way() {
        let hold = Hold::default();
        assert!(hold.over().now_or_never().is_some());
        hold.end(End::GivenUp);
        assert_eq!(hold.over().now_or_never(), Some(End::Followed));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_as_soon_as_it_is_over() {
        for end in [End::Followed, End::GivenUp] {
            let hold = Hold::default();
            assert!(hold.begin());
            let mut waiting = std::pin::pin!(hold.over());
            assert!(waiting.as_mut().now_or_never().is_none());
            hold.end(end);
            assert_eq!(waiting.now_or_never(), Some(end));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failover_of_which_no_end_is_heard_holds_nobody_for_ever() {
        let hold = Hold::default();
        assert!(hold.begin());
        let began = Instant::now();
        tokio::time::advance(HOLD_AT_MOST / 2).await;
        assert!(!hold.begin(), "another sentinel tells of the same one");
        assert_eq!(hold.over().await, End::Unheard);
        assert_eq!(began.elapsed(), HOLD_AT_MOST);
        assert_eq!(hold.over().now_or_never(), Some(End::Unheard));
        assert!(hold.begin(), "the next one is another one");
        assert!(hold.over().now_or_never().is_none());
    }
}
