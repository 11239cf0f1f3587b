//! Where a writer's requests wait for their fate, between it and Redis.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use redis::{Cmd, ConnectionLike, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vote_testkit::resp;

/// The one connection on which everything is executed, in the order of the schedule.
pub(super) type Upstream = Arc<Mutex<redis::Connection>>;

/// A request that waits.
pub(super) struct Held {
    pub(super) request: Request,
    answer: oneshot::Sender<Option<Vec<u8>>>,
}

/// A command as it came, or two that one connection has carried together.
#[derive(Clone)]
pub(super) struct Request {
    bytes: Vec<u8>,
    /// Of the first.
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

    pub(super) fn writer(&self) -> &str {
        self.argument(1)
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
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&queue), Arc::clone(&upstream)));
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

    pub(super) fn is_waiting(&self) -> bool {
        !self.held.lock().is_empty()
    }

    pub(super) fn peek(&self) -> Option<Request> {
        self.held.lock().front().map(|held| held.request.clone())
    }

    pub(super) fn take(&self) -> Option<Held> {
        self.held.lock().pop_front()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
        // Their connections end with them.
        self.held.lock().clear();
    }
}

/// The next request, once all of it is there. The question for a writer is two commands, which nothing comes between: a
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
        length += frame_len(&buffer[length..])?;
        request.commands = 2;
    }
    request.bytes = buffer.drain(..length).collect();
    Some(request)
}

async fn serve(mut socket: TcpStream, queue: Arc<Mutex<VecDeque<Held>>>, upstream: Upstream) {
    let mut buffer = Vec::new();
    loop {
        while let Some(request) = next_request(&mut buffer) {
            let reply = if request.is_batch() || request.is("HMGET") {
                let (answer, answered) = oneshot::channel();
                queue.lock().push_back(Held { request, answer });
                match answered.await {
                    Ok(Some(reply)) => reply,
                    Ok(None) | Err(_) => return,
                }
            } else {
                // What makes a connection: no part of the protocol.
                request.execute(&upstream)
            };
            if socket.write_all(&reply).await.is_err() {
                return;
            }
        }
        match socket.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
