//! What sends: one attempt after the other, over a connection that many lanes share, and what is known after each.

use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue as _, RedisError, RedisResult, Value};
use tokio_util::sync::CancellationToken;
use vote_domain::{PollId, WriterId};

use super::call::Call;
use super::copies::{Copies, CopiesWait};
use super::target::Target;
use crate::address::Node;
use crate::forbidden::is_forbidden;
use crate::nodes::{Nodes, SharedLink, leads_elsewhere};
use crate::script::{is_digest_forbidden, is_unknown_script};

/// Connections to a server that all lanes share: Redis runs one command after the other whatever their number, and one
/// may fail.
const SHARED: usize = 2;

/// Of the connections that a pool may have: kept back for what is not a lane's, where each lane has its own.
const KEPT_BACK: usize = 4;

/// How often a question goes at once to the node that another one has named.
const MOST_FOLLOWED: u32 = 3;

/// What came of one attempt to send a batch.
#[derive(Debug)]
pub(super) enum Attempt {
    Replied(Vec<u8>),
    /// Redis has not applied it, for certain.
    NotApplied(String),
    /// It may have been applied.
    Unknown(String),
}

/// What the ledger has of a writer: the last sequence and all votes.
type LedgerEntry = (Option<u64>, Option<u64>);
/// What a shard says of a writer: its fence's state, if it has one; the ledger's entry; what is kept of an ended one.
type WriterOnShard = ([Option<String>; 1], LedgerEntry, [Option<String>; 1]);

/// Why it is not known what the ledger has of a writer.
#[derive(Debug, derive_more::From)]
pub(super) enum UnreadLedger {
    /// The shard was forgotten: with its fence its ledger may come back.
    #[from(skip)]
    NoFence,
    Failed(String),
}

impl UnreadLedger {
    pub(super) fn reason(self) -> String {
        match self {
            Self::NoFence => "the fence is absent".to_owned(),
            Self::Failed(reason) => reason,
        }
    }
}

/// The lane was told to end before the outcome was known.
#[derive(Debug)]
pub(super) struct Aborted;

/// Sends to one shard.
pub(super) struct Sender {
    target: Target,
    /// The key by which the shard's server is found.
    key: String,
    nodes: Nodes,
    copies_wait: CopiesWait,
    abort: CancellationToken,
    /// Which of the shared connections to a server is this lane's.
    place: usize,
    /// The shared connection whose server was asked whether it can make copies.
    checked: Option<u64>,
    /// The node to ask next, and once: the one that is about to get the slot.
    asking: Option<Node>,
    /// Whether the last attempt ended with the name of another node.
    was_sent_on: bool,
    /// Votes are accepted although replicas are missing.
    degraded: bool,
}

impl Sender {
    /// Connects to nothing yet. Every attempt ends as soon as `abort` is cancelled.
    pub(super) fn new(
        target: Target,
        nodes: Nodes,
        copies_wait: CopiesWait,
        abort: CancellationToken,
    ) -> Self {
        // Whoever waits for copies holds up all that come behind it on the same connection.
        let places = match copies_wait.waits() {
            true => nodes.pool_size().saturating_sub(KEPT_BACK),
            false => SHARED.min(nodes.pool_size().saturating_sub(1)),
        };
        Self {
            key: target.keys.state(),
            target,
            place: nodes.next_place(places),
            checked: None,
            nodes,
            copies_wait,
            abort,
            asking: None,
            was_sent_on: false,
            degraded: false,
        }
    }

    /// Whose votes it sends, for log lines and spans.
    pub(super) const fn poll(&self) -> &PollId {
        &self.target.poll
    }

    /// The fields of the poll's channels and candidates.
    pub(super) fn fields(&self) -> &[String] {
        self.target.fields()
    }

    /// How many of them a channel has.
    pub(super) const fn candidates(&self) -> usize {
        self.target.candidates()
    }

    pub(super) const fn shard(&self) -> u16 {
        self.target.shard
    }

