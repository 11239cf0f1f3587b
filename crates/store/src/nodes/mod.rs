//! Finds the server that holds a key, and keeps connections to it: one server, the master that
//! sentinels name, or the masters of a cluster.
//!
//! The pools are `deadpool-redis`' own, one per server. Which server is found here and not by its
//! `sentinel` and `cluster` managers: those take no time limits, and their client sends a command again
//! by itself, so that nobody could say any more that a vote was *not* recorded; and `WAIT` must follow
//! a batch on the same connection.

mod call;
mod dial;
mod discover;
mod documents;
mod failover;
mod hold;
mod layout;
mod link;
mod servers;
mod shards;
mod shared;
mod silent;
mod watch;

pub use call::Unconfirmed;
pub(crate) use call::leads_elsewhere;
pub(crate) use layout::Layout;
pub(crate) use link::Link;
pub(crate) use servers::Nodes;
pub(crate) use shared::SharedLink;
pub(crate) use silent::{Silent, no_answer_in_time};
pub(crate) use watch::{Told, Watch};
