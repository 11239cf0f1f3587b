//! The least that a server can do for a vote: wait, read, parse head and body, write.
//!
//! A thread per core with an epoll of its own; connections are dealt out in turn. No timeouts, no allocation, no more calls
//! of the system than one that reads and one that writes.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use serde::Deserialize;

use super::answer::whole;
use super::threads;

const CANDIDATES: [&str; 4] = ["ana", "bia", "caio", "davi"];
/// Longest request.
const ROOM: usize = 4096;
/// Stands for no connection: there are new ones.
const NEW: Token = Token(usize::MAX);

#[derive(Deserialize)]
struct Vote<'a> {
    candidate: &'a str,
}

pub(super) fn serve(listener: &TcpListener) -> io::Result<()> {
    let workers = (0..threads())
        .map(|_| Worker::start())
        .collect::<io::Result<Vec<_>>>()?;
    for (connections, waker) in workers.iter().cycle() {
        let (connection, _) = listener.accept()?;
        connection.set_nonblocking(true)?;
        connection.set_nodelay(true)?;
        let connection = TcpStream::from_std(connection);
        connections.send(connection).map_err(io::Error::other)?;
        waker.wake()?;
    }
    Ok(())
}

/// The connections of one thread.
struct Worker {
    poll: Poll,
    new: Receiver<TcpStream>,
    open: Vec<Option<Connection>>,
    free: Vec<usize>,
    answer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a request that has not come whole.
    begun: Vec<u8>,
}

impl Worker {
    fn start() -> io::Result<(Sender<TcpStream>, Waker)> {
        let (sender, new) = mpsc::channel();
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), NEW)?;
        let worker = Self {
            poll,
            new,
            open: Vec::new(),
            free: Vec::new(),
            answer: whole(),
        };
        // It ends with the process.
        let _running = thread::spawn(move || worker.run());
        Ok((sender, waker))
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = [0; ROOM];
        loop {
            if let Err(error) = self.poll.poll(&mut events, None)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                if event.token() == NEW {
                    self.take_in()?;
                } else {
                    self.serve(event.token().0, &mut buffer);
                }
            }
        }
    }

    fn take_in(&mut self) -> io::Result<()> {
        for mut stream in self.new.try_iter() {
            let place = self.free.pop().unwrap_or(self.open.len());
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(place), Interest::READABLE)?;
            let begun = Vec::new();
            let connection = Some(Connection { stream, begun });
            match self.open.get_mut(place) {
                Some(free) => *free = connection,
                None => self.open.push(connection),
            }
        }
        Ok(())
    }

    fn serve(&mut self, place: usize, buffer: &mut [u8]) {
        let Some(open) = self.open.get_mut(place) else {
            return;
        };
        let goes_on = open
            .as_mut()
            .is_some_and(|connection| connection.serve(buffer, &self.answer).unwrap_or(false));
        if !goes_on && open.take().is_some() {
            self.free.push(place);
        }
    }
}

impl Connection {
    /// Answers all that has come. Whether the connection goes on.
    fn serve(&mut self, buffer: &mut [u8], answer: &[u8]) -> io::Result<bool> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            let new = buffer.get(..read).unwrap_or_default();
            let mut rest = new;
            if !self.begun.is_empty() {
                self.begun.extend_from_slice(new);
                rest = &self.begun;
            }
            while let Some(length) = vote_at(rest)? {
                // An answer is small: a socket that does not take it whole has a client that reads nothing.
                if self.stream.write(answer)? < answer.len() {
                    return Ok(false);
                }
                rest = rest.get(length..).unwrap_or_default();
            }
            self.begun = rest.to_vec();
            // Less than there was room for: nothing is left, and what comes is told.
            if read < buffer.len() {
                return Ok(true);
            }
        }
    }
}

/// How long the vote is that begins here, if it is there whole.
fn vote_at(bytes: &[u8]) -> io::Result<Option<usize>> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let is_vote = request.method == Some("POST") && request.path == Some("/v1/polls/bench/votes");
    let length = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .parse::<usize>()
                .ok()
        })
        .filter(|_| is_vote)
        .ok_or_else(bad)?;
    let Some(body) = bytes.get(head..head + length) else {
        return Ok(None);
    };
    let vote: Vote<'_> = serde_json::from_slice(body).map_err(io::Error::other)?;
    if !CANDIDATES.contains(&vote.candidate) {
        return Err(bad());
    }
    Ok(Some(head + length))
}
