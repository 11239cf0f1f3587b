//! Values that are wrong, and names that are unknown.

use tempfile::TempDir;
use vote_runtime::settings::{Kind, reference};

use super::{file, load, refused};

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
            if setting.name == "suspicion.threshold" {
                env.push(("VOTE__SUSPICION__DENY_LIST_POINTS", "1000".to_owned()));
            }
            if setting.name == "proof.lifetime_s" {
                env.push(("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", "86400".to_owned()));
            }
            if ["commit.replay_window_s", "commit.accept_timeout_ms"].contains(&&*setting.name) {
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
fn a_threshold_that_no_vote_can_reach_is_refused() {
    for (threshold, is_reached) in [("400", true), ("401", false)] {
        let env = [("VOTE__SUSPICION__THRESHOLD", threshold)];
        match load(None, &env) {
            Ok(settings) => assert!(is_reached, "{settings:?}"),
            Err(error) => assert!(
                !is_reached && error.contains("is more than the points of all signals"),
                "{error}"
            ),
        }
    }
}

#[test]
fn a_proof_is_taken_for_three_quarters_of_the_key_window_unless_for_less() {
    for (window, lifetime, expected) in [("120", "0", 90), ("10", "0", 7), ("120", "30", 30)] {
        let settings = load(
            None,
            &[
                ("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", window),
                ("VOTE__COMMIT__REPLAY_WINDOW_S", "5"),
                ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "1000"),
                ("VOTE__PROOF__LIFETIME_S", lifetime),
            ],
        )
        .expect("right");
        let lifetime = settings.proof.lifetime(settings.commit.idempotency_window);
        assert_eq!(lifetime.as_secs(), expected);
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
        ("VOTE__LIMITS__ADDRESS_BURST", "20", "\"20\" is no limit"),
        (
            "VOTE__LIMITS__ADDRESS_BURST",
            "0/10s",
            "takes votes in a time, such as 60/10s, 600/1h",
        ),
        (
            "VOTE__LIMITS__PREFIX_SUSTAINED",
            "1/25h",
            "takes votes in a time",
        ),
        (
            "VOTE__LIMITS__VOTER_BURST",
            "5 a second",
            "takes votes in a time, such as 5/10s, 100/1h",
        ),
        ("VOTE__HTTP__TRUSTED_PROXIES", "proxy", "is no prefix"),
        (
            "VOTE__HTTP__TRUSTED_PROXIES",
            "10.0.0.1/8",
            "10.0.0.0/8 was meant",
        ),
        (
            "VOTE__HTTP__TRUSTED_PROXIES",
            "10.0.0.1, 0.0.0.0/0",
            "everybody would be trusted",
        ),
        (
            "VOTE__HTTP__CLIENT_ADDRESS",
            "x-forwarded-for",
            "takes one of connection, forwarded, x_forwarded_for",
        ),
        (
            "VOTE__HTTP__CLIENT_ADDRESS",
            "forwarded",
            "is of no use without http.trusted_proxies",
        ),
        (
            "VOTE__HTTP__PROXY_PROTOCOL",
            "true",
            "is of no use without http.trusted_proxies",
        ),
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
            "VOTE__HTTP__CORS_ALLOWED_ORIGINS",
            r#"["https://a.example"]"#,
            "an origin is https://host[:port], without quotes or brackets; several are separated by commas",
        ),
        (
            "VOTE__SNAPSHOT__STALE_AFTER_MS",
            "300",
            "at least twice snapshot.interval_ms: 500",
        ),
        (
            "VOTE__PROOF__LIFETIME_S",
            "91",
            "at most three quarters of commit.idempotency_window_s: 90",
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
fn keys_of_voters_come_from_one_place_and_algorithms_are_those_without_a_shared_secret() {
    const URL: &str = "VOTE__VOTERS__JWKS_URL";
    for url in ["https://id.example/keys", "http://[::1]:8080/"] {
        load(None, &[(URL, url)]).expect("an address");
    }
    for url in [
        "id.example/keys",
        "ftp://id.example/keys",
        "https://id.example/keys?x=1",
        "https://maria@id.example/keys",
    ] {
        assert!(refused(&[(URL, url)]).contains("voters.jwks_url"), "{url}");
    }
    let both = [
        (URL, "https://id.example/keys"),
        ("VOTE__VOTERS__JWKS_FILE", "/keys"),
    ];
    assert!(refused(&both).contains("keys are read from one place"));
    const ALGORITHMS: &str = "VOTE__VOTERS__ALGORITHMS";
    let one = load(None, &[(ALGORITHMS, "ES256")]).expect("right");
    assert_eq!(one.voters.algorithms, ["ES256"]);
    for algorithms in ["HS256", "EdDSA,none", "es256"] {
        let said = refused(&[(ALGORITHMS, algorithms)]);
        assert!(
            said.contains("list of EdDSA, ES256, RS256, PS256"),
            "{said}"
        );
    }
}
