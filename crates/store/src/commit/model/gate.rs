//! Where writers' requests wait for their fate, between it and Redis.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redis::{Cmd, ConnectionLike, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use vote_testkit::resp;

/// The one connection on which everything is executed, in the order of the schedule.
pub(super) type Upstream = Arc<Mutex<redis::Connection>>;

/// What a connection carries back: nothing where it is cut.
type Answer = Option<Vec<u8>>;

/// A request that waits.
pub(super) struct Held {
    pub(super) request: Request,
    /// Over which connection of the gate it came, and whether that has been cut.
    pub(super) connection: usize,
    is_cut: Arc<AtomicBool>,
    answer: oneshot::Sender<Answer>,
}

/// A command as it came, or three that one connection has carried together.
#[derive(Clone)]
pub(super) struct Request {
    bytes: Vec<u8>,
    /// Of the one that names the writer.
    words: Vec<Vec<u8>>,
    commands: usize,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_batch() {
            write!(
                f,
                "{} {} of {}",
                self.mode(),
                self.sequence(),
                self.writer()
            )
        } else {
            f.write_str(self.text(0))
        }
    }
}

impl Held {
    /// Gives the writer its answer.
    pub(super) fn answer(self, reply: Vec<u8>) {
        // A writer that is gone needs none.
        let _sent = self.answer.send(Some(reply));
    }

    /// Cuts the connection.
    pub(super) fn cut(self) {
        self.is_cut.store(true, Ordering::Relaxed);
        let _sent = self.answer.send(None);
    }
}

impl Request {
    /// What an operator sends.
    pub(super) fn of(command: &Cmd) -> Self {
        let bytes = command.get_packed_command();
        Self {
            words: words(&bytes),
            bytes,
            commands: 1,
        }
    }

    fn is(&self, command: &str) -> bool {
        self.words
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case(command.as_bytes()))
    }

    /// Whether it is a run of `commit.lua`.
    pub(super) fn is_batch(&self) -> bool {
        self.is("EVALSHA")
    }

    /// `ARGV[index]` of the script, from 1.
    fn argument(&self, index: usize) -> &str {
        let keys: usize = self.text(2).parse().expect("a number of keys");
        self.text(2 + keys + index)
    }

    fn text(&self, word: usize) -> &str {
        std::str::from_utf8(&self.words[word]).expect("text")
    }

    /// Whose it is.
    pub(super) fn writer(&self) -> &str {
        if self.is_batch() {
            return self.argument(1);
        }
        // The second command of the question for a writer asks for two of its fields.
        let field = self.text(2);
        field.split_once('/').map_or(field, |(writer, _)| writer)
    }

    pub(super) fn sequence(&self) -> u64 {
        self.argument(2).parse().expect("a sequence")
    }

    pub(super) fn mode(&self) -> &str {
        let argument = self.argument(3);
        argument.split_once(' ').map_or(argument, |(mode, _)| mode)
    }

    /// The first time of a batch, or the closing time that a writer knows.
    pub(super) fn earliest(&self) -> i64 {
        self.argument(4).parse().expect("a time")
    }

    /// Whether it only asks whether its sequence is the last one.
    pub(super) fn asks(&self) -> bool {
        matches!(self.mode(), "check" | "try" | "drain" | "end")
    }

    /// Whether it is a question with votes to be noted as lost.
    pub(super) fn notes(&self) -> bool {
        self.asks() && !self.argument(6).is_empty()
    }

    /// The same with another script, by its digest.
    pub(super) fn with_script(&self, sha1: &str) -> Self {
        let own = self.words[1].clone();
        let mut request = self.clone();
        let at = request
            .bytes
            .windows(own.len())
            .position(|bytes| bytes == own)
            .expect("a script's digest");
        request.bytes[at..at + own.len()].copy_from_slice(sha1.as_bytes());
        request
    }

    /// What a server answers that is out of memory.
    pub(super) fn refusal(&self) -> Vec<u8> {
        b"-OOM command not allowed\r\n".repeat(self.commands)
    }

    /// Runs it now.
    pub(super) fn execute(&self, upstream: &Upstream) -> Vec<u8> {
        let answers = upstream
            .lock()
            .req_packed_commands(&self.bytes, 0, self.commands)
            .expect("Redis executes it");
        let mut reply = Vec::new();
        for answer in &answers {
            encode(answer, &mut reply);
        }
        reply
    }
}

fn encode(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Nil => into.extend_from_slice(b"$-1\r\n"),
        Value::Int(number) => into.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        Value::Okay => into.extend_from_slice(b"+OK\r\n"),
        Value::SimpleString(text) => into.extend_from_slice(format!("+{text}\r\n").as_bytes()),
        Value::BulkString(bytes) => {
            into.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            into.extend_from_slice(bytes);
            into.extend_from_slice(b"\r\n");
        }
        Value::Array(values) => {
            into.extend_from_slice(format!("*{}\r\n", values.len()).as_bytes());
            for value in values {
                encode(value, into);
            }
        }
        // An old server does not know `CLIENT SETINFO`.
        Value::ServerError(_) => into.extend_from_slice(b"-ERR refused\r\n"),
        other => panic!("no lane expects {other:?}"),
    }
}