    /// Whether votes are accepted although replicas are missing.
    pub(super) const fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// A connection for the next attempt, or why there is none: until it is there nothing has been sent.
    pub(super) async fn connect(&mut self) -> Result<Result<SharedLink, String>, Aborted> {
        let abort = self.abort.clone();
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Aborted),
            link = self.link() => Ok(link),
        }
    }

    /// One attempt to make a call of the script over `link`.
    pub(super) async fn attempt_over(
        &mut self,
        link: SharedLink,
        call: &Call<'_>,
    ) -> Result<Attempt, Aborted> {
        let command = call.command(&self.target);
        let abort = self.abort.clone();
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Aborted),
            attempt = self.attempt_once(link, call, &command) => Ok(attempt),
        }
    }

    /// One attempt to make a call of the script.
    pub(super) async fn attempt(&mut self, call: &Call<'_>) -> Result<Attempt, Aborted> {
        match self.connect().await? {
            Ok(link) => self.attempt_over(link, call).await,
            Err(reason) => Ok(Attempt::NotApplied(reason)),
        }
    }

    /// One attempt of a question, and others at once where a node names another one: it is asked each second alone, and
    /// where slots go on moving, whoever waits so long is always late.
    pub(super) async fn ask(&mut self, call: &Call<'_>) -> Result<Attempt, Aborted> {
        for _ in 0..MOST_FOLLOWED {
            self.was_sent_on = false;
            let attempt = self.attempt(call).await?;
            if !self.was_sent_on {
                return Ok(attempt);
            }
        }
        self.attempt(call).await
    }

    /// The last sequence and all votes of a writer in the ledger, or among those that have ended, read in one step. Of a shard
    /// without a fence nothing can be said: what it has forgotten a backup may bring back, which writes the fence last.
    pub(super) async fn read_ledger(
        &mut self,
        writer: WriterId,
    ) -> Result<Result<(u64, u64), UnreadLedger>, Aborted> {
        let keys = &self.target.keys;
        let mut question = redis::pipe();
        // In this order: what comes with a fence is there before it, and a writer leaves the ledger for the ended ones, never the
        // other way.
        question
            .cmd("HMGET")
            .arg(keys.state())
            .arg("state")
            .cmd("HMGET")
            .arg(keys.writers())
            .arg(crate::fields::sequence(&writer))
            .arg(crate::fields::votes(&writer))
            .cmd("HMGET")
            .arg(keys.ended())
            .arg(writer.to_string());
        let abort = self.abort.clone();
        let read = async {
            let mut link = self.link().await?;
            let answer: RedisResult<WriterOnShard> = question.query_async(&mut *link).await;
            let reason = self.learn_from(link, answer.as_ref().err());
            let ([state], entry, [ended]) = answer.map_err(|_| reason)?;
            if state.is_none() {
                return Err(UnreadLedger::NoFence);
            }
            Ok(match (entry, ended) {
                ((Some(sequence), votes), _) => (sequence, votes.unwrap_or(0)),
                (_, Some(ended)) => crate::fields::parse_ended(&ended).ok_or_else(|| {
                    format!("{}: {ended:?} is no entry", self.target.keys.ended())
                })?,
                _ => (0, 0),
            })
        };
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Aborted),
            answer = read => Ok(answer),
        }
    }

    /// Waits that long, unless the lane is told to end.
    pub(super) async fn pause(&self, pause: Duration) -> Result<(), Aborted> {
        self.unless_aborted(tokio::time::sleep(pause)).await
    }

    /// Waits for that, unless the lane is told to end.
    pub(super) async fn unless_aborted<T>(
        &self,
        what: impl Future<Output = T>,
    ) -> Result<T, Aborted> {
        tokio::select! {
            biased;
            () = self.abort.cancelled() => Err(Aborted),
            done = what => Ok(done),
        }
    }

    /// Waits while a failover is under way that the sentinels tell of, unless the lane is told to end. Nothing may be
    /// out meanwhile whose clients could still take it back.
    pub(super) async fn hold_back(&self) -> Result<(), Aborted> {
        tokio::select! {
            biased;
            () = self.abort.cancelled() => Err(Aborted),
            () = self.nodes.no_failover() => Ok(()),
        }
    }

    async fn attempt_once(
        &mut self,
        mut link: SharedLink,
        call: &Call<'_>,
        command: &Cmd,
    ) -> Attempt {
        let mut sent = self.send(&mut link, command).await;
        if sent.as_ref().is_err_and(is_unknown_script) {
            let script = call.script();
            sent = match script.load(&mut link).await {
                Ok(()) => self.send(&mut link, command).await,
                Err(error) if is_forbidden(&error) => {
                    self.send(&mut link, &script.in_full(command)).await
                }
                Err(error) => return Attempt::NotApplied(self.learn_from(link, Some(&error))),
            };
        }
        if sent.as_ref().is_err_and(is_digest_forbidden) {
            let command = call.script().in_full(command);
            sent = self.send(&mut link, &command).await;
        }
        let reason = self.learn_from(link, sent.as_ref().err());
        match sent {
            Ok((bytes, copies)) => self.confirmed(bytes, copies, call.writer),
            Err(error) if is_refusal(&error) => Attempt::NotApplied(reason),
            Err(_) => Attempt::Unknown(reason),
        }
    }

    /// Sends a command, and behind it on the same connection the wait for its copies.
    async fn send(
        &mut self,
        link: &mut SharedLink,
        command: &Cmd,
    ) -> RedisResult<(Vec<u8>, Copies)> {
        let asking = self.asking.take().is_some();
        let wait = self.copies_wait.command(self.degraded);
        if wait.is_none() && !asking {
            let bytes = command.query_async(&mut **link).await?;
            return Ok((bytes, Copies::Enough));
        }
        let mut pipe = redis::pipe();
        if asking {
            pipe.cmd("ASKING").ignore();
        }
        pipe.add_command(command.clone());
        let waits = wait.is_some();
        if let Some(wait) = wait {
            pipe.add_command(wait);
        }
        let answers: Vec<Value> = pipe.ignore_errors().query_async(&mut **link).await?;
        let mut answers = answers.into_iter();
        let reply = answers.next().unwrap_or(Value::Nil).extract_error()?;
        let bytes = Vec::<u8>::from_redis_value(reply).map_err(RedisError::from)?;
        let copies = match answers.next() {
            Some(answer) => self.copies_wait.copies(answer),
            None if waits => Copies::Error("the wait for its copies has no answer".to_owned()),
            None => Copies::Enough,
        };
        Ok((bytes, copies))
    }

    /// A reply counts once the batch has its copies: before, it is as good as lost, and asked for again.
    fn confirmed(&mut self, bytes: Vec<u8>, copies: Copies, writer: WriterId) -> Attempt {
        let missing = match copies {
            Copies::Enough => None,
            Copies::Missing(why) if self.copies_wait.degrades() => Some(why),
            Copies::Missing(why) | Copies::Error(why) => return Attempt::Unknown(why),
        };
        let degraded = missing.is_some();
        if std::mem::replace(&mut self.degraded, degraded) != degraded {
            match missing {
                Some(why) => tracing::error!(
                    poll = %self.target.poll, shard = self.target.shard, %writer, why,
                    "replicas are missing: votes are accepted without them"
                ),
                None => tracing::info!(
                    poll = %self.target.poll, shard = self.target.shard, %writer,
                    "replicas are back: votes are accepted with them"
                ),
            }
        }
        Attempt::Replied(bytes)
    }

    /// The shared connection to the shard's master of today; one of its own to the node that has to be asked first.
    async fn link(&mut self) -> Result<SharedLink, String> {
        let link = match &self.asking {
            Some(node) => self.nodes.own_connection_to(node).await,
            None => self.nodes.shared(&self.key, self.place).await,
        };
        if link.is_err() {
            self.asking = None;
        }
        let mut link = link.map_err(|error| error.to_string())?;
        if link.number() != self.checked {
            if let Err(error) = self.copies_wait.check(&mut link, &self.nodes).await {
                link.discard();
                return Err(error.to_string());
            }
            self.checked = link.number();
        }
        let patience = self.nodes.response_timeout() + self.copies_wait.timeout();
        link.set_response_timeout(patience);
        Ok(link)
    }

    /// Takes note of what `error` says of the servers, and gives its text. The connection is good for the next attempt, or
    /// for nobody.
    fn learn_from(&mut self, link: SharedLink, error: Option<&RedisError>) -> String {
        let Some(error) = error else {
            return String::new();
        };
        self.asking = self.nodes.learn_from(&self.key, error);
        self.was_sent_on = is_redirect(error);
        // Other lanes' calls to the server that it leads to go on.
        let is_good = is_refusal(error) && (is_redirect(error) || !leads_elsewhere(error));
        if !is_good {
            link.discard();
        }
        error.to_string()
    }
}

