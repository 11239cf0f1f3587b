//! The results service, and the data stream: each by one connection that is kept.

use crate::failure::Failure;
use std::time::Duration;
use vote_client::answer::{CUT, NO_ANSWER, NO_CONNECTION, NO_HTTP, no_connection};
use vote_client::connection::{Broken, Connection};
use vote_client::endpoint::Endpoint;
use vote_client::target::Target;
use vote_client::tls::{Authorities, Tls};
use vote_domain::Secret;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The status, and the problem's code where there is one.
    pub(super) fn named(&self) -> String {
        vote_client::answer::named(self.status, &self.body)
    }
}

/// One side.
pub(super) struct Peer {
    target: Target,
    tls: Option<Tls>,
    token: Option<Secret>,
    connection: Option<Connection>,
}

impl Peer {
    /// # Errors
    /// [`Failure::Usage`] where it needs TLS, and nobody can be trusted; without the address, which may be a secret.
    pub(super) fn new(
        option: &str,
        target: Target,
        token: Option<Secret>,
    ) -> Result<Self, Failure> {
        let tls = target.tls(&Authorities::default());
        let tls = tls.map_err(|error| {
            Failure::usage(format!(
                "{option}: no TLS to {}: {error}",
                target.authority()
            ))
        })?;
        Ok(Self {
            target,
            tls,
            token,
            connection: None,
        })
    }

    /// What is at a path below its address.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, String> {
        let token = self.token.as_ref().map_or_else(String::new, |token| {
            format!("authorization: Bearer {}\r\n", token.expose())
        });
        let head = format!("GET {}", self.target.path(path));
        self.exchange(&head, &token, &[]).await
    }

    /// Puts JSON at its address.
    ///
    /// # Errors
    /// Why there is no answer: it may have been taken.
    pub(super) async fn put(&mut self, body: &[u8]) -> Result<Answer, String> {
        let path = self.target.path("");
        let path = if path.is_empty() { "/" } else { path.as_str() };
        let headers = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        self.exchange(&format!("PUT {path}"), &headers, body).await
    }

    async fn exchange(&mut self, line: &str, headers: &str, body: &[u8]) -> Result<Answer, String> {
        let mut request = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nuser-agent: votectl-push\r\naccept: application/json\r\n{headers}\r\n",
            self.target.authority()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let kept = self.connection.take();
        let kept = kept.and_then(|mut kept| kept.is_reusable().then_some(kept));
        let mut connection = match kept {
            Some(kept) => kept,
            None => tokio::time::timeout(ANSWER, self.connect())
                .await
                .map_err(|_elapsed| format!("{NO_CONNECTION}: timed out"))??,
        };
        let answer = tokio::time::timeout(ANSWER, connection.exchange(&request)).await;
        let answer = match answer {
            Err(_elapsed) => return Err(NO_ANSWER.to_owned()),
            Ok(Err(Broken::Cut)) => return Err(CUT.to_owned()),
            Ok(Err(Broken::Garbled)) => return Err(NO_HTTP.to_owned()),
            Ok(Ok(response)) => Answer {
                status: response.status,
                retry_after: response.retry_after,
                body: response.body.to_vec(),
            },
        };
        self.connection = Some(connection);
        Ok(answer)
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
