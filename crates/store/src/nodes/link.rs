//! One connection, and the server at its other end.

use std::ops::{Deref, DerefMut};

use deadpool_redis::Connection;
use redis::aio::MultiplexedConnection;

use crate::address::Node;

/// A connection, and the server that it leads to.
pub(crate) struct Link {
    connection: Connection,
    node: Node,
}

impl Link {
    pub(super) fn new(connection: Connection, node: Node) -> Self {
        Self { connection, node }
    }

    /// Ends the connection: whatever it still carries must not be mixed up with what comes next.
    pub(crate) fn discard(self) {
        drop(Connection::take(self.connection));
    }

    /// The server that it leads to.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }
}

impl Deref for Link {
    type Target = MultiplexedConnection;

    fn deref(&self) -> &MultiplexedConnection {
        &self.connection
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }
}
