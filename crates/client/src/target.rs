//! Where a service is, as an operator names it.

use crate::host::{bare, host_and_port, resolve};
use crate::tls::{Authorities, Tls};
use std::net::SocketAddr;
use std::str::FromStr;

/// Where the service is: `http://host[:port][/prefix]`, or the same with `https`.
#[derive(Debug, Clone, PartialEq, Eq, derive_more::Display)]
#[display("{}{host}:{port}{prefix}", scheme.begins())]
pub struct Target {
    scheme: Scheme,
    /// Host name or address, IPv6 in brackets.
    host: String,
    port: u16,
    /// Path in front of `/v1`, without a slash at its end.
    prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn begins(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is no [`Target`]. The text is not repeated, since a password may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no base URL: {0} (for example http://127.0.0.1:8080)")]
pub struct TargetError(&'static str);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find_map(|scheme| Some((scheme, text.strip_prefix(scheme.begins())?)))
            .ok_or(TargetError("it must start with http:// or https://"))?;
        if rest
            .chars()
            .any(|c| !c.is_ascii_graphic() || "?#@\\\"".contains(c))
        {
            return Err(TargetError("it must be host, port and path only"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority, scheme.port()).map_err(TargetError)?;
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl Target {
    /// The value of the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path of `suffix` below this base.
    #[must_use]
    pub fn path(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.prefix)
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// How TLS is spoken there, for `https`; reads the authorities that this machine trusts, beside which these are.
    ///
    /// # Errors
    /// As [`Tls::of_machine`].
    pub fn tls(&self, also: &Authorities) -> std::io::Result<Option<Tls>> {
        match self.scheme {
            Scheme::Http => Ok(None),
            Scheme::Https => Tls::of_machine(self.bare_host(), also).map(Some),
        }
    }

    /// The address to connect to: the first that the name resolves to.
    ///
    /// # Errors
    /// When the name doesn't resolve.
    pub async fn resolve(&self) -> std::io::Result<SocketAddr> {
        resolve(self.bare_host(), self.port).await
    }

    /// An IPv6 address without its brackets.
    pub(crate) fn bare_host(&self) -> &str {
        bare(&self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn targets_are_parsed_and_wrong_ones_say_why() {
        let target: Target = "http://localhost:8080/vote/"
            .parse()
            .expect("it can be parsed");
        assert_eq!(
            (target.authority(), target.path("/v1")),
            ("localhost:8080".to_owned(), "/vote/v1".to_owned())
        );
        assert_eq!(
            "http://[::1]"
                .parse::<Target>()
                .expect("it can be parsed")
                .to_string(),
            "http://[::1]:80"
        );
        let target: Target = "https://vote.example/x".parse().expect("it can be parsed");
        assert_eq!(target.to_string(), "https://vote.example:443/x");
        for (text, rule) in [
            ("localhost:8080", "start with http:// or https://"),
            ("https:/vote.example", "start with http:// or https://"),
            ("http://:80", "host is missing"),
            ("http://a:99999", "port must be"),
            ("http://a/?x=1", "host, port and path"),
            ("http://u:hunter2@a", "host, port and path"),
            ("http://[hunter2", "the host has a character"),
            ("http://[hunter2]", "the host has a character"),
            ("http://hunter2]:80", "the host has a character"),
            ("http://a;hunter2", "the host has a character"),
        ] {
            let error = text
                .parse::<Target>()
                .expect_err("it is refused")
                .to_string();
            assert!(error.contains(rule) && !error.contains(text), "{error}");
        }
    }
}
