//! Where a connection goes to, once the name is looked up.

use crate::tls::Tls;
use std::net::SocketAddr;

/// Where a connection goes to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Where TLS is spoken, how.
    pub tls: Option<Tls>,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}
