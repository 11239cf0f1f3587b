//! A TCP proxy in front of Redis that fails on purpose, at the places where real networks do.
//!
//! It counts requests (RESP arrays, also pipelined ones) and pairs every reply with its request, so that a fault hits
//! exactly one request, before or after Redis has processed it. Not for `SUBSCRIBE` and `MONITOR` over RESP2, whose
//! messages can't be told from replies.

mod script;
mod shared;
mod tunnel;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use crate::proxy::script::{Fault, FaultCounts, RandomFaults};

use crate::port::free_port;
use crate::proxy::script::Script;
use crate::proxy::shared::Shared;

/// The proxy. Dropping it closes its port and all connections.
///
/// The faults come from, in this order: [`FaultProxy::next`], [`FaultProxy::schedule`], [`FaultProxy::random`]; each
/// request that is a target takes one. Without any, everything passes.
#[derive(Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
    port: u16,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of 127.0.0.1 in front of `upstream`, a port of the same address.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start(upstream: u16) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(Script::default()),
            generation: watch::Sender::new(0),
            go_on: Notify::new(),
            upstream,
        });
        let mut port = free_port();
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => break listener,
                Err(_) => port = free_port(),
            }
        };
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            shared,
            port,
            listener: Mutex::new(Some(accepting)),
        }
    }

    /// `redis://127.0.0.1:<port of the proxy>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port of the proxy.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on only requests of these commands (any case) are targets, for example `["EVALSHA"]`; the others
    /// always pass and take no fault from the schedule. An empty list makes every request a target.
    pub fn only<'a>(&self, commands: impl IntoIterator<Item = &'a str>) {
        self.shared.script().only(commands);
    }

    /// The next target gets this fault, before anything that is scheduled.
    pub fn next(&self, fault: Fault) {
        self.shared.script().push_front(fault);
    }

    /// One fault for each of the coming targets, in order; replaces what is left of an earlier schedule. Targets after
    /// its end pass (or take a random fault).
    pub fn schedule(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.script().schedule(faults);
    }

    /// Random faults for all targets that no schedule covers; the same seed and the same order of requests give the
    /// same faults.
    pub fn random(&self, faults: RandomFaults) {
        self.shared.script().random(Some(faults));
    }

    /// From now on a request of whose words `is_held` says so waits until [`FaultProxy::go_on`], and so does all that comes behind
    /// it over its connection: something can be done between two requests of one pipeline. What came before it has been
    /// answered once it is counted ([`FaultCounts::held`]). Each request is shown once, in order.
    pub fn hold(&self, is_held: impl FnMut(&[&[u8]]) -> bool + Send + 'static) {
        self.shared.script().hold(Box::new(is_held));
    }

    /// Lets the request go that is held back, or the next one that would be.
    pub fn go_on(&self) {
        self.shared.go_on.notify_one();
    }

    /// From now on everything passes: drops the schedule and the random faults, and not the counts.
    pub fn pass(&self) {
        self.shared.script().clear();
    }

    /// How many scheduled faults have not been taken yet.
    #[must_use]
    pub fn scheduled(&self) -> usize {
        self.shared.script().scheduled()
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.shared.script().counts
    }

    /// Cuts every open connection now, wherever its requests are; new ones are accepted.
    pub fn cut_connections(&self) {
        self.shared
            .generation
            .send_modify(|generation| *generation += 1);
    }

    /// Cuts every open connection and refuses new ones, as a machine without the process would. Waits until the port
    /// is closed.
    pub async fn down(&self) {
        let accepting = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // The listener is closed once its task is gone; that it was cancelled is what we asked for.
            let _cancelled = accepting.await;
        }
        self.cut_connections();
    }

    /// Accepts connections again, on the same port.
    ///
    /// # Panics
    /// When the port can't be bound again.
    pub async fn up(&self) {
        let listener = match TcpListener::bind(("127.0.0.1", self.port)).await {
            Ok(listener) => listener,
            Err(error) => panic!("the proxy can't bind its port {} again: {error}", self.port),
        };
        let accepting = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
        let before = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(accepting);
        if let Some(before) = before {
            before.abort();
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(accepting) = self
            .listener
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            accepting.abort();
        }
        self.cut_connections();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.script().counts.connections += 1;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut generation = shared.generation.subscribe();
            let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream)).await else {
                return;
            };
            // Leaving the select drops both sockets: that is the cut.
            tokio::select! {
                () = tunnel::run(client, server, &shared) => {}
                _ = generation.changed() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests;
