//! Every class of wrong value is refused by name; what is right is taken from the right layer.

mod files;
mod judge;
mod values;
mod voters;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vote_runtime::settings::{LogFormat, reference};
use vote_runtime::{ServiceName, Settings};
use vote_store::{Durability, LaneConfig};

use crate::fields;

fn load(file: Option<&Path>, env: &[(&str, &str)]) -> Result<Settings, String> {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(ServiceName::Ingest, file, env).map_err(|error| error.to_string())
}

fn refused(env: &[(&str, &str)]) -> String {
    load(None, env).expect_err("refused")
}

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn defaults_are_right_by_themselves_and_differ_by_service_in_addresses_and_origins_alone() {
    let none = std::iter::empty();
    let ingest = Settings::load(ServiceName::Ingest, None, none.clone()).expect("defaults");
    let mut results = Settings::load(ServiceName::Results, None, none).expect("defaults");
    assert_eq!(ingest.http.bind.to_string(), "0.0.0.0:8080");
    assert_eq!(ingest.admin.bind.to_string(), "0.0.0.0:9080");
    assert_eq!(results.http.bind.to_string(), "0.0.0.0:8081");
    assert_eq!(results.admin.bind.to_string(), "0.0.0.0:9081");
    assert_eq!(ingest.redis.url.to_string(), "redis://127.0.0.1:6379");
    assert_eq!(ingest.commit.durability, Durability::Memory);
    assert_eq!(ingest.log.format, LogFormat::Auto);
    assert!(
        ingest.receipts.key.is_none()
            && ingest.redis.password.is_none()
            && ingest.redis.username.is_none()
    );
    assert!(ingest.http.worker_count() >= 1);
    results.http.bind = ingest.http.bind;
    results.admin.bind = ingest.admin.bind;
    // Votes are cast from known pages; figures are for pages and graphics everywhere.
    assert!(ingest.http.cors_allowed_origins.is_empty());
    assert_eq!(results.http.cors_allowed_origins, ["*"]);
    results.http.cors_allowed_origins.clear();
    assert_eq!(format!("{ingest:?}"), format!("{results:?}"));
}

#[test]
fn the_reference_covers_every_field() {
    let documented: Vec<&str> = reference()
        .iter()
        .map(|setting| setting.name.as_str())
        .collect();
    assert_eq!(fields::of_settings(), documented);
}

#[test]
fn lanes_without_settings_are_those_of_the_defaults() {
    let settings = load(None, &[]).expect("defaults");
    assert_eq!(
        format!("{:?}", settings.commit),
        format!("{:?}", LaneConfig::default())
    );
}

#[test]
fn a_file_goes_over_defaults_and_the_environment_over_the_file_in_all_formats() {
    let folder = TempDir::new().expect("a folder");
    let defaults = load(None, &[]).expect("the defaults are right");
    for path in [
        file(
            &folder,
            "a.toml",
            "[commit]\naccept_timeout_ms = 111\nreplay_window_s = 9\n[http]\ncors_allowed_origins = [\"https://a.example\"]\n",
        ),
        file(
            &folder,
            "a.yaml",
            "commit:\n  accept_timeout_ms: 111\n  replay_window_s: 9\nhttp:\n  cors_allowed_origins: [https://a.example]\nredis:\n",
        ),
        file(
            &folder,
            "a.json",
            r#"{"commit":{"accept_timeout_ms":111,"replay_window_s":9},"http":{"cors_allowed_origins":["https://a.example"]}}"#,
        ),
    ] {
        let settings = load(
            Some(&path),
            &[("VOTE__COMMIT__REPLAY_WINDOW_S", "10"), ("UNRELATED", "x")],
        );
        let settings = settings.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(settings.commit.accept_timeout.as_millis(), 111);
        assert_eq!(settings.commit.replay_window.as_secs(), 10);
        assert_eq!(
            settings.commit.min_batch_interval,
            defaults.commit.min_batch_interval
        );
        assert_eq!(settings.http.cors_allowed_origins, ["https://a.example"]);
    }
    let empty = file(&folder, "empty.yaml", "\n");
    assert!(load(Some(&empty), &[]).is_ok());
    let origins = load(
        None,
        &[(
            "VOTE__HTTP__CORS_ALLOWED_ORIGINS",
            " https://a.example ,https://b.example,",
        )],
    );
    assert_eq!(
        origins.expect("origins").http.cors_allowed_origins,
        ["https://a.example", "https://b.example"]
    );
}

#[test]
fn the_defaults_as_a_settings_file_change_nothing() {
    let folder = TempDir::new().expect("a folder");
    let path = file(&folder, "all.toml", vote_runtime::settings::DEFAULTS_TOML);
    let settings = load(Some(&path), &[]).expect("defaults");
    assert_eq!(
        format!("{settings:?}"),
        format!("{:?}", load(None, &[]).expect("defaults"))
    );
}

#[test]
fn limits_of_voters_alone_take_no_memory_for_addresses() {
    let over = [
        ("VOTE__LIMITS__VOTER_BURST", "5/10s"),
        ("VOTE__LIMITS__VOTER_MEMORY_MIB", "3"),
    ];
    let settings = load(None, &over).expect("right");
    let limits = settings.limits.config().expect("limits");
    let burst = limits.voter_rates.burst.expect("one");
    assert_eq!(burst.to_string(), "5/10s");
    assert!(limits.voter_rates.sustained.is_none());
    assert_eq!(
        (limits.memory_bytes, limits.voter_memory_bytes),
        (0, 3 << 20)
    );
}

#[test]
fn there_are_no_limits_and_no_trusted_proxies_unless_they_are_named() {
    let defaults = load(None, &[]).expect("defaults");
    assert!(defaults.limits.config().is_none());
    assert_eq!(defaults.http.proxies().header(), None);
    let settings = load(
        None,
        &[
            ("VOTE__LIMITS__ADDRESS_BURST", "60/10s"),
            ("VOTE__LIMITS__PREFIX_SUSTAINED", "20/5m"),
            ("VOTE__LIMITS__MEMORY_MIB", "2"),
            ("VOTE__HTTP__TRUSTED_PROXIES", "10.0.0.7, 2001:db8::/48"),
            ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for"),
        ],
    )
    .expect("right");
    let limits = settings.limits.config().expect("limits");
    let rates = limits.rates;
    assert_eq!(rates.address_burst.expect("one").to_string(), "60/10s");
    assert_eq!(rates.prefix_sustained.expect("one").seconds(), 300);
    assert!(rates.address_sustained.is_none() && rates.prefix_burst.is_none());
    assert_eq!(limits.memory_bytes, 2 << 20);
    assert!(limits.voter_rates.burst.is_none() && limits.voter_rates.sustained.is_none());
    let proxies = settings.http.proxies();
    assert_eq!(proxies.header(), Some("x-forwarded-for"));
    for (address, is_trusted) in [
        ("10.0.0.7", true),
        ("::ffff:10.0.0.7", true),
        ("10.0.0.8", false),
        ("2001:db8:0:5::1", true),
        ("2001:db8:1::1", false),
    ] {
        let address = address.parse().expect("an address");
        assert_eq!(proxies.trusts(address), is_trusted, "{address}");
    }
    // A file of carriers alone makes limits, too.
    let carriers = [("VOTE__LIMITS__CARRIERS_FILE", "/none")];
    let carriers = load(None, &carriers).expect("right");
    assert!(carriers.limits.config().is_some());
}
