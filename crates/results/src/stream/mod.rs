//! The stream of a poll's figures: server-sent events (WHATWG HTML, "Server-sent events"), made once for all readers.

mod brotli;
pub(crate) mod event;
pub(crate) mod event_id;
pub(crate) mod line;
pub(crate) mod metrics;
mod pace;
pub(crate) mod query;
pub(crate) mod reader;
pub(crate) mod streams;
