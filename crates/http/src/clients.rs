//! Whose request it is: the address of a client behind the proxies that are trusted. It is shown nowhere.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::web::Data;
use vote_limits::Proxies;
use vote_runtime::settings::HttpSettings;

/// Finds the addresses of clients; cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    proxies: Arc<Proxies>,
    has_proxy_headers: bool,
}

impl Clients {
    /// As the settings say.
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        Self {
            proxies: Arc::new(settings.proxies()),
            has_proxy_headers: settings.proxy_protocol,
        }
    }

    /// Whether a connection from there begins with a header of the PROXY protocol.
    pub(crate) fn is_proxied(&self, peer: Option<SocketAddr>) -> bool {
        self.has_proxy_headers && peer.is_some_and(|peer| self.proxies.trusts(peer.ip()))
    }

    /// The client of a request with these headers, in their order.
    pub(crate) fn of_headers(
        &self,
        peer: Option<SocketAddr>,
        headers: &[httparse::Header<'_>],
    ) -> Option<IpAddr> {
        let peer = peer?.ip();
        let Some(name) = self.proxies.header() else {
            return Some(peer);
        };
        let lines = headers.iter().rev();
        let lines = lines.filter(|header| header.name.eq_ignore_ascii_case(name));
        Some(self.proxies.client(peer, lines.map(|header| header.value)))
    }

    /// The client of a request with this head.
    pub(crate) fn of_head(&self, head: &RequestHead) -> Option<IpAddr> {
        let peer = head.peer_addr?.ip();
        let Some(name) = self.proxies.header() else {
            return Some(peer);
        };
        let lines: Vec<&[u8]> = head
            .headers
            .get_all(name)
            .map(|line| line.as_bytes())
            .collect();
        Some(self.proxies.client(peer, lines.into_iter().rev()))
    }
}

/// The client of a request that the routes have; `None` where its connection says nothing.
#[must_use]
pub fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let clients = request.app_data::<Data<Clients>>()?;
    clients.of_head(request.head())
}
