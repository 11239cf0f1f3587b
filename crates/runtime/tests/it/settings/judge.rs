//! The judge: an address to which its secret may be sent, and never without one.

use tempfile::TempDir;
use vote_runtime::settings::OnSilence;

use super::{file, load, refused};

const SECRET: (&str, &str) = ("VOTE__JUDGE__SECRET", "hunter2");

#[test]
fn there_is_no_judge_unless_one_is_named_and_silence_counts_nothing_unless_it_is_to() {
    let judge = load(None, &[]).expect("defaults").judge;
    assert!(judge.url.is_none() && judge.secret.is_none());
    assert_eq!(judge.on_silence, OnSilence::Quarantine);
    let accepting = load(None, &[("VOTE__JUDGE__ON_SILENCE", "accept")]).expect("right");
    assert_eq!(accepting.judge.on_silence, OnSilence::Accept);
    let error = refused(&[("VOTE__JUDGE__ON_SILENCE", "shrug")]);
    assert!(error.contains("takes one of quarantine, accept"), "{error}");
}

#[test]
fn the_secret_is_sent_in_plain_text_to_this_machine_alone() {
    for url in [
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        "https://judge.example:8443",
        "http://127.0.0.1:8085/siteverify",
        "http://localhost/siteverify",
        "http://[::1]:8085/siteverify",
    ] {
        assert!(
            load(None, &[("VOTE__JUDGE__URL", url), SECRET]).is_ok(),
            "{url}"
        );
    }
    for (url, says) in [
        ("http://judge.example/siteverify", "use https"),
        ("http://127.0.0.1.example/siteverify", "use https"),
        ("http://192.168.1.2/siteverify", "use https"),
        (
            "https://judge.example/siteverify?secret=hunter2",
            "without user, password and query",
        ),
        (
            "https://user:hunter2@judge.example/",
            "without user, password and query",
        ),
        ("ftp://judge.example/", "takes http or https address"),
        ("judge.example", "takes http or https address"),
    ] {
        let error = refused(&[("VOTE__JUDGE__URL", url), SECRET]);
        assert!(
            error.contains("judge.url") && error.contains(says),
            "{url}: {error}"
        );
    }
}

#[test]
fn its_secret_comes_from_a_file_too_and_is_shown_nowhere() {
    let url = ("VOTE__JUDGE__URL", "https://judge.example/siteverify");
    let error = refused(&[url]);
    assert!(
        error.contains("judge.secret") && error.contains("judge.secret_file"),
        "{error}"
    );
    let folder = TempDir::new().expect("a folder");
    let path = file(&folder, "secret", "hunter2\n");
    let path = path.to_str().expect("text");
    let settings = load(None, &[url, ("VOTE__JUDGE__SECRET_FILE", path)]).expect("right");
    let secret = settings.judge.secret.as_ref().expect("it was read");
    assert_eq!(secret.expose(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let both = refused(&[url, SECRET, ("VOTE__JUDGE__SECRET_FILE", path)]);
    assert!(
        both.contains("set one of both") && !both.contains("hunter2"),
        "{both}"
    );
}

#[test]
fn a_vote_waits_for_it_no_longer_than_its_repeat_is_found() {
    let url = ("VOTE__JUDGE__URL", "https://judge.example/siteverify");
    let limit = ("VOTE__JUDGE__TIME_LIMIT_MS", "3000");
    // 2 s of commit.accept_timeout_ms, and 3 of this.
    let window = |seconds| ("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", seconds);
    let replay = ("VOTE__COMMIT__REPLAY_WINDOW_S", "1");
    assert!(load(None, &[url, SECRET, limit, replay, window("20")]).is_ok());
    let error = refused(&[url, SECRET, limit, replay, window("19")]);
    assert!(error.contains("judge.time_limit_ms"), "{error}");
    assert!(
        load(None, &[limit, replay, window("19")]).is_ok(),
        "nobody is asked"
    );
}
