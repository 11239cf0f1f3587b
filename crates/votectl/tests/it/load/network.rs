//! The way of `votectl load` to the service: proxies, and authorities of one's own.

use super::{ingest, redis_with_poll, report};
use crate::support::{PATIENCE, json, run, tls_in_front_of, votectl};
use serde_json::Value;
use vote_testkit::{Certificates, ChildProcessBuilder, Exit, HttpProxy, RedisServer, free_port};

const PASSWORD: &str = "s3cret";
/// What a proxy is told of `ana:s3cret`.
const AUTHORIZATION: &str = "Basic YW5hOnMzY3JldA==";

/// A load of 50 votes, each sent once; its options are to follow.
fn load(server: &RedisServer, url: &str) -> ChildProcessBuilder {
    votectl()
        .args(["--redis", &server.url(), "load", "--output", "json"])
        .args(["--poll", "paredao-01", "--votes", "50", "--attempts", "1"])
        .args(["--connections", "4", "--url", url])
}

async fn ended(load: ChildProcessBuilder) -> Exit {
    let exit = load.spawn().wait(PATIENCE).await;
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(!said.contains(PASSWORD), "{said}");
    exit
}

fn proxy_url(proxy: &HttpProxy) -> String {
    format!("http://ana:{PASSWORD}@127.0.0.1:{}", proxy.port())
}

fn error_of(exit: &Exit) -> String {
    let found = report(exit);
    assert_eq!(
        (exit.code(), &found["sent"], &found["no_connection"]),
        (Some(3), &0.into(), &50.into()),
        "{found}"
    );
    found["errors"][0]["error"].to_string()
}

fn assert_all_counted(exit: &Exit) {
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let found: Value = report(exit);
    assert_eq!(
        (&found["accepted"], &found["attempts"]),
        (&50.into(), &50.into())
    );
    assert_eq!(found["reconciliation"]["finding"], "reconciled");
}

#[tokio::test]
async fn votes_go_through_the_proxy_of_the_option_or_of_the_environment_with_its_user() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let url = format!("http://{address}");
    let proxy = HttpProxy::asking_for(AUTHORIZATION).await;
    let named = proxy_url(&proxy);
    let exit = ended(load(&server, &url).args(["--proxy", &named])).await;
    assert_all_counted(&exit);
    let shown = format!("through the proxy http://127.0.0.1:{}", proxy.port());
    assert!(exit.stderr().contains(&shown), "{}", exit.stderr());
    let line = format!("POST http://{address}/v1/polls/paredao-01/votes HTTP/1.1");
    assert_eq!(proxy.seen(), vec![line.clone(); 50]);

    assert_all_counted(&ended(load(&server, &url).env("http_proxy", &named)).await);
    assert_eq!(proxy.seen().len(), 100);
    // None of these is for this target.
    for direct in [
        load(&server, &url).env("HTTP_PROXY", &named),
        load(&server, &url).env("HTTPS_PROXY", &named),
        load(&server, &url)
            .env("http_proxy", &named)
            .env("NO_PROXY", "127.0.0.0/8"),
        load(&server, &url)
            .env("http_proxy", &named)
            .args(["--proxy", ""]),
    ] {
        assert_all_counted(&ended(direct).await);
    }
    let excepted = load(&server, &url)
        .args(["--proxy", &named])
        .env("NO_PROXY", "127.0.0.0/8");
    let exit = ended(excepted).await;
    assert_all_counted(&exit);
    let said = exit.stderr();
    assert!(
        said.contains("directly, without --proxy, since NO_PROXY excepts the host"),
        "{said}"
    );
    assert_eq!(proxy.seen().len(), 100);
}

