//! An HTTP proxy on the way to a service, as an operator names it, and which one is taken: as curl chooses.

use crate::host::{WRONG_PORT, bare, host_and_port, resolve};
use crate::target::Target;
use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Where a proxy listens if nobody says it: curl's port.
const PORT: u16 = 1080;

/// A proxy: `[http://][user[:password]@]host[:port]`. What shows it leaves its user and password out.
#[derive(Clone, PartialEq, Eq, derive_more::Display, derive_more::Debug)]
#[display("http://{host}:{port}")]
#[debug("Proxy({self})")]
pub struct Proxy {
    /// Host name or address, IPv6 in brackets.
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

/// Why a text is no [`Proxy`]. The text is not repeated, since a password may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no [http://][user[:password]@]host[:port]: {0}")]
pub struct ProxyError(&'static str);

/// A variable or an option that names no proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {error}")]
pub struct ChoiceError {
    source_name: &'static str,
    error: ProxyError,
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError("only http:// proxies are spoken to")),
            None => text,
        };
        // A password may have an `@`; a host can't.
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        if address
            .chars()
            .any(|c| !c.is_ascii_graphic() || "/?#\\\"".contains(c))
        {
            return Err(ProxyError("after its user it must be host and port only"));
        }
        let (host, port) = host_and_port(address, PORT).map_err(ProxyError)?;
        if port == 0 {
            return Err(ProxyError(WRONG_PORT));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            authorization: user.map(basic),
        })
    }
}

/// RFC 7617, of a URL's user and password.
fn basic(user: &str) -> String {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain: Vec<u8> = percent_decode_str(name).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    format!("Basic {}", BASE64.encode(&plain))
}

impl Proxy {
    /// The proxy for a target: the one that is given, or else that of the environment, unless `no_proxy` excepts the
    /// target. All of it as curl has it: an empty text is none, lower case goes before upper case, `HTTP_PROXY` is not
    /// read (a CGI program would get it from a request's `Proxy` header), and a loopback address is no exception.
    ///
    /// # Errors
    /// With the name of the variable whose text is no proxy.
    pub fn choose(
        target: &Target,
        given: Option<&str>,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, ChoiceError> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let text = variable(name).filter(|text| !text.is_empty())?;
                Some((*name, text))
            })
        };
        let named = match given {
            Some(text) => Some(("--proxy", text.to_owned())),
            None if target.is_https() => {
                first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
            }
            None => first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
        };
        let Some((source_name, text)) = named.filter(|(_, text)| !text.is_empty()) else {
            return Ok(None);
        };
        if Self::is_excepted(target, &variable) {
            return Ok(None);
        }
        let parsed = text.parse().map(Some);
        parsed.map_err(|error| ChoiceError { source_name, error })
    }

    /// Whether `no_proxy`, or else `NO_PROXY`, excepts the target.
    pub fn is_excepted(target: &Target, variable: impl Fn(&'static str) -> Option<String>) -> bool {
        let mut lists = ["no_proxy", "NO_PROXY"].into_iter().filter_map(variable);
        let list = lists.find(|list| !list.is_empty());
        list.is_some_and(|list| excepts(&list, target.bare_host()))
    }

    /// The address of the proxy: the first that its name resolves to.
    ///
    /// # Errors
    /// When the name doesn't resolve.
    pub async fn resolve(&self) -> std::io::Result<SocketAddr> {
        resolve(bare(&self.host), self.port).await
    }

    /// The header that says who asks, with the end of its line; empty where nobody does.
    pub(crate) fn authorization(&self) -> String {
        match &self.authorization {
            Some(value) => format!("proxy-authorization: {value}\r\n"),
            None => String::new(),
        }
    }
}

/// Whether a list of hosts names this one: `*`, a host, a domain (with a dot in front or without) that it is in, an
/// address, or a network as address/bits.
fn excepts(list: &str, host: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let address: Option<IpAddr> = host.parse().ok();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| match address {
            Some(address) => names_address(entry, address),
            None => {
                let domain = entry
                    .trim_start_matches('.')
                    .trim_end_matches('.')
                    .to_ascii_lowercase();
                let above = host.strip_suffix(&domain);
                !domain.is_empty()
                    && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        })
}

fn names_address(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, Some(bits)),
        None => (entry, None),
    };
    let (a, b, width) = match (bare(network).parse(), address) {
        (Ok(IpAddr::V4(a)), IpAddr::V4(b)) => (u128::from(a.to_bits()), b.to_bits().into(), 32),
        (Ok(IpAddr::V6(a)), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= width),
        None => Some(width),
    };
    // A shift by all 128 bits leaves nothing to compare.
    bits.is_some_and(|bits: u32| (a ^ b).checked_shr(width - bits).unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests;
