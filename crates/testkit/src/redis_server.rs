//! A real `redis-server` for one test, on its own port and in its own directory.

mod append_only;
mod builder;
mod ready_made;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::Instant;

pub use crate::redis_server::builder::RedisServerBuilder;

use crate::eventually::eventually;
use crate::port::free_port;

/// How often a port that someone else took in the meantime is replaced by another.
const PORT_TRIES: usize = 8;

/// How long a server may take to start or to stop. Generous: CI machines run many at once.
const PATIENCE: Duration = Duration::from_secs(30);

enum NotStarted {
    PortTaken,
    Other(String),
}

impl RedisServerBuilder {
    /// Starts the server and waits until it answers `PING`.
    ///
    /// # Panics
    /// When the server's program is missing, refuses its configuration or is not ready within 30 s.
    pub async fn start(self) -> RedisServer {
        for _ in 0..PORT_TRIES {
            let mut server = RedisServer::new(self.clone());
            match server.spawn().await {
                Ok(()) => return server,
                Err(NotStarted::PortTaken) => {}
                Err(NotStarted::Other(why)) => panic!("{why}"),
            }
        }
        panic!("{PORT_TRIES} ports in a row were taken while redis-server started");
    }
}

/// A running (or stopped, or killed) `redis-server`. Dropping it kills the process and deletes its directory.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisServerBuilder,
    dir: TempDir,
    port: u16,
    bus_port: u16,
    starts: u32,
    child: Option<Child>,
}

impl RedisServer {
    /// A stopped server with ports and a directory of its own.
    fn new(options: RedisServerBuilder) -> Self {
        let dir = tempfile::tempdir()
            .unwrap_or_else(|error| panic!("no temporary directory for Redis: {error}"));
        Self {
            options,
            dir,
            port: free_port(),
            bus_port: free_port(),
            starts: 0,
            child: None,
        }
    }