#[tokio::test]
async fn votes_go_by_tls_through_a_tunnel_to_a_service_of_an_authority_in_a_file() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let certificates = Certificates::generate();
    let url = tls_in_front_of(address, &certificates).await;
    let proxy = HttpProxy::asking_for(AUTHORIZATION).await;
    let (trusted, stranger) = (certificates.authority(), Certificates::generate());
    let trusted = trusted.display().to_string();
    let exit = ended(
        load(&server, &url)
            .env("HTTPS_PROXY", proxy_url(&proxy))
            .env("SSL_CERT_FILE", stranger.authority())
            .env_remove("SSL_CERT_DIR")
            .args(["--ca-file", &trusted]),
    )
    .await;
    assert_all_counted(&exit);
    let seen = proxy.seen();
    assert!(!seen.is_empty() && seen.len() <= 4, "{seen:?}");
    let line = format!("CONNECT {} HTTP/1.1", url.trim_start_matches("https://"));
    assert!(seen.iter().all(|seen| *seen == line), "{seen:?}");

    // The file is trusted beside the machine's authorities, and no other is.
    let exit = ended(
        load(&server, &url)
            .env("SSL_CERT_FILE", &trusted)
            .env_remove("SSL_CERT_DIR")
            .args(["--ca-file", &stranger.authority().display().to_string()]),
    )
    .await;
    assert_all_counted(&exit);
    let other = stranger.authority().display().to_string();
    let exit = ended(load(&server, &url).args(["--ca-file", &other])).await;
    let error = error_of(&exit);
    assert!(error.contains("invalid peer certificate"), "{error}");
    assert_eq!(json(&server, "audit paredao-01").await["total"], 100);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_said() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let proxy = HttpProxy::asking_for(AUTHORIZATION).await;
    let wrong = format!("http://ana:{PASSWORD}-@127.0.0.1:{}", proxy.port());
    let closed = format!("https://127.0.0.1:{}", free_port());
    let nowhere = format!("http://ana:{PASSWORD}@127.0.0.1:{}", free_port());
    let plain = format!("http://{address}");
    for (url, proxy, says) in [
        (&closed, &wrong, "the proxy answers 407"),
        (&closed, &proxy_url(&proxy), "the proxy answers 502"),
        (&closed, &nowhere, "the proxy can't be reached"),
        (&plain, &nowhere, "the proxy can't be reached"),
    ] {
        let exit = ended(load(&server, url).args(["--proxy", proxy])).await;
        let error = error_of(&exit);
        assert!(error.contains(&format!("no connection: {says}")), "{error}");
    }
    // Where the proxy itself reads the votes, it refuses each.
    let exit = ended(load(&server, &plain).args(["--proxy", &wrong])).await;
    let found = report(&exit);
    assert_eq!(
        (exit.code(), &found["refused"], &found["errors"][0]["error"]),
        (Some(1), &50.into(), &"407 of the proxy".into()),
        "{found}"
    );
}

#[tokio::test]
async fn an_address_that_is_no_proxy_and_a_file_without_a_certificate_are_wrong_input() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let certificates = Certificates::generate();
    let (plain, tls) = (format!("http://{address}"), format!("https://{address}"));
    let socks = format!("socks5://ana:{PASSWORD}@127.0.0.1:1080");
    let key = certificates.server_key().display().to_string();
    for (load, says) in [
        (
            load(&server, &plain).args(["--proxy", &socks]),
            "--proxy: it is no [http://]",
        ),
        (
            load(&server, &tls).env("ALL_PROXY", &socks),
            "ALL_PROXY: it is no [http://]",
        ),
        (
            load(&server, &tls).args(["--ca-file", &key]),
            "no certificate (PEM) is in it",
        ),
        (
            load(&server, &plain).args(["--ca-file", "/nowhere/ca.pem"]),
            "--ca-file: can't use /nowhere/ca.pem",
        ),
    ] {
        let exit = ended(load).await;
        assert_eq!(exit.code(), Some(2), "{}", exit.stderr());
        assert!(exit.stderr().contains(says), "{says}: {}", exit.stderr());
    }
}

#[tokio::test]
async fn votes_go_by_tls_to_a_service_that_is_trusted_and_to_no_other() {
    let server = RedisServer::start().await;
    let (_service, address) = ingest(&server).await;
    let certificates = Certificates::generate();
    let url = tls_in_front_of(address, &certificates).await;
    let load = |trusted: &Certificates| {
        votectl()
            .env("SSL_CERT_FILE", trusted.authority())
            .env_remove("SSL_CERT_DIR")
            .args(["--redis", &server.url(), "load", "--output", "json"])
            .args(["--poll", "paredao-01"])
            .args(["--url", &url, "--votes", "50", "--attempts", "1"])
            .spawn()
    };
    let exit = load(&certificates).wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let found = report(&exit);
    assert_eq!(
        (&found["accepted"], &found["attempts"]),
        (&50.into(), &50.into())
    );
    assert_eq!(found["reconciliation"]["finding"], "reconciled");

    let exit = load(&Certificates::generate()).wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(3), "{}", exit.stderr());
    let found = report(&exit);
    assert_eq!(
        (&found["sent"], &found["no_connection"]),
        (&0.into(), &50.into())
    );
    let error = found["errors"][0]["error"].to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn votes_without_a_connection_are_not_refused_and_a_run_of_only_those_is_broken() {
    let server = redis_with_poll().await;
    let line = format!(
        "load --poll paredao-01 --url http://127.0.0.1:{} --votes 10 --attempts 2",
        free_port()
    );
    let exit = run(&server, &format!("{line} --output json")).await;
    let report = report(&exit);
    assert_eq!(exit.code(), Some(3), "{exit:?}");
    for (figure, count) in [("no_connection", 10), ("sent", 0), ("refused", 0)] {
        assert_eq!(report[figure], count, "{figure}: {report}");
    }
    assert_eq!(report["stopped"], false, "{report}");
    let exit = run(&server, &line).await;
    assert!(exit.stderr().contains("got a connection"), "{exit:?}");
    assert!(!exit.stdout().contains("to the vote"), "{exit:?}");
}