/// Whether the server names another one that has, or is about to get, the slot.
fn is_redirect(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Kind;
    matches!(error.kind(), ErrorKind::Server(Kind::Moved | Kind::Ask))
}

/// Whether the server has refused before it wrote anything. Redis refuses these before a script
/// runs, or at its first write and never after; of any other error reply that is not known.
fn is_refusal(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Kind;
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            Kind::NoScript
                | Kind::BusyLoading
                | Kind::MasterDown
                | Kind::ReadOnly
                | Kind::ClusterDown
                | Kind::TryAgain
                | Kind::Moved
                | Kind::Ask
                | Kind::CrossSlot
        ),
        _ => matches!(
            error.code(),
            Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" | "NOAUTH" | "WRONGPASS")
        ),
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::fixtures::demo_poll;
    use vote_testkit::{Fault, FaultProxy, RedisServer};

    use super::*;
    use crate::commit::batch::Batch;
    use crate::commit::call::Mode;
    use crate::commit::config::LaneConfig;
    use crate::commit::durability::Durability;
    use crate::config::RedisConfig;
    use crate::script::COMMIT;

    const WRITER: WriterId = WriterId::from_bytes([1; 8]);
    const WINDOW_MS: i64 = 60_000;

    fn target() -> Target {
        Target::new(&demo_poll().draft(), 0, WINDOW_MS)
    }

    fn sender(url: &str, abort: CancellationToken) -> Sender {
        let config = RedisConfig::new(url).expect("a usable address");
        let nodes = Nodes::new(&config).expect("nothing to refuse");
        let copies_wait = CopiesWait::new(&LaneConfig::default());
        Sender::new(target(), nodes, copies_wait, abort)
    }

    /// A server that knows the script, with an open poll.
    async fn redis() -> RedisServer {
        let redis = RedisServer::start().await;
        let mut connection = redis.connection().await;
        COMMIT.load(&mut connection).await.expect("Redis loads it");
        let fence = [("state", "open"), ("opens_at", "0"), ("closes_at", "9e15")];
        redis::cmd("HSET")
            .arg(target().keys.state())
            .arg(&fence)
            .exec_async(&mut connection)
            .await
            .expect("the fence is written");
        redis
    }

    async fn send(sender: &mut Sender, sequence: u64) -> Result<Attempt, Aborted> {
        let mut batch = Batch::starting(1_000);
        batch.add_plain(0, 0, 1);
        sender
            .attempt(&Call::new(WRITER, sequence, Mode::Live, &batch))
            .await
    }

    /// Which connection the next attempt would go over.
    async fn next_link(sender: &mut Sender) -> Option<u64> {
        let link = sender.connect().await.expect("it is not told to end");
        link.expect("Redis is there").number()
    }

    fn is_accepted(attempt: &Result<Attempt, Aborted>) -> bool {
        matches!(attempt, Ok(Attempt::Replied(bytes)) if bytes == b"A")
    }

    #[tokio::test]
    async fn a_reply_comes_back_and_the_connection_is_kept_for_the_next_batch() {
        let redis = redis().await;
        let mut sender = sender(&redis.url(), CancellationToken::new());
        assert!(is_accepted(&send(&mut sender, 1).await));
        let link = next_link(&mut sender).await;
        assert!(is_accepted(&send(&mut sender, 2).await));
        assert_eq!(next_link(&mut sender).await, link);
        let entry = sender.read_ledger(WRITER).await;
        assert!(matches!(entry, Ok(Ok((2, 2)))), "{entry:?}");
    }

    #[tokio::test]
    async fn of_a_batch_whose_connection_ended_nothing_is_known() {
        let redis = redis().await;
        let proxy = FaultProxy::start(redis.port()).await;
        proxy.only(["EVALSHA"]);
        let mut sender = sender(&proxy.url(), CancellationToken::new());
        for fault in [Fault::CutBeforeRequest, Fault::CutBeforeReply] {
            let link = next_link(&mut sender).await;
            proxy.next(fault);
            let attempt = send(&mut sender, 1).await;
            assert!(matches!(attempt, Ok(Attempt::Unknown(_))), "{attempt:?}");
            let another = next_link(&mut sender).await;
            assert_ne!(another, link, "the connection is not used again");
        }
        assert!(is_accepted(&send(&mut sender, 1).await), "a repeat");
        let entry = sender.read_ledger(WRITER).await;
        assert!(matches!(entry, Ok(Ok((1, 1)))), "{entry:?}");
    }

    #[tokio::test]
    async fn what_redis_refuses_before_its_first_write_was_not_applied() {
        let redis = redis().await;
        let mut sender = sender(&redis.url(), CancellationToken::new());
        assert!(is_accepted(&send(&mut sender, 1).await));
        let link = next_link(&mut sender).await;
        redis::cmd("CONFIG")
            .arg(&["SET", "maxmemory", "1"])
            .exec_async(&mut redis.connection().await)
            .await
            .expect("Redis is out of memory");
        let attempt = send(&mut sender, 2).await;
        assert!(matches!(attempt, Ok(Attempt::NotApplied(_))), "{attempt:?}");
        let same = next_link(&mut sender).await;
        assert_eq!(same, link, "the connection is as good as before");
    }

    #[tokio::test]
    async fn a_server_that_does_not_know_the_script_is_given_it() {
        let redis = redis().await;
        redis::cmd("SCRIPT")
            .arg("FLUSH")
            .exec_async(&mut redis.connection().await)
            .await
            .expect("the scripts are forgotten");
        let mut sender = sender(&redis.url(), CancellationToken::new());
        assert!(is_accepted(&send(&mut sender, 1).await));
    }

    #[tokio::test]
    async fn nothing_was_applied_where_nobody_listens() {
        let port = vote_testkit::free_port();
        let url = format!("redis://127.0.0.1:{port}");
        let mut sender = sender(&url, CancellationToken::new());
        let attempt = send(&mut sender, 1).await;
        assert!(matches!(attempt, Ok(Attempt::NotApplied(_))), "{attempt:?}");
    }

    #[tokio::test]
    async fn lanes_share_their_connections_and_one_that_waits_for_copies_has_its_own() {
        let redis = redis().await;
        let config = RedisConfig::new(redis.url()).expect("a usable address");
        for (durability, connections) in [
            (Durability::Memory, SHARED),
            (
                Durability::Replicas {
                    count: 1,
                    timeout: Duration::from_millis(1),
                },
                9,
            ),
        ] {
            let nodes = Nodes::new(&config).expect("nothing to refuse");
            let copies_wait = CopiesWait::new(&LaneConfig {
                durability,
                ..LaneConfig::default()
            });
            let mut links = std::collections::BTreeSet::new();
            for _ in 0..9 {
                let abort = CancellationToken::new();
                let mut sender = Sender::new(target(), nodes.clone(), copies_wait, abort);
                links.insert(next_link(&mut sender).await);
            }
            assert_eq!(links.len(), connections, "{durability:?}");
        }
    }

    #[tokio::test]
    async fn a_lane_that_is_told_to_end_waits_for_nothing() {
        let redis = redis().await;
        let abort = CancellationToken::new();
        let mut sender = sender(&redis.url(), abort.clone());
        abort.cancel();
        assert!(matches!(send(&mut sender, 1).await, Err(Aborted)));
        assert!(matches!(sender.pause(Duration::MAX).await, Err(Aborted)));
    }
}
