//! The address of Redis: which servers, and how they are arranged.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use vote_domain::Secret;

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

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An IPv6 address stands in brackets.
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Which servers, how they are arranged, and as whom we come to those with the data.
///
/// One server, `redis://[user[:password]@]host[:port][/database]`; the sentinels of one,
/// `redis+sentinel://[user[:password]@]host[:port],…/master-name[/database]`; or some nodes of a cluster,
/// `redis+cluster://[user[:password]@]host[:port],…`. `rediss` instead of `redis` for TLS. User and password are
/// percent-encoded. `Debug` and `Display` show where the servers are, and neither what stands before an `@` nor a master's
/// name: others put a password there.
#[derive(Clone, PartialEq, Eq, derive_more::Debug, derive_more::Display)]
#[debug("{shown}")]
#[display("{shown}")]
pub struct Address {
    pub(crate) topology: Topology,
    pub(crate) tls: bool,
    pub(crate) hosts: Vec<Node>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: i64,
    shown: String,
}

impl Address {
    /// Whether the address itself holds a password.
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether its hosts are sentinels.
    pub(crate) const fn names_sentinels(&self) -> bool {
        self.topology.names_masters()
    }
}

/// Why a text is no address. No message repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme than those of [`Address`], or none.
    #[error("its scheme is none that Redis has")]
    Scheme,
    /// No host, an empty one between two commas, or something else in its place.
    #[error("it names no host, or one with a character that no host has")]
    Host,
    /// Several hosts, for which the scheme is that of one.
    #[error("it names more than one host: use redis+sentinel:// or redis+cluster://")]
    ManyHosts,
    /// A port out of its range.
    #[error("a port of it is not a number from 1 to 65535")]
    Port,
    /// A database that is no number.
    #[error("its database is not a number")]
    Database,
    /// A database of a cluster.
    #[error("a cluster has database 0 only")]
    ClusterDatabase,
    /// Sentinels, and not which master they are asked for.
    #[error(
        "it names no master (letters, digits, dots, - and _): redis+sentinel://host:port,host:port/MASTER[/database]"
    )]
    MasterName,
    /// A user or a password that can't be decoded.
    #[error(
        "its user or password holds a % that is no percent-encoding, or a ? (%3F) or # (%23) without one"
    )]
    Encoding,
    /// Parameters, as other clients have them.
    #[error("it has parameters (after a ?): there are none")]
    Parameters,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (tls, kind) = parse_scheme(scheme)?;
        // A password may hold any of the characters that follow it.
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        // `redis://host?password=p@ss` would pass for the host `ss`, which is shown.
        if user.contains(['?', '#']) {
            return Err(AddressError::Encoding);
        }
        if rest.contains('?') {
            return Err(AddressError::Parameters);
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (topology, port, database) = parse_topology(kind, path)?;
        let hosts = hosts
            .split(',')
            .map(|host| parse_host(host, port))
            .collect::<Result<Vec<Node>, _>>()?;
        if topology == Topology::Standalone && hosts.len() > 1 {
            return Err(AddressError::ManyHosts);
        }
        let database = parse_database(database)?;
        if topology == Topology::Cluster && database != 0 {
            return Err(AddressError::ClusterDatabase);
        }
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let who = if user.is_empty() { "" } else { "[secret]@" };
        let shown = format!("{scheme}://{who}{}", shown_place(&topology, rest));
        Ok(Self {
            topology,
            tls,
            hosts,
            username: decode(name)?,
            password: decode(password)?.map(Secret::new),
            database,
            shown,
        })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Where the servers are, for others to see, without the name of a master: some put the password there by mistake.
fn shown_place<'t>(topology: &Topology, place: &'t str) -> Cow<'t, str> {
    match topology {
        Topology::Sentinel { master } => {
            place.replacen(&format!("/{master}"), "/[master]", 1).into()
        }
        _ => place.into(),
    }
}

/// Whether there is TLS, and the word behind the `+`.
fn parse_scheme(scheme: &str) -> Result<(bool, &str), AddressError> {
    let (name, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    if kind.is_empty() && scheme.contains('+') {
        return Err(AddressError::Scheme);
    }
    match name {
        "redis" => Ok((false, kind)),
        "rediss" => Ok((true, kind)),
        _ => Err(AddressError::Scheme),
    }
}

/// How the servers are arranged, the port where none is named, and the database in `path`.
fn parse_topology<'t>(kind: &str, path: &'t str) -> Result<(Topology, u16, &'t str), AddressError> {
    match kind {
        "" => Ok((Topology::Standalone, REDIS_PORT, path)),
        "cluster" => Ok((Topology::Cluster, REDIS_PORT, path)),
        "sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            // What else Sentinel takes in a name would hide a mistake, such as another client's parameters.
            if master.is_empty() || !is_name(master) {
                return Err(AddressError::MasterName);
            }
            let master = master.to_owned();
            Ok((Topology::Sentinel { master }, SENTINEL_PORT, database))
        }
        _ => Err(AddressError::Scheme),
    }
}

fn parse_database(text: &str) -> Result<i64, AddressError> {
    match text {
        "" => Ok(0),
        number => {
            let number: u32 = number.parse().map_err(|_| AddressError::Database)?;
            Ok(i64::from(number))
        }
    }
}

