//! How Redis and the services are started.

use crate::child::Spec;
use crate::names::REDIS;
use anyhow::Context as _;
use std::fs;
use std::path::Path;

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

/// A service on this Redis.
pub(crate) fn service(
    name: &'static str,
    bin_dir: &Path,
    redis_url: &str,
    port: u16,
    admin: u16,
) -> Spec {
    let env = vec![
        ("VOTE__REDIS__URL", redis_url.to_owned()),
        ("VOTE__HTTP__BIND", format!("127.0.0.1:{port}")),
        ("VOTE__ADMIN__BIND", format!("127.0.0.1:{admin}")),
        ("VOTE__LOG__FORMAT", "json".to_owned()),
        // Nothing in front of them needs time to notice that they go.
        ("VOTE__SHUTDOWN__GRACE_MS", "0".to_owned()),
    ];
    Spec {
        name,
        program: bin_dir.join(name),
        args: Vec::new(),
        env,
    }
}
