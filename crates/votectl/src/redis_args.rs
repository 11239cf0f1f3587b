//! The options that say where Redis is, in the words of the services' settings.

use crate::failure::Failure;
use clap::Args;
use std::path::{Path, PathBuf};
use vote_domain::Secret;
use vote_runtime::secret_file;
use vote_store::{Address, RedisConfig};

/// Heading of these options, which all commands share. Their ids are their long names: every command has them beside
/// options of its own, and clap takes two options of one id for the same.
const HEADING: &str = "Redis, for every command";

/// Where it is, if nobody says it.
const DEFAULT_URL: &str = "redis://127.0.0.1:6379";

/// Where Redis is, and who we are there.
#[derive(Clone, Args, derive_more::Debug)]
pub struct RedisArgs {
    /// Address of Redis: redis://…, redis+sentinel://…/master or redis+cluster://…, rediss… for TLS
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "URL",
        env = "VOTE__REDIS__URL",
        hide_env_values = true,
        default_value = DEFAULT_URL
    )]
    #[debug("{:?}", redis.parse::<Address>())]
    pub redis: String,

    /// File that holds the address
    #[arg(
        id = "redis-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__URL_FILE",
        conflicts_with = "redis"
    )]
    url_file: Option<PathBuf>,

    /// ACL user
    #[arg(
        id = "redis-username",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "NAME",
        hide_short_help = true,
        env = "VOTE__REDIS__USERNAME",
        hide_env_values = true
    )]
    username: Option<String>,

    /// File that holds the user's name
    #[arg(
        id = "redis-username-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__USERNAME_FILE",
        conflicts_with = "redis-username"
    )]
    username_file: Option<PathBuf>,

    /// Its password; only the environment should have it, since others can see the options of a process
    #[arg(
        id = "redis-password",
        long,
        global = true,
        hide = true,
        env = "VOTE__REDIS__PASSWORD",
        hide_env_values = true,
        conflicts_with = "redis-password-file"
    )]
    #[debug("{:?}", password.as_deref().map(Secret::new))]
    password: Option<String>,

    /// File that holds the user's password (or VOTE__REDIS__PASSWORD)
    #[arg(
        id = "redis-password-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__PASSWORD_FILE"
    )]
    password_file: Option<PathBuf>,

    /// ACL user at the sentinels, where those have users of their own
    #[arg(
        id = "redis-sentinel-username",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "NAME",
        hide_short_help = true,
        env = "VOTE__REDIS__SENTINEL_USERNAME",
        hide_env_values = true
    )]
    sentinel_username: Option<String>,

    /// Password at the sentinels; only the environment should have it
    #[arg(
        id = "redis-sentinel-password",
        long,
        global = true,
        hide = true,
        env = "VOTE__REDIS__SENTINEL_PASSWORD",
        hide_env_values = true,
        conflicts_with = "redis-sentinel-password-file"
    )]
    #[debug("{:?}", sentinel_password.as_deref().map(Secret::new))]
    sentinel_password: Option<String>,

    /// File that holds the password at the sentinels (or VOTE__REDIS__SENTINEL_PASSWORD)
    #[arg(
        id = "redis-sentinel-password-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__SENTINEL_PASSWORD_FILE"
    )]
    sentinel_password_file: Option<PathBuf>,

    /// Certificates (PEM) of the authorities to trust, instead of those of the machine
    #[arg(
        id = "redis-ca-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__TLS_CA_FILE"
    )]
    ca_file: Option<PathBuf>,

    /// Our own certificate (PEM), where the servers ask for one
    #[arg(
        id = "redis-cert-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__TLS_CERT_FILE",
        requires = "redis-key-file"
    )]
    cert_file: Option<PathBuf>,

    /// The key (PEM) of our own certificate
    #[arg(
        id = "redis-key-file",
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        hide_short_help = true,
        env = "VOTE__REDIS__TLS_KEY_FILE"
    )]
    key_file: Option<PathBuf>,
}

impl RedisArgs {
    /// Whether an address was given: another one than what holds without.
    pub(crate) fn is_given(&self) -> bool {
        self.redis != DEFAULT_URL || self.url_file.is_some()
    }

    /// Where Redis is, without its password.
    pub(crate) fn shown(&self) -> String {
        let url = self.address().ok().and_then(|url| url.parse().ok());
        url.map_or_else(|| "Redis".to_owned(), |url: Address| url.to_string())
    }

