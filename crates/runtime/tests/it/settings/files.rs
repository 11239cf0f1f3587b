//! Files of settings, and of secrets.

use tempfile::TempDir;

use super::{file, load, refused};

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
            ("VOTE__REDIS__URL", "redis://[hunter2"),
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
    let misplaced = [("VOTE__REDIS__URL", "redis+sentinel://s1/hunter2")];
    let settings = load(None, &misplaced).expect("a name");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let origin = "https://u:hunter2@a.example";
    let error = refused(&[("VOTE__HTTP__CORS_ALLOWED_ORIGINS", origin)]);
    assert!(
        error.contains("no user or password") && !error.contains("hunter2"),
        "{error}"
    );
    let number = file(&folder, "number.yaml", "redis:\n  password: 123456\n");
    let error = load(Some(&number), &[]).expect_err("refused");
    assert!(
        error.contains("redis.password") && !error.contains("123456"),
        "{error}"
    );
}

#[test]
fn address_and_user_of_redis_come_from_files_and_only_from_them() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str, text: &str| {
        let path = file(&folder, name, text);
        path.to_str().expect("a path").to_owned()
    };
    let (url, name) = ("VOTE__REDIS__URL_FILE", "VOTE__REDIS__USERNAME_FILE");
    let good = path("url", "\u{feff}redis+sentinel://u:hunter2@s1,s2/vote\r\n");
    let user = path("name", "ingest-v7\n");
    let settings = load(None, &[(url, &good), (name, &user)]).expect("right");
    assert_eq!(settings.redis.username.as_deref(), Some("ingest-v7"));
    let shown = settings.redis.url.to_string();
    assert!(
        shown.starts_with("redis+sentinel://[secret]@s1,s2"),
        "{shown}"
    );
    assert!(!format!("{settings:?}").contains("hunter2"));

    for (text, says) in [
        ("\n", "is empty"),
        ("hunter2://h", "its scheme is none"),
        (
            "redis://u:hunter2@h/a?b=c",
            "what the file holds is refused",
        ),
    ] {
        let wrong = path("wrong", text);
        let error = refused(&[(url, &wrong)]);
        let named = format!("redis.url_file ({url}) is \"{wrong}\" in the environment");
        assert!(error.contains(&named) && error.contains(says), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let missing = refused(&[(name, "/nowhere/at/all")]);
    assert!(missing.contains("can't be read"), "{missing}");
    let long = path("long", &"x".repeat(257));
    let error = refused(&[(name, &long)]);
    assert!(error.contains("at most 256 characters"), "{error}");
    // Another check of the address names the file as well.
    let error = refused(&[(url, &good), ("VOTE__REDIS__PASSWORD", "hunter3")]);
    assert!(
        error.contains("redis.url_file") && !error.contains("hunter"),
        "{error}"
    );
    for (both, value) in [
        (
            [(url, good.as_str()), ("VOTE__REDIS__URL", "redis://h")],
            "redis.url",
        ),
        (
            [(name, user.as_str()), ("VOTE__REDIS__USERNAME", "me")],
            "redis.username",
        ),
    ] {
        let error = refused(&both);
        let says = format!("{value} is set too: set one of both");
        assert!(error.contains(&says), "{error}");
    }
}
