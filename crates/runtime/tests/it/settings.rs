//! Every class of wrong value is refused by name; what is right is taken from the right layer.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vote_runtime::settings::{Kind, LogFormat, reference};
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
fn a_wrong_value_is_refused_by_both_names_with_what_it_takes() {
    assert_eq!(
        refused(&[("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "soon")]),
        "a setting is wrong:\n  commit.accept_timeout_ms (VOTE__COMMIT__ACCEPT_TIMEOUT_MS) is \"soon\" in the \
         environment: takes integer 10..=60000 milliseconds"
    );
    let folder = TempDir::new().expect("a folder");
    let path = file(
        &folder,
        "a.yaml",
        "commit:\n  accept_timeout_ms: 5\nlog: {format: xml}\n",
    );
    assert_eq!(
        load(Some(&path), &[("VOTE__HTTP__WORKERS", "-1")]).expect_err("refused"),
        "3 settings are wrong:\n  \
         http.workers (VOTE__HTTP__WORKERS) is \"-1\" in the environment: takes integer 0..=1024 threads\n  \
         log.format (VOTE__LOG__FORMAT) is \"xml\" in the settings file: takes one of auto, json, pretty\n  \
         commit.accept_timeout_ms (VOTE__COMMIT__ACCEPT_TIMEOUT_MS) is 5 in the settings file: takes integer \
         10..=60000 milliseconds"
    );
}

#[test]
fn every_integer_refuses_what_is_out_of_its_range_and_takes_its_bounds() {
    for setting in reference() {
        let Kind::Integer { min, max } = setting.kind else {
            continue;
        };
        let above = (max + 1).to_string();
        for wrong in [
            "",
            " ",
            "1.5",
            "-1",
            "1e3",
            "0x10",
            "99999999999999999999999",
            above.as_str(),
        ] {
            let error = refused(&[(&setting.env, wrong)]);
            assert!(
                error.contains(&setting.name) && error.contains(&setting.env),
                "{error}"
            );
            assert!(error.contains(&setting.takes), "{error}");
        }
        for right in [min, max] {
            let mut env = vec![(setting.env.as_str(), right.to_string())];
            if setting.name == "snapshot.interval_ms" {
                env.push(("VOTE__SNAPSHOT__STALE_AFTER_MS", "600000".to_owned()));
            }
            if setting.name == "snapshot.stale_after_ms" {
                env.push(("VOTE__SNAPSHOT__INTERVAL_MS", "20".to_owned()));
            }
            if setting.name == "commit.idempotency_window_s" {
                env.push(("VOTE__COMMIT__REPLAY_WINDOW_S", "1".to_owned()));
            }
            if setting.name == "commit.replay_window_s" {
                env.push(("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", "86400".to_owned()));
            }
            let env: Vec<(&str, &str)> = env
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            assert!(load(None, &env).is_ok(), "{} = {right}", setting.name);
        }
    }
}

#[test]
fn keys_are_remembered_longer_than_batches_are_repeated() {
    let error = refused(&[
        ("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", "59"),
        ("VOTE__COMMIT__REPLAY_WINDOW_S", "30"),
    ]);
    assert!(
        error.contains("commit.idempotency_window_s") && error.contains("60"),
        "{error}"
    );
}

#[test]
fn values_with_a_type_of_their_own_are_refused_with_what_they_take() {
    for (variable, value, says) in [
        ("VOTE__HTTP__BIND", "8080", "takes address and port"),
        (
            "VOTE__HTTP__BIND",
            "localhost:8080",
            "takes address and port",
        ),
        (
            "VOTE__ADMIN__BIND",
            "0.0.0.0:99999",
            "takes address and port",
        ),
        (
            "VOTE__COMMIT__IDEMPOTENCY_KEY_REQUIRED",
            "yes",
            "takes true or false",
        ),
        (
            "VOTE__COMMIT__DURABILITY",
            "disk",
            "takes memory, replicas(n, timeout_ms) or fsync",
        ),
        (
            "VOTE__COMMIT__DURABILITY",
            "replicas(16, 100)",
            "takes memory, replicas(n, timeout_ms) or fsync",
        ),
        (
            "VOTE__COMMIT__REPLICAS_MISSING",
            "wait",
            "takes one of refuse, degrade",
        ),
        ("VOTE__LOG__LEVEL", "loud=", "takes level"),
        ("VOTE__LOG__LEVEL", "", "takes level"),
        ("VOTE__LOG__LEVEL", "warning", "takes level"),
        ("VOTE__LOG__LEVEL", "info,vote_store", "takes level"),
        ("VOTE__REDIS__URL", "http://h", "takes URL with redis://"),
        ("VOTE__REDIS__URL", "h:6379", "takes URL with redis://"),
        (
            "VOTE__RECEIPTS__KEY",
            "abc",
            "takes secret of 64 hexadecimal digits",
        ),
        (
            "VOTE__ACCESS__PRODUCTION_TOKEN",
            "short",
            "takes secret of 16 to 512",
        ),
        (
            "VOTE__ACCESS__BROADCAST_TOKEN",
            "has a space in it, long",
            "takes secret of 16 to 512",
        ),
        (
            "VOTE__HTTP__CORS_ALLOWED_ORIGINS",
            "example.com",
            "takes list of origins",
        ),
        (
            "VOTE__HTTP__CORS_ALLOWED_ORIGINS",
            "https://a.example/path",
            "takes list of origins",
        ),
        (
            "VOTE__SNAPSHOT__STALE_AFTER_MS",
            "300",
            "at least twice snapshot.interval_ms: 500",
        ),
        (
            "VOTE__ADMIN__BIND",
            "0.0.0.0:8080",
            "is the same as http.bind",
        ),
    ] {
        let error = refused(&[(variable, value)]);
        assert!(error.contains(variable), "{variable}={value}: {error}");
        assert!(error.contains(says), "{variable}={value}: {error}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known() {
    let error = refused(&[("VOTE__COMMIT__ACCEPT_TIMEUT_MS", "hunter2")]);
    assert!(error.contains("VOTE__COMMIT__ACCEPT_TIMEUT_MS"), "{error}");
    assert!(
        error.contains("did you mean commit.accept_timeout_ms (VOTE__COMMIT__ACCEPT_TIMEOUT_MS)?"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
    assert!(refused(&[("VOTE__QQQQQQQQQ", "1")]).contains("there is no such setting"));
    assert!(refused(&[("VOTE__http__bind", "127.0.0.1:1")]).contains("VOTE__HTTP__BIND"));
    assert!(refused(&[("VOTE__HTTP", "1")]).contains("there is no such setting"));
    assert!(
        load(
            None,
            &[
                ("VOTE__CONFIG_FILE", "/somewhere.toml"),
                ("VOTE_OTHER", "1")
            ]
        )
        .is_ok()
    );

    let folder = TempDir::new().expect("a folder");
    for (name, text) in [
        ("a.toml", "[commit]\naccept_timeut_ms = 1\n"),
        ("a.yaml", "commit:\n  accept_timeut_ms: 1\n"),
        ("a.json", r#"{"commit":{"accept_timeut_ms":1}}"#),
    ] {
        let error = load(Some(&file(&folder, name, text)), &[]).expect_err("refused");
        assert!(
            error.contains("did you mean commit.accept_timeout_ms"),
            "{name}: {error}"
        );
    }
    let section = file(&folder, "b.toml", "commit = 5\n[redis.url]\nhost = \"h\"\n");
    let error = load(Some(&section), &[]).expect_err("refused");
    assert!(
        error.contains("commit (VOTE__COMMIT)") && error.contains("redis.url.host"),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_by_its_path() {
    let folder = TempDir::new().expect("a folder");
    for (path, says) in [
        (folder.path().join("missing.toml"), "can't be read"),
        (file(&folder, "a.ini", "x=1"), "its name ends in none of"),
        (file(&folder, "noextension", ""), "its name ends in none of"),
        (file(&folder, "a.toml", "[commit"), "is not understood"),
        (file(&folder, "a.yaml", "commit: [1"), "is not understood"),
        (file(&folder, "a.json", "{"), "is not understood"),
        (file(&folder, "list.json", "[1]"), "is not understood"),
    ] {
        let error = load(Some(&path), &[]).expect_err("refused");
        assert!(
            error.contains(&path.display().to_string()) && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_not_understood_shows_nothing_of_its_text() {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in [
        ("a.toml", "[redis]\npassword = \"hunter2\n"),
        ("b.toml", "[redis]\nurl = redis://:hunter2@h\n"),
        ("a.yaml", "redis:\n  password: \"hunter2\n"),
        ("b.yaml", "redis:\n  password: [hunter2\n"),
        ("a.json", "{\"redis\": {\"password\": \"hunter2\"} hunter2}"),
        ("b.json", "{\"redis\": {\"password\": hunter2}}"),
    ] {
        let error = load(Some(&file(&folder, name, text)), &[]).expect_err("refused");
        assert!(error.contains("is not understood"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_name_that_is_there_twice_is_refused_in_all_formats() {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in [
        ("a.toml", "[log]\nlevel = \"info\"\nlevel = \"debug\"\n"),
        ("a.yaml", "log:\n  level: info\n  level: debug\n"),
        ("a.json", r#"{"log": {"level": "info", "level": "debug"}}"#),
        ("b.json", r#"{"log": {"level": "info"}, "log": {}}"#),
        // The same name, written otherwise.
        (
            "c.json",
            r#"{"log": {"level": "info", "l\u0065vel": "debug"}}"#,
        ),
    ] {
        let error = load(Some(&file(&folder, name, text)), &[]).expect_err(name);
        assert!(error.contains("duplicate"), "{name}: {error}");
    }
    let same_in_two = r#"{"http": {"bind": "127.0.0.1:1"}, "admin": {"bind": "127.0.0.1:2"}}"#;
    load(Some(&file(&folder, "d.json", same_in_two)), &[]).expect("two sections");
}

#[test]
fn a_byte_order_mark_is_ignored_in_all_formats() {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in [
        ("a.toml", "[commit]\naccept_timeout_ms = 111\n"),
        ("a.yaml", "commit:\n  accept_timeout_ms: 111\n"),
        ("a.yml", "commit: {accept_timeout_ms: 111}"),
        ("a.json", r#"{"commit": {"accept_timeout_ms": 111}}"#),
    ] {
        let path = file(&folder, name, &format!("\u{feff}{text}"));
        let settings = load(Some(&path), &[]).expect(name);
        assert_eq!(settings.commit.accept_timeout.as_millis(), 111, "{name}");
    }
    let mark_alone = file(&folder, "b.json", "\u{feff}\n");
    assert!(load(Some(&mark_alone), &[]).is_ok());
}

#[test]
fn what_a_file_of_a_secret_holds_has_the_bounds_of_the_value_and_is_refused_by_the_files_name() {
    let folder = TempDir::new().expect("a folder");
    let long = "x".repeat(1025);
    for (setting, value) in [
        ("receipts.key", "hunter2"),
        ("access.production_token", "hunter2"),
        ("access.broadcast_token", "hunter2 hunter2 hunter2"),
        ("redis.password", &long),
        ("redis.sentinel_password", &long),
    ] {
        let env = format!("VOTE__{}", setting.replace('.', "__").to_uppercase());
        let by_value = refused(&[(&env, value)]);
        assert!(
            by_value.contains(&format!("{setting} ({env})")),
            "{by_value}"
        );
        let env = format!("{env}_FILE");
        let path = file(&folder, setting, &format!("{value}\r\n"));
        let path = path.to_str().expect("a path");
        let by_file = refused(&[(&env, path)]);
        let named = format!("{setting}_file ({env}) is \"{path}\" in the environment: ");
        assert!(by_file.contains(&named), "{by_file}");
        assert!(by_file.contains("takes secret of"), "{by_file}");
        assert!(
            !by_file.contains("hunter2") && !by_file.contains("by default"),
            "{by_file}"
        );
    }
    let huge = file(&folder, "huge", &"x".repeat(64 * 1024 + 1));
    let huge = huge.to_str().expect("a path");
    let error = refused(&[("VOTE__ACCESS__PRODUCTION_TOKEN_FILE", huge)]);
    assert!(error.contains("more than 65536 bytes"), "{error}");
    let exact = file(&folder, "exact", &"x".repeat(1024));
    let exact = exact.to_str().expect("a path");
    load(None, &[("VOTE__REDIS__PASSWORD_FILE", exact)]).expect("the longest password");
}

#[test]
fn secrets_come_from_a_value_or_a_file_and_never_show() {
    let folder = TempDir::new().expect("a folder");
    let key = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
    let token = "tok-hunter2-tok-hunter2";
    let path = file(&folder, "key", &format!("{key}\n"));
    let path = path.to_str().expect("a path");
    let settings = load(
        None,
        &[
            ("VOTE__RECEIPTS__KEY_FILE", path),
            ("VOTE__ACCESS__PRODUCTION_TOKEN", token),
            ("VOTE__REDIS__PASSWORD", "hunter2"),
        ],
    )
    .expect("settings");
    assert_eq!(
        settings.receipts.key_bytes().expect("a key")[..2],
        [0x01, 0x23]
    );
    assert!(
        settings
            .access
            .production_token
            .as_ref()
            .is_some_and(|secret| secret.matches(token))
    );
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains(key),
        "{shown}"
    );

    let both = refused(&[
        ("VOTE__RECEIPTS__KEY_FILE", path),
        ("VOTE__RECEIPTS__KEY", key),
    ]);
    assert!(
        both.contains("receipts.key_file (VOTE__RECEIPTS__KEY_FILE)")
            && both.contains("set one of both"),
        "{both}"
    );
    assert!(!both.contains(key), "{both}");
    let missing = refused(&[("VOTE__REDIS__PASSWORD_FILE", "/nowhere/at/all")]);
    assert!(
        missing.contains("redis.password_file") && missing.contains("can't be read"),
        "{missing}"
    );
    let empty = file(&folder, "empty", "\n");
    assert!(
        refused(&[(
            "VOTE__REDIS__PASSWORD_FILE",
            empty.to_str().expect("a path")
        )])
        .contains("is empty")
    );

    for env in [
        [
            ("VOTE__REDIS__URL", "redis://u:hunter2@h"),
            ("VOTE__REDIS__PASSWORD", "hunter2"),
        ],
        [
            ("VOTE__REDIS__URL", "redis://u:hunter2@"),
            ("VOTE__LOG__LEVEL", "info"),
        ],
        [
            ("VOTE__RECEIPTS__KEY", "hunter2"),
            ("VOTE__LOG__LEVEL", "info"),
        ],
        [
            ("VOTE__ACCESS__PRODUCTION_TOKEN", token),
            ("VOTE__ACCESS__BROADCAST_TOKEN", token),
        ],
    ] {
        let error = refused(&env);
        assert!(
            !error.contains("hunter2") && error.contains("[secret]"),
            "{error}"
        );
    }
    let sentinels = "redis+sentinel://s1,s2/vote";
    let useless = refused(&[("VOTE__REDIS__SENTINEL_PASSWORD", "hunter2")]);
    assert!(
        useless.contains("redis.sentinel_password") && !useless.contains("hunter2"),
        "{useless}"
    );
    let half = refused(&[
        ("VOTE__REDIS__URL", sentinels),
        ("VOTE__REDIS__SENTINEL_USERNAME", "me"),
    ]);
    assert!(half.contains("redis.sentinel_password_file"), "{half}");
    let secret = file(&folder, "sentinel", "hunter2\n");
    let settings = load(
        None,
        &[
            ("VOTE__REDIS__URL", sentinels),
            ("VOTE__REDIS__SENTINEL_USERNAME", "me"),
            (
                "VOTE__REDIS__SENTINEL_PASSWORD_FILE",
                secret.to_str().expect("a path"),
            ),
        ],
    )
    .expect("right");
    let password = settings.redis.sentinel_password.as_ref();
    assert_eq!(password.map(|secret| secret.expose()), Some("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    let number = file(&folder, "number.yaml", "redis:\n  password: 123456\n");
    let error = load(Some(&number), &[]).expect_err("refused");
    assert!(
        error.contains("redis.password") && !error.contains("123456"),
        "{error}"
    );
}
