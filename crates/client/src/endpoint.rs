//! Where a connection goes to, once the name is looked up.

use crate::route::Route;
use crate::tls::Tls;
use std::net::SocketAddr;

/// Where a connection goes to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Address and port, of the proxy where there is one.
    pub address: SocketAddr,
    /// Where TLS is spoken, how.
    pub tls: Option<Tls>,
    /// The way through a proxy, where there is one.
    pub route: Option<Route>,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            route: None,
        }
    }
}
