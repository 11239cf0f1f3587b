//! Request bodies: how large and how late they may be, and what becomes of one that nobody reads.

mod chunked;
mod timely;

pub(crate) use self::chunked::{ChunkedBody, Holding};
pub(crate) use self::timely::{BodyLimits, check, configure, payload_problem, read};
pub use self::timely::{TimelyBody, check_body};