/// The words of one whole frame that is an array of bulk strings.
fn words(frame: &[u8]) -> Vec<Vec<u8>> {
    fn number(frame: &[u8], at: &mut usize) -> usize {
        let end = (*at..)
            .find(|index| frame[*index] == b'\r')
            .expect("a whole line");
        let text = std::str::from_utf8(&frame[*at + 1..end]).expect("a length");
        *at = end + 2;
        text.parse().expect("a length")
    }
    let mut at = 0;
    let count = number(frame, &mut at);
    (0..count)
        .map(|_| {
            let length = number(frame, &mut at);
            let word = frame[at..at + length].to_vec();
            at += length + 2;
            word
        })
        .collect()
}

/// A port that a writer takes for Redis.
pub(super) struct Gate {
    port: u16,
    held: Arc<Mutex<VecDeque<Held>>>,
    accepting: JoinHandle<()>,
}

impl Gate {
    pub(super) async fn open(upstream: Upstream) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let held = Arc::<Mutex<VecDeque<Held>>>::default();
        let queue = Arc::clone(&held);
        let accepting = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                // As Redis does: an answer does not wait until the one before it has come.
                socket.set_nodelay(true).expect("set");
                let (queue, upstream) = (Arc::clone(&queue), Arc::clone(&upstream));
                tokio::spawn(serve((socket, connection), queue, upstream));
            }
        });
        Self {
            port,
            held,
            accepting,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The requests that wait, in the order in which they came.
    pub(super) fn waiting(&self) -> Vec<Request> {
        let held = self.held.lock();
        held.iter().map(|held| held.request.clone()).collect()
    }

    /// Whether a request waits for which this is so.
    pub(super) fn is_waiting(&self, is_meant: impl Fn(&Request) -> bool) -> bool {
        self.held.lock().iter().any(|held| is_meant(&held.request))
    }

    /// Takes the request that has waited longest.
    pub(super) fn take(&self) -> Option<Held> {
        self.held.lock().pop_front()
    }

    /// Takes the requests of the connection over which one came for which this is so: the first, or all of them. One that is
    /// behind others is not executed before them.
    pub(super) fn take_beside(&self, is_meant: impl Fn(&Request) -> bool, all: bool) -> Vec<Held> {
        let connection = {
            let held = self.held.lock();
            let meant = held.iter().find(|held| is_meant(&held.request));
            meant.map(|held| held.connection)
        };
        let mut is_wanted = true;
        self.take_where(|held| {
            let is_beside = Some(held.connection) == connection;
            is_beside && (all || std::mem::take(&mut is_wanted))
        })
    }

    /// The connections over which requests came that wait.
    pub(super) fn connections(&self) -> BTreeSet<usize> {
        let held = self.held.lock();
        held.iter().map(|held| held.connection).collect()
    }

    /// Takes all requests for which this is so.
    pub(super) fn take_all(&self, is_meant: impl Fn(&Request) -> bool) -> Vec<Held> {
        self.take_where(|held| is_meant(&held.request))
    }

    /// In their order, as what stays.
    fn take_where(&self, is_meant: impl FnMut(&Held) -> bool) -> Vec<Held> {
        let mut held = self.held.lock();
        let (taken, others): (Vec<Held>, Vec<Held>) = held.drain(..).partition(is_meant);
        held.extend(others);
        taken
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
        // Their connections end with them.
        self.held.lock().clear();
    }
}

/// The next request, once all of it is there. The question for a writer is three commands, which nothing comes between: a
/// connection leads to one server process.
fn next_request(buffer: &mut Vec<u8>) -> Option<Request> {
    let frame_len = |bytes: &[u8]| resp::frame_len(bytes).expect("a client speaks RESP");
    let mut length = frame_len(buffer)?;
    let mut request = Request {
        words: words(&buffer[..length]),
        bytes: Vec::new(),
        commands: 1,
    };
    if request.is("HMGET") {
        let second = length + frame_len(&buffer[length..])?;
        let third = second + frame_len(&buffer[second..])?;
        request.words = words(&buffer[length..second]);
        request.commands = 3;
        length = third;
    }
    request.bytes = buffer.drain(..length).collect();
    Some(request)
}

/// Reads what comes, whoever's it is, and answers in that order.
async fn serve(
    (socket, connection): (TcpStream, usize),
    queue: Arc<Mutex<VecDeque<Held>>>,
    upstream: Upstream,
) {
    let (mut from, mut to) = socket.into_split();
    let (asked, mut in_order) = mpsc::unbounded_channel::<oneshot::Receiver<Answer>>();
    let reading = async move {
        let mut buffer = Vec::new();
        let is_cut = Arc::new(AtomicBool::new(false));
        loop {
            while let Some(request) = next_request(&mut buffer) {
                if is_cut.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, answered) = oneshot::channel();
                if request.is_batch() || request.is("HMGET") {
                    let held = Held {
                        request,
                        connection,
                        is_cut: Arc::clone(&is_cut),
                        answer,
                    };
                    queue.lock().push_back(held);
                } else {
                    // What makes a connection: no part of the protocol.
                    let _sent = answer.send(Some(request.execute(&upstream)));
                }
                if asked.send(answered).is_err() {
                    return;
                }
            }
            match from.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    let answering = async move {
        while let Some(answered) = in_order.recv().await {
            let Ok(Some(reply)) = answered.await else {
                return;
            };
            if to.write_all(&reply).await.is_err() {
                return;
            }
        }
    };
    // Whichever ends first: the connection ends with it.
    tokio::select! {
        () = reading => {}
        () = answering => {}
    }
}
