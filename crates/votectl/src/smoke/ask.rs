//! One request to a deployment, each on a connection of its own: behind a load balancer the next one may reach another
//! process, which must know the same.

use crate::failure::Failure;
use std::time::Duration;
use vote_client::answer::{self, NO_CONNECTION, no_connection};
use vote_client::connection::Connection;
use vote_client::endpoint::Endpoint;
use vote_client::target::Target;
use vote_client::tls::{Authorities, Tls};

/// How long one answer may take: longer than ingest's accept timeout, after which it answers in any case.
const ANSWER: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, null where it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The request was certainly not sent.
    NotSent(String),
    /// It may have been processed.
    Open(&'static str),
}

/// One of the two services.
#[derive(Debug)]
pub(crate) struct Service {
    pub(super) name: &'static str,
    target: Target,
    tls: Option<Tls>,
}

impl Service {
    /// # Errors
    /// [`Failure::Usage`] where it needs TLS, and nobody can be trusted.
    pub(crate) fn new(name: &'static str, target: Target) -> Result<Self, Failure> {
        let tls = target
            .tls(&Authorities::default())
            .map_err(|error| Failure::usage(format!("--{name}: no TLS to {target}: {error}")))?;
        Ok(Self { name, target, tls })
    }

    /// The whole address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.target)
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Silence> {
        self.exchange(&format!("GET {}", self.target.path(path)), "", "")
            .await
    }

    /// The same for a vote that will have this idempotency key, written as in its header, and this voter's token.
    pub(crate) async fn get_for_vote(
        &self,
        path: &str,
        key: Option<&str>,
        token: Option<&str>,
    ) -> Result<Answer, Silence> {
        let key = key.map(|key| format!("idempotency-key: {key}\r\n"));
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let headers = key.unwrap_or_default() + &token.unwrap_or_default();
        let line = format!("GET {}", self.target.path(path));
        self.exchange(&line, &headers, "").await
    }

    /// Posts JSON, with this idempotency key.
    pub(super) async fn post(&self, path: &str, key: &str, body: &str) -> Result<Answer, Silence> {
        let headers = format!(
            "content-type: application/json\r\ncontent-length: {}\r\nidempotency-key: \"{key}\"\r\n",
            body.len()
        );
        self.exchange(&format!("POST {}", self.target.path(path)), &headers, body)
            .await
    }

    async fn exchange(&self, line: &str, headers: &str, body: &str) -> Result<Answer, Silence> {
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nuser-agent: votectl\r\nconnection: close\r\n{headers}\r\n{body}",
            self.target.authority()
        );
        let mut connection = match tokio::time::timeout(ANSWER, self.connect()).await {
            Ok(connected) => connected.map_err(Silence::NotSent)?,
            Err(_) => return Err(Silence::NotSent(format!("{NO_CONNECTION}: timed out"))),
        };
        let answer = answer::exchange(&mut connection, request.as_bytes(), ANSWER)
            .await
            .map_err(Silence::Open)?;
        Ok(Answer {
            status: answer.status,
            body: answer.body.to_vec(),
        })
    }

    /// The name is looked up each time: what it leads to may just be changing.
    async fn connect(&self) -> Result<Connection, String> {
        let address = self
            .target
            .resolve()
            .await
            .map_err(|error| format!("{NO_CONNECTION}: the host is not found: {error}"))?;
        let endpoint = Endpoint {
            address,
            tls: self.tls.clone(),
            route: None,
        };
        Connection::open(&endpoint)
            .await
            .map_err(|error| no_connection(&error))
    }
}
