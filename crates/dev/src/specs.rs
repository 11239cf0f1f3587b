//! How Redis and the services are started.

use crate::child::Spec;
use crate::names::{INGEST, REDIS, RESULTS};
use anyhow::Context as _;
use std::fs;
use std::path::Path;
use vote_voters::mint::DEFAULT_ISSUER;

/// The results service's setting of the file with the token of production.
const TOKEN_FILE: &str = "VOTE__ACCESS__PRODUCTION_TOKEN_FILE";

/// The ingest service's setting of the file with the keys of voter tokens.
const VOTER_KEYS_FILE: &str = "VOTE__VOTERS__JWKS_FILE";

/// The ingest service's setting of the file of gateways.
const GATEWAYS_FILE: &str = "VOTE__GATEWAYS__FILE";

const CORS_ALLOWED_ORIGINS: &str = "VOTE__HTTP__CORS_ALLOWED_ORIGINS";

/// The pages of a developer's own machine, which may vote here: their servers take any port.
const LOCAL_ORIGINS: &str = "http://localhost:*,http://127.0.0.1:*,http://[::1]:*,\
     https://localhost:*,https://127.0.0.1:*,https://[::1]:*";

/// Redis, with its data in this directory; writes its configuration.
pub(crate) fn redis(data_dir: &Path, port: u16) -> anyhow::Result<Spec> {
    let dir = data_dir.join("redis");
    let config = dir.join("redis.conf");
    // Quoted as redis.conf wants it: the path may have spaces.
    let quoted = dir
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    let text = format!(
        "# Written by votectl dev at every start.\nport {port}\nbind 127.0.0.1\ndir \"{quoted}\"\nappendonly yes\n\
         appendfsync everysec\nsave \"\"\ndaemonize no\n"
    );
    fs::write(&config, text).with_context(|| format!("can't write {}", config.display()))?;
    Ok(Spec {
        name: REDIS,
        program: REDIS.into(),
        args: vec![config.into()],
        env: Vec::new(),
    })
}

/// Where a service is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) bin_dir: &'p Path,
    pub(crate) redis_url: &'p str,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    /// The port of the other service: nothing is in front of the two, so that each has an origin of its own.
    pub(crate) other: u16,
    /// The file with the token of production.
    pub(crate) token: Option<&'p Path>,
    /// The file with the public key of voter tokens.
    pub(crate) voter_keys: Option<&'p Path>,
    /// The file of gateways.
    pub(crate) gateways: Option<&'p Path>,
}

/// A service on this Redis.
pub(crate) fn service(name: &'static str, place: Place<'_>) -> Spec {
    let Place {
        bin_dir,
        redis_url,
        port,
        admin,
        other,
        token,
        voter_keys,
        gateways,
    } = place;
    let (link, other) = match name {
        INGEST => ("VOTE__SITE__URL", format!("http://127.0.0.1:{other}")),
        _ => (
            "VOTE__SITE__INGEST_URL",
            format!("http://127.0.0.1:{other}"),
        ),
    };
    let mut env = vec![
        ("VOTE__REDIS__URL", redis_url.to_owned()),
        ("VOTE__HTTP__BIND", format!("127.0.0.1:{port}")),
        ("VOTE__ADMIN__BIND", format!("127.0.0.1:{admin}")),
        ("VOTE__LOG__FORMAT", "json".to_owned()),
        (link, other),
        // Nothing in front of them needs time to notice that they go.
        ("VOTE__SHUTDOWN__GRACE_MS", "0".to_owned()),
    ];
    if let Some(token) = token.filter(|_| name == RESULTS) {
        env.push((TOKEN_FILE, token.display().to_string()));
    }
    if let Some(keys) = voter_keys.filter(|_| name == INGEST) {
        env.push((VOTER_KEYS_FILE, keys.display().to_string()));
        env.push(("VOTE__VOTERS__ISSUER", DEFAULT_ISSUER.to_owned()));
    }
    if let Some(gateways) = gateways.filter(|_| name == INGEST) {
        env.push((GATEWAYS_FILE, gateways.display().to_string()));
    }
    // Figures are for any page already.
    if name == INGEST && !names_origins() {
        env.push((CORS_ALLOWED_ORIGINS, LOCAL_ORIGINS.to_owned()));
    }
    Spec {
        name,
        program: bin_dir.join(name),
        args: Vec::new(),
        env,
    }
}

/// Whether who started this has named a token of production, or a settings file that may.
#[expect(
    clippy::disallowed_methods,
    reason = "the services read these settings, the supervisor only stays out of their way"
)]
pub(crate) fn names_token() -> bool {
    [
        "VOTE__ACCESS__PRODUCTION_TOKEN",
        TOKEN_FILE,
        "VOTE__CONFIG_FILE",
    ]
    .iter()
    .any(|name| std::env::var_os(name).is_some())
}

/// Whether who started this has named keys of voter tokens, or a settings file that may.
#[expect(
    clippy::disallowed_methods,
    reason = "the services read these settings, the supervisor only stays out of their way"
)]
pub(crate) fn names_voter_keys() -> bool {
    [
        "VOTE__VOTERS__JWKS_URL",
        VOTER_KEYS_FILE,
        "VOTE__VOTERS__ISSUER",
        "VOTE__CONFIG_FILE",
    ]
    .iter()
    .any(|name| std::env::var_os(name).is_some())
}

/// Whether who started this has named gateways, or a settings file that may.
#[expect(
    clippy::disallowed_methods,
    reason = "the services read these settings, the supervisor only stays out of their way"
)]
pub(crate) fn names_gateways() -> bool {
    [GATEWAYS_FILE, "VOTE__CONFIG_FILE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// Whether who started this has named origins, or a settings file that may.
#[expect(
    clippy::disallowed_methods,
    reason = "the services read these settings, the supervisor only stays out of their way"
)]
fn names_origins() -> bool {
    [CORS_ALLOWED_ORIGINS, "VOTE__CONFIG_FILE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}