    /// The name under which its polls are remembered: its address, without user and password.
    pub(crate) fn remembered_as(&self) -> String {
        let shown = self.shown();
        match shown.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{host}")
            }
            None => shown,
        }
    }

    /// How the store is to connect.
    ///
    /// # Errors
    /// When the address is none, or a file of a password can't be read or is empty.
    pub fn config(&self) -> Result<RedisConfig, Failure> {
        let secret = |option, given: &Option<String>, file: &Option<PathBuf>| match file {
            None => Ok(given.as_ref().map(Secret::new)),
            Some(path) => read(option, path).map(Some),
        };
        let username = match &self.username_file {
            None => self.username.clone(),
            Some(path) => Some(read("--redis-username-file", path)?.expose().to_owned()),
        };
        Ok(RedisConfig {
            username,
            password: secret("--redis-password-file", &self.password, &self.password_file)?,
            sentinel_username: self.sentinel_username.clone(),
            sentinel_password: secret(
                "--redis-sentinel-password-file",
                &self.sentinel_password,
                &self.sentinel_password_file,
            )?,
            tls_ca_file: self.ca_file.clone(),
            tls_cert_file: self.cert_file.clone(),
            tls_key_file: self.key_file.clone(),
            pool_size: 4,
            ..RedisConfig::new(self.address()?)?
        })
    }

    /// The address as it was given, which may hold a password.
    fn address(&self) -> Result<String, Failure> {
        match &self.url_file {
            None => Ok(self.redis.clone()),
            Some(path) => Ok(read("--redis-file", path)?.expose().to_owned()),
        }
    }
}

/// What the file of that option holds.
fn read(option: &str, path: &Path) -> Result<Secret, Failure> {
    secret_file::read(path)
        .map_err(|error| Failure::usage(format!("{option}: {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::RedisArgs;
    use clap::Parser;
    use vote_domain::Secret;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        redis: RedisArgs,
    }

    #[test]
    fn no_password_shows() {
        let only = Only::try_parse_from([
            "votectl",
            "--redis",
            "redis+cluster://u:hunter2@a,b",
            "--redis-password",
            "hunter3",
            "--redis-sentinel-password",
            "hunter4",
        ])
        .expect("the options are right");
        let shown = format!("{:?}", only.redis);
        assert!(shown.contains("redis+cluster://[secret]@a,b"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert_eq!(only.redis.remembered_as(), "redis+cluster://a,b");
    }

    #[test]
    fn address_and_user_come_from_files_and_not_from_options_too() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str, text: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).expect("the file can be written");
            file.to_str().expect("the path is UTF-8").to_owned()
        };
        let url = path("url", "redis+cluster://u:hunter2@a,b\n");
        let name = path("name", "paula\r\n");
        let parse = |words: &[&str]| Only::try_parse_from([&["votectl"], words].concat());
        let given = parse(&["--redis-file", &url, "--redis-username-file", &name]);
        let redis = given.expect("the options are right").redis;
        let config = redis.config().expect("both files can be read");
        assert_eq!(config.username.as_deref(), Some("paula"));
        assert_eq!(config.url.to_string(), "redis+cluster://[secret]@a,b");
        assert_eq!(redis.shown(), "redis+cluster://[secret]@a,b");
        assert!(redis.is_given());
        assert!(!format!("{redis:?}").contains("hunter2"));

        for both in [
            ["--redis-file", &url, "--redis", "redis://h"],
            ["--redis-username-file", &name, "--redis-username", "n"],
        ] {
            assert!(parse(&both).is_err(), "{both:?}");
        }
        for (text, says) in [("\n", "--redis-file"), ("hunter2://h", "scheme")] {
            let url = path("wrong", text);
            let redis = parse(&["--redis-file", &url]).expect("an option").redis;
            let error = redis.config().expect_err("it is refused").to_string();
            assert!(
                error.contains(says) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_password_file_is_read_without_its_newline_and_must_not_be_empty() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("password");
        let config = |text: &str| {
            std::fs::write(&file, text).expect("the file can be written");
            let path = file.to_str().expect("the path is UTF-8");
            let sentinels = "--redis-sentinel-password-file";
            let files = ["--redis-password-file", path, sentinels, path];
            let words = ["votectl"].into_iter().chain(files);
            let only = Only::try_parse_from(words);
            only.expect("the options are right").redis.config()
        };
        let read = config("\u{feff}hunter2\r\n").expect("the file has a password");
        assert_eq!(read.password, Some(Secret::new("hunter2")));
        assert_eq!(read.sentinel_password, Some(Secret::new("hunter2")));
        let error = config("\n").expect_err("it is refused").to_string();
        assert!(
            error.contains("--redis-password-file") && error.contains("empty"),
            "{error}"
        );
    }
}
