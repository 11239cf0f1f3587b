//! Connections whose requests are plainly the one operation that writes: read, answered and written without actix-http.
//!
//! What that does for any request (a map of headers, a stream for the body, timers for each, a response that is a map again)
//! costs more than such a request itself. So a connection begins here. It stays here for as long as each request comes in one
//! piece, alone, and is one of those; with the first that is anything else it is actix-http's, with all bytes that were read.

mod accept;
mod answer;
mod connection;
mod proxied;
mod request;

pub(crate) use self::accept::{Accept, Stopping};
pub(crate) use self::connection::Bounds;