    /// A server with defaults: nothing is kept across a restart.
    ///
    /// # Panics
    /// As [`RedisServerBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options first, then [`RedisServerBuilder::start`].
    #[must_use]
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// `redis://127.0.0.1:<port>`, or `rediss://…` of a server with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.options.scheme(), self.port)
    }

    /// The same with a user and a password of letters and digits: nothing is escaped.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let scheme = self.options.scheme();
        format!("{scheme}://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// The port it listens on; the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its working directory, with `redis.conf` and the append-only files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// A client for this server; with TLS it trusts the server's authority and names itself by a certificate.
    ///
    /// # Panics
    /// Never in practice: the address is a valid one.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_at(&self.url())
    }

    /// A client that logs in as a user, whose password is of letters and digits.
    ///
    /// # Panics
    /// When that doesn't make a valid address.
    #[must_use]
    pub fn client_as(&self, user: &str, password: &str) -> Client {
        self.client_at(&self.url_as(user, password))
    }

    fn client_at(&self, url: &str) -> Client {
        let client = match self.options.certificates() {
            Some(certificates) => Client::build_with_tls(url, certificates.identified()),
            None => Client::open(url),
        };
        client.unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// A new connection with a response timeout of 10 s (the client's own default of 500 ms fails slow machines).
    ///
    /// # Panics
    /// When the server can't be reached.
    pub async fn connection(&self) -> MultiplexedConnection {
        match self.try_connection().await {
            Ok(connection) => connection,
            Err(error) => panic!("can't connect to {}: {error}\n{}", self.url(), self.log()),
        }
    }

    /// As [`RedisServer::connection`], of a server that may be down.
    pub(crate) async fn try_connection(&self) -> RedisResult<MultiplexedConnection> {
        connect(&self.client()).await
    }

    /// The port of the cluster's bus, where [`RedisServerBuilder::cluster`] opened one.
    pub(crate) fn bus_port(&self) -> u16 {
        self.bus_port
    }

    /// What the server has logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Kills the process with `SIGKILL`, as a power cut of the process would, and reaps it. Its data stays on disk.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Neither fails in a way that leaves a running process: it is ours, and not reaped yet.
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Stops the server in order (`SIGTERM`: the append-only file is flushed) and waits for its end.
    ///
    /// # Panics
    /// When it has not ended after 30 s.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        signal(&child, Signal::CONT);
        signal(&child, Signal::TERM);
        eventually(PATIENCE, || {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            async move { ended }
        })
        .await;
    }

    /// Starts the server again on the same port and directory; stops it first if it runs.
    ///
    /// # Panics
    /// When it is not ready within 30 s.
    pub async fn restart(&mut self) {
        self.stop().await;
        // Connections of the old process may hold the port for an instant.
        let until = Instant::now() + PATIENCE;
        loop {
            match self.spawn().await {
                Ok(()) => return,
                Err(NotStarted::PortTaken) if Instant::now() < until => {}
                Err(NotStarted::PortTaken) => {
                    panic!("port {} stayed taken for {PATIENCE:?}", self.port)
                }
                Err(NotStarted::Other(why)) => panic!("{why}"),
            }
        }
    }

    /// Freezes the process (`SIGSTOP`): connections stay open, nothing answers.
    ///
    /// # Panics
    /// When it isn't running.
    pub fn pause(&self) {
        signal(self.running(), Signal::STOP);
    }

    /// Lets a paused process go on (`SIGCONT`).
    ///
    /// # Panics
    /// When it isn't running.
    pub fn resume(&self) {
        signal(self.running(), Signal::CONT);
    }

    fn running(&self) -> &Child {
        let Some(child) = &self.child else {
            panic!("redis-server on port {} isn't running", self.port)
        };
        child
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join(format!("redis-{}.log", self.starts))
    }

    async fn spawn(&mut self) -> Result<(), NotStarted> {
        let other = |why: String| NotStarted::Other(why);
        self.starts += 1;
        let config = self.config_file().map_err(other)?;
        let log = File::create(self.log_path())
            .map_err(|error| other(format!("can't create Redis' log: {error}")))?;
        let errors = log
            .try_clone()
            .map_err(|error| other(format!("can't share Redis' log: {error}")))?;
        let binary = self.options.program();
        let child = Command::new(binary)
            .arg(&config)
            .args(self.options.arguments())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => other(format!(
                    "{} is not installed: these tests run against a real server \
                     (`make setup`, `apt-get install redis-server` or `brew install redis`)",
                    binary.display()
                )),
                _ => other(format!("can't start {}: {error}", binary.display())),
            })?;
        self.child = Some(child);
        self.ready().await
    }

    /// Written once: a server that Sentinel made a master or a replica keeps that in its own file.
    fn config_file(&self) -> Result<PathBuf, String> {
        let config = self.dir.path().join("redis.conf");
        if !config.exists() {
            self.options
                .write_config(&config, self.port, self.bus_port)
                .map_err(|error| format!("can't write {}: {error}", config.display()))?;
        }
        Ok(config)
    }

    /// Waits until our own child, and no one else on its port, answers.
    async fn ready(&mut self) -> Result<(), NotStarted> {
        let until = Instant::now() + PATIENCE;
        let client = self.client();
        loop {
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten());
            let log = self.log();
            if let Some(status) = ended {
                self.child = None;
                if log.contains("Address already in use") {
                    return Err(NotStarted::PortTaken);
                }
                return Err(NotStarted::Other(format!(
                    "redis-server ended with {status}:\n{log}"
                )));
            }
            // Only the log tells our server from another that took the port first; `PING` alone would not.
            if log.contains(self.options.ready_mark()) && answers(&client).await {
                return Ok(());
            }
            if Instant::now() >= until {
                self.kill9();
                return Err(NotStarted::Other(format!(
                    "redis-server was not ready within {PATIENCE:?}:\n{log}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill9();
    }
}

async fn connect(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(10)))
        .set_response_timeout(Some(Duration::from_secs(10)));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// `PING` is answered; a server that asks for a password first, or forbids a stranger to ask, is up as well.
async fn answers(client: &Client) -> bool {
    let asks_password =
        |error: &redis::RedisError| matches!(error.code(), Some("NOAUTH" | "NOPERM"));
    match connect(client).await {
        Ok(mut connection) => match redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await
        {
            Ok(pong) => pong == "PONG",
            Err(error) => asks_password(&error),
        },
        Err(error) => asks_password(&error),
    }
}

fn signal(child: &Child, signal: Signal) {
    // A process that has ended already needs no signal; it is ours until it is reaped, so the id can't be another's.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _sent = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests;