/// Whether a text has the characters of a sentinel's name for a master, which are those of a host's name as well.
fn is_name(text: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.chars().all(is_legal)
}

/// Whether a text can be a host's name or address.
fn is_host(text: &str) -> bool {
    is_name(text) || is_ipv6(text)
}

/// Whether a text is an IPv6 address; `%` is before its zone (RFC 4007, section 11).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
}

/// Percent-decodes a text (RFC 3986, section 2.1); an empty one is not set.
fn decode(text: &str) -> Result<Option<String>, AddressError> {
    // The decoder leaves what is no percent-encoding as it is.
    let is_encoded = |after: &str| {
        after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
    };
    if !text.split('%').skip(1).all(is_encoded) {
        return Err(AddressError::Encoding);
    }
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| AddressError::Encoding)?;
    Ok((!text.is_empty()).then(|| Cow::into_owned(text)))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(crate) fn parse_host(text: &str, default_port: u16) -> Result<Node, AddressError> {
    let (host, port, is_legal) = match text.strip_prefix('[') {
        // A bracket that is not closed may be the beginning of a password, and hosts are shown.
        Some(rest) => {
            let (host, port) = rest.rsplit_once(']').ok_or(AddressError::Host)?;
            (host, port, is_ipv6(host))
        }
        None => {
            let (host, port) = text.split_at(text.rfind(':').unwrap_or(text.len()));
            (host, port, is_host(host))
        }
    };
    // A parameter of another client (`host,password=…`) must not pass as a host.
    if host.is_empty() || !is_legal {
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
        assert_eq!(address.password, Some(Secret::new("p@ss/w:rd%")));
        assert_eq!(hosts(&address), ["h:1"]);
        assert_eq!(parse("redis://:secret@h").username, None);
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason_and_without_itself() {
        use AddressError as E;
        for (text, error) in [
            ("", E::Scheme),
            ("http://h", E::Scheme),
            ("http://u:hunter2@h", E::Scheme),
            ("localhost:6379", E::Scheme),
            ("redis", E::Scheme),
            ("redis+unix://h", E::Scheme),
            ("redis+://h", E::Scheme),
            ("redis://", E::Host),
            ("redis://:6379", E::Host),
            ("redis://u:hunter2@", E::Host),
            ("redis://a b", E::Host),
            ("redis://[hunter2", E::Host),
            ("redis://[hunter2:6379", E::Host),
            ("redis://[hunter2]", E::Host),
            ("redis://hunter2]", E::Host),
            ("redis://[[::1]]", E::Host),
            ("redis://[::1", E::Host),
            ("redis://::1]", E::Host),
            ("redis://[127.0.0.1]", E::Host),
            ("redis+cluster://a,[hunter2", E::Host),
            ("redis+sentinel://[hunter2/vote", E::Host),
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
            ("redis://h:1?password=hun@ter2", E::Encoding),
            ("redis+sentinel://h/m#hun@ter2", E::Encoding),
            ("redis://h?password=hunter2", E::Parameters),
            ("redis://h/0?password=hunter2", E::Parameters),
            ("redis://h#hunter2", E::Host),
            ("redis://h/0#hunter2", E::Database),
            ("redis://h/hunter2", E::Database),
            ("redis://h:6379:hunter2", E::Host),
            ("redis://h:6379:1234", E::Host),
            ("redis://h;password=hunter2", E::Host),
            ("redis://h%3Fpassword%3Dhunter2", E::Host),
            ("redis+cluster://a,password=hunter2", E::Host),
            ("redis+sentinel://a/vote#hunter2", E::MasterName),
            ("redis+sentinel://a/vote,password=hunter2", E::MasterName),
            ("redis+sentinel://a/vote/hunter2", E::Database),
            ("redsi://:hunter2@h", E::Scheme),
            ("h:6379,password=hunter2", E::Scheme),
        ] {
            assert_eq!(text.parse::<Address>().err(), Some(error), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn an_address_shows_without_its_password() {
        for (text, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://u:p@ss@h:1/2", "redis://[secret]@h:1/2"),
            ("redis://:secret@h", "redis://[secret]@h"),
            ("redis://hunter2@h", "redis://[secret]@h"),
            ("redis://hunter2:@h", "redis://[secret]@h"),
            ("redis://hunter2%40@h", "redis://[secret]@h"),
            ("redis://@h", "redis://h"),
            ("redis://u:p/a%3Fs%23s@h", "redis://[secret]@h"),
            (
                "rediss+cluster://hunter2@a,b",
                "rediss+cluster://[secret]@a,b",
            ),
            ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
            (
                "rediss+sentinel://u:p@a:1,b:2/m",
                "rediss+sentinel://[secret]@a:1,b:2/[master]",
            ),
            (
                "redis+sentinel://hunter2:1/hunter2/3",
                "redis+sentinel://hunter2:1/[master]/3",
            ),
        ] {
            let address = parse(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
            let is_user_alone = text.contains("://hunter2");
            let has_password = shown.contains("[secret]") && !is_user_alone;
            assert_eq!(address.has_password(), has_password, "{text}");
            assert_eq!(address.names_sentinels(), text.contains("sentinel"));
        }
    }
}
