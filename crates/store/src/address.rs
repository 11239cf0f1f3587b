//! The address of Redis: which servers, and how they are arranged.

use std::str::FromStr;

/// The port of Redis where the address names none.
const REDIS_PORT: u16 = 6379;
/// The port of a sentinel where the address names none.
const SENTINEL_PORT: u16 = 26379;

/// How the servers behind an address are arranged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server.
    Standalone,
    /// The hosts are sentinels, which know the master of this name.
    Sentinel { master: String },
    /// The hosts are some nodes of a cluster, which know all others.
    Cluster,
}

impl Topology {
    /// Whether somebody else says which server is the master.
    pub(crate) const fn names_masters(&self) -> bool {
        matches!(self, Self::Sentinel { .. })
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An IPv6 address stands in brackets.
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A parsed address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) topology: Topology,
    pub(crate) tls: bool,
    pub(crate) hosts: Vec<Node>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: i64,
}

/// Why a text is no address. No message repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error(
        "its scheme is none of redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://"
    )]
    Scheme,
    #[error("it names no host")]
    Host,
    #[error("it names more than one host: use redis+sentinel:// or redis+cluster://")]
    ManyHosts,
    #[error("a port of it is not a number from 1 to 65535")]
    Port,
    #[error("its database is not a number")]
    Database,
    #[error("a cluster has database 0 only")]
    ClusterDatabase,
    #[error("it names no master: redis+sentinel://host:port,host:port/MASTER[/database]")]
    MasterName,
    #[error("its user or password holds a % that is no percent-encoding")]
    Encoding,
    #[error("it has parameters (after a ?): there are none")]
    Parameters,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind) => (false, kind),
            ("rediss", kind) => (true, kind),
            _ => return Err(AddressError::Scheme),
        };
        if kind.is_empty() && scheme.contains('+') {
            return Err(AddressError::Scheme);
        }
        // A password may hold any of the characters that follow it.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        if rest.contains('?') {
            return Err(AddressError::Parameters);
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (topology, port, database) = match kind {
            "" => (Topology::Standalone, REDIS_PORT, path),
            "cluster" => (Topology::Cluster, REDIS_PORT, path),
            "sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(AddressError::MasterName);
                }
                let master = master.to_owned();
                (Topology::Sentinel { master }, SENTINEL_PORT, database)
            }
            _ => return Err(AddressError::Scheme),
        };
        let hosts = hosts
            .split(',')
            .map(|host| parse_host(host, port))
            .collect::<Result<Vec<Node>, _>>()?;
        if topology == Topology::Standalone && hosts.len() > 1 {
            return Err(AddressError::ManyHosts);
        }
        let database = match database {
            "" => 0,
            number => {
                let number: u32 = number.parse().map_err(|_| AddressError::Database)?;
                i64::from(number)
            }
        };
        if topology == Topology::Cluster && database != 0 {
            return Err(AddressError::ClusterDatabase);
        }
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, "")))
        {
            None => (None, None),
            Some((username, password)) => (not_empty(username)?, not_empty(password)?),
        };
        Ok(Self {
            topology,
            tls,
            hosts,
            username,
            password,
            database,
        })
    }
}

fn not_empty(text: &str) -> Result<Option<String>, AddressError> {
    if text.is_empty() {
        return Ok(None);
    }
    decode(text).map(Some).ok_or(AddressError::Encoding)
}

/// Percent-decodes a text (RFC 3986, section 2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(crate) fn parse_host(text: &str, default_port: u16) -> Result<Node, AddressError> {
    let (host, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.rfind(':').unwrap_or(text.len())),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(AddressError::Host);
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default_port,
        None => return Err(AddressError::Port),
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or(AddressError::Port)?,
    };
    Ok(Node {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        text.parse().expect(text)
    }

    fn hosts(address: &Address) -> Vec<String> {
        address.hosts.iter().map(Node::to_string).collect()
    }

    #[test]
    fn an_address_names_its_servers_and_how_they_are_arranged() {
        let one = parse("redis://127.0.0.1");
        assert_eq!(one.topology, Topology::Standalone);
        assert_eq!(hosts(&one), ["127.0.0.1:6379"]);
        assert!(!one.tls);

        let secure = parse("rediss://[::1]:6380/3");
        assert_eq!(hosts(&secure), ["[::1]:6380"]);
        assert_eq!((secure.tls, secure.database), (true, 3));

        let sentinel = parse("redis+sentinel://a,b:26380,c/vote/2");
        let master = "vote".to_owned();
        assert_eq!(sentinel.topology, Topology::Sentinel { master });
        assert_eq!(hosts(&sentinel), ["a:26379", "b:26380", "c:26379"]);
        assert_eq!(sentinel.database, 2);

        let cluster = parse("rediss+cluster://a:1,b:2");
        assert_eq!(cluster.topology, Topology::Cluster);
        assert_eq!(hosts(&cluster), ["a:1", "b:2"]);
        assert!(cluster.tls);
    }

    #[test]
    fn user_and_password_may_hold_what_else_would_end_them() {
        let address = parse("redis://vote%3Aingest:p@ss/w:rd%25@h:1");
        assert_eq!(address.username.as_deref(), Some("vote:ingest"));
        assert_eq!(address.password.as_deref(), Some("p@ss/w:rd%"));
        assert_eq!(hosts(&address), ["h:1"]);
        assert_eq!(parse("redis://:secret@h").username, None);
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason_and_without_itself() {
        use AddressError as E;
        for (text, error) in [
            ("", E::Scheme),
            ("http://h", E::Scheme),
            ("localhost:6379", E::Scheme),
            ("redis+unix://h", E::Scheme),
            ("redis+://h", E::Scheme),
            ("redis://", E::Host),
            ("redis://:6379", E::Host),
            ("redis://u:hunter2@", E::Host),
            ("redis://a b", E::Host),
            ("redis+cluster://a,,b", E::Host),
            ("redis://h:0", E::Port),
            ("redis://h:65536", E::Port),
            ("redis://h:port", E::Port),
            ("redis://[::1]x", E::Port),
            ("redis://a,b", E::ManyHosts),
            ("redis://h/zero", E::Database),
            ("redis://h/-1", E::Database),
            ("redis+cluster://h/1", E::ClusterDatabase),
            ("redis+sentinel://h", E::MasterName),
            ("redis+sentinel://h/", E::MasterName),
            ("redis://u:%zz@h", E::Encoding),
            ("redis://h?timeout=1", E::Parameters),
        ] {
            assert_eq!(text.parse::<Address>().err(), Some(error), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
