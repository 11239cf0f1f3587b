//! One connection, and the server at its other end.

use deadpool_redis::Connection;
use redis::aio::MultiplexedConnection;

use crate::address::Node;

/// A connection, and the server that it leads to.
#[derive(derive_more::Deref, derive_more::DerefMut)]
pub(crate) struct Link {
    #[deref(forward)]
    #[deref_mut(forward)]
    connection: Connection,
    /// The server that it leads to.
    pub(super) node: Node,
}

impl Link {
    pub(super) fn new(connection: Connection, node: Node) -> Self {
        Self { connection, node }
    }

    /// The same connection for another one, which it stays open for.
    pub(super) fn share(&self) -> MultiplexedConnection {
        (*self.connection).clone()
    }

    /// The connection, which its pool never sees again.
    pub(super) fn take(self) -> MultiplexedConnection {
        Connection::take(self.connection)
    }

    /// Ends the connection: whatever it still carries must not be mixed up with what comes next.
    pub(crate) fn discard(self) {
        drop(self.take());
    }
}
