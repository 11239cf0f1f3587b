//! Reads the keys: a bounded number of bytes, in bounded time.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use vote_client::connection::{Broken, Connection};
use vote_client::endpoint::Endpoint;
use vote_client::target::Target;
use vote_client::tls::Authorities;

use crate::config::Source;

/// A set of keys is a few kilobytes, with chains of certificates some ten; the client reads no more either.
pub(crate) const MOST: usize = 256 * 1024;

/// Why the keys can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("they did not come in time")]
    Late,
    #[error("they are more than {MOST} bytes")]
    TooMany,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the answer is {0}, where 200 is expected")]
    Status(u16),
    #[error("the connection ended before the whole answer was there")]
    Cut,
    #[error("the answer is no HTTP, or longer than {MOST} bytes")]
    Garbled,
    #[error("the process ends")]
    Ending,
}

/// The bytes of the keys.
pub(crate) async fn fetch(source: &Source, timeout: Duration) -> Result<Vec<u8>, FetchError> {
    let reading = async {
        match source {
            Source::File(path) => of_file(path.clone()).await,
            Source::Url {
                target,
                authorities,
            } => of_address(target, authorities).await,
        }
    };
    let read = tokio::time::timeout(timeout, reading).await;
    let bytes = read.map_err(|_| FetchError::Late)??;
    if bytes.len() > MOST {
        return Err(FetchError::TooMany);
    }
    Ok(bytes)
}

async fn of_file(path: PathBuf) -> Result<Vec<u8>, FetchError> {
    let reading = spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let mut bytes = Vec::new();
        file.take(MOST as u64 + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    Ok(reading.await.map_err(|_| FetchError::Ending)??)
}

/// No redirect is followed: the settings say where the keys are.
async fn of_address(target: &Target, authorities: &Authorities) -> Result<Vec<u8>, FetchError> {
    let (to, trusted) = (target.clone(), authorities.clone());
    // Reads the machine's authorities from its disk.
    let tls = spawn_blocking(move || to.tls(&trusted));
    let tls = tls.await.map_err(|_| FetchError::Ending)??;
    let endpoint = Endpoint {
        address: target.resolve().await?,
        tls,
        route: None,
    };
    let path = target.path("");
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\naccept: application/json\r\nuser-agent: vote-ingest\r\nconnection: close\r\n\r\n",
        if path.is_empty() { "/" } else { &path },
        target.authority(),
    );
    let mut connection = Connection::open(&endpoint).await?;
    let answer = connection.exchange(request.as_bytes()).await;
    let answer = answer.map_err(|broken| match broken {
        Broken::Cut => FetchError::Cut,
        Broken::Garbled => FetchError::Garbled,
    })?;
    match answer.status {
        200 => Ok(answer.body.to_vec()),
        status => Err(FetchError::Status(status)),
    }
}
