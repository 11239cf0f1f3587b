//! `http.*`: the public API's server, and whom it believes.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;
use vote_limits::{ClientAddress, Proxies};
use vote_store::units;

use super::reference::takes;
use super::sections::shown;
use super::{limits, origins};

/// `http.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address of the public API.
    pub bind: SocketAddr,
    /// Worker threads; 0 means one for each core.
    pub workers: usize,
    /// Largest body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// Largest head of a request that is read, in bytes.
    pub head_limit_bytes: usize,
    /// Time that an idle connection stays open.
    #[serde(rename = "keep_alive_s", deserialize_with = "units::secs")]
    pub keep_alive: Duration,
    /// Longest time for each request's head, and for a vote's body after it.
    #[serde(
        rename = "client_request_timeout_ms",
        deserialize_with = "units::millis"
    )]
    pub client_request_timeout: Duration,
    /// Longest time in which a client takes nothing of what is sent to it.
    #[serde(rename = "write_timeout_ms", deserialize_with = "units::millis")]
    pub write_timeout: Duration,
    /// Connections of one worker at most; 0 for what memory and file descriptors have room for.
    pub max_connections: usize,
    /// Origins that browsers may call from, as they send them; `*` for any, `:*` at the end for any port.
    pub cors_allowed_origins: Vec<String>,
    /// Names of request headers that pages may send beside those that the services know, in lower case.
    pub cors_allowed_headers: Vec<String>,
    /// Addresses of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// Where such a proxy says who has asked it.
    pub client_address: ClientAddress,
    /// Whether their connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

impl HttpSettings {
    /// Worker threads, with 0 resolved to the number of cores.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            count => count,
        }
    }

    /// The proxies that are believed, and the header that they write.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        Proxies::new(limits::nets(&self.trusted_proxies), self.client_address)
    }

    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        if !self.trusted_proxies.is_empty() {
            return;
        }
        let why = "is of no use without http.trusted_proxies: nobody else is believed";
        if self.client_address != ClientAddress::Connection {
            refuse("http.client_address", why);
        }
        if self.proxy_protocol {
            refuse("http.proxy_protocol", why);
        }
    }

    /// Writes origins and header names as browsers do, and says to `refuse` which are none.
    pub(super) fn normalise(&mut self, refuse: &mut dyn FnMut(&str, &str)) {
        normalise(
            "http.trusted_proxies",
            &mut self.trusted_proxies,
            limits::parse_proxy,
            refuse,
        );
        normalise(
            "http.cors_allowed_origins",
            &mut self.cors_allowed_origins,
            origins::parse_origin,
            refuse,
        );
        normalise(
            "http.cors_allowed_headers",
            &mut self.cors_allowed_headers,
            origins::parse_header,
            refuse,
        );
    }
}

fn normalise(
    setting: &str,
    texts: &mut [String],
    parse: fn(&str) -> Result<String, String>,
    refuse: &mut dyn FnMut(&str, &str),
) {
    for text in texts {
        match parse(text) {
            Ok(normal) => *text = normal,
            Err(reason) => refuse(
                setting,
                &format!("{}: {reason}; {}", shown(text), takes(setting)),
            ),
        }
    }
}
