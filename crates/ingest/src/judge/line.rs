//! The way to the judge: HTTP, by connections that are kept for the next question.

use std::fmt::Write as _;
use std::path::Path;

use parking_lot::Mutex;
use vote_client::connection::{Broken, Connection};
use vote_client::endpoint::Endpoint;
use vote_client::target::Target;
use vote_client::tls::{Authorities, Tls};
use vote_http::BoxError;

use super::answer::{Said, Wanted, read};

/// The way to the judge.
pub(super) struct Line {
    target: Target,
    tls: Option<Tls>,
    /// Connections on which nothing is asked now.
    free: Mutex<Vec<Connection>>,
    /// How many of these are kept.
    most: usize,
}

impl Line {
    /// Reads whom this machine trusts, and nothing else yet.
    ///
    /// # Errors
    /// The address is none, or nobody could be trusted there.
    pub(super) fn new(url: &str, ca_file: Option<&Path>, most: usize) -> Result<Self, BoxError> {
        let target: Target = url.parse().map_err(|error| format!("judge.url: {error}"))?;
        let authorities = ca_file.map(Authorities::read).transpose();
        let authorities = authorities.map_err(|error| format!("judge.ca_file: {error}"))?;
        let tls = target.tls(&authorities.unwrap_or_default());
        Ok(Self {
            tls: tls.map_err(|error| format!("judge.url: {error}"))?,
            target,
            free: Mutex::default(),
            most,
        })
    }

    /// Asks, and reads what is said. The caller bounds the time.
    pub(super) async fn ask(&self, form: &str, wanted: &Wanted) -> Said {
        let request = self.request(form);
        let mut was_sent = false;
        if let Some(mut kept) = self.kept() {
            match kept.exchange(request.as_bytes()).await {
                Ok(answer) => {
                    let said = read(answer.status, answer.body, wanted);
                    self.keep(kept);
                    return said;
                }
                Err(Broken::Garbled) => return Said::Nothing(GARBLED),
                // As often as not the judge let go of it just then, and has not read the question.
                Err(Broken::Cut) => was_sent = true,
            }
        }
        let Ok(mut fresh) = self.open().await else {
            return Said::Nothing("it can't be reached");
        };
        let said = match fresh.exchange(request.as_bytes()).await {
            Ok(answer) => read(answer.status, answer.body, wanted),
            Err(Broken::Cut) => return Said::Nothing("the connection ended before the answer"),
            Err(Broken::Garbled) => return Said::Nothing(GARBLED),
        };
        self.keep(fresh);
        match said {
            Said::Spent if was_sent => Said::Nothing("it was asked twice"),
            said => said,
        }
    }

    fn request(&self, form: &str) -> String {
        let path = self.target.path("");
        let mut request = String::with_capacity(256 + form.len());
        // Into a text nothing fails.
        let _ = write!(
            request,
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
             accept: application/json\r\nuser-agent: vote-ingest\r\n\r\n{form}",
            if path.is_empty() { "/" } else { &path },
            self.target.authority(),
            form.len(),
        );
        request
    }

    async fn open(&self) -> std::io::Result<Connection> {
        let endpoint = Endpoint {
            address: self.target.resolve().await?,
            tls: self.tls.clone(),
            route: None,
        };
        Connection::open(&endpoint).await
    }

    /// The connection that was used last, if it is still there.
    fn kept(&self) -> Option<Connection> {
        let mut free = self.free.lock();
        while let Some(mut connection) = free.pop() {
            if connection.is_reusable() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, mut connection: Connection) {
        if !connection.is_reusable() {
            return;
        }
        let mut free = self.free.lock();
        if free.len() < self.most {
            free.push(connection);
        }
    }
}

const GARBLED: &str = "the answer is no HTTP, or longer than 256 KiB";
