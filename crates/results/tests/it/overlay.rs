//! The overlay's page, its assets and themes. How the page behaves is checked in a browser: `make overlay-check`.

use std::io::Read as _;
use std::sync::Arc;

use reqwest::Method;
use vote_domain::ManualClock;
use vote_http::launch;
use vote_results::Results;
use vote_runtime::{ServiceName, Settings};
use vote_testkit::RedisServer;

use crate::support::{Answer, App, problem, voting};

async fn app(over: &[(&str, &str)]) -> (RedisServer, App) {
    let redis = RedisServer::start().await;
    let app = App::start_with(&redis.url(), over).await;
    (redis, app)
}

/// The address of an asset, as the page names it.
fn asset(page: &Answer, name: &str) -> String {
    let text = String::from_utf8(page.body.clone()).expect("UTF-8");
    let links = text.split('"').filter(|part| part.ends_with(name));
    let links: Vec<&str> = links.collect();
    assert_eq!(links.len(), 1, "{text}");
    format!("/overlay/{}", links[0])
}

#[tokio::test]
async fn the_page_is_there_before_its_poll_and_has_what_it_names() {
    let (_redis, app) = app(&[]).await;
    let page = app
        .get("/overlay/not-yet-applied?token=x&layout=bars")
        .await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for (name, media_type) in [
        ("early.js", "text/javascript; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("graphic.css", "text/css; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
    ] {
        let file = app.get(&asset(&page, name)).await;
        assert_eq!(file.status, 200, "{name}");
        assert_eq!(file.header("content-type"), media_type, "{name}");
        assert_eq!(
            file.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
    }
    // A page that CasparCG keeps asks for no more than it needs.
    let known = page.header("etag").to_owned();
    let again = app
        .get_with("/overlay/paredao-01", &[("if-none-match", &known)])
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test]
async fn every_answer_keeps_scripts_out_and_the_address_in() {
    let themes = tempfile::tempdir().expect("a folder");
    std::fs::write(themes.path().join("logo.svg"), "<svg/>").expect("written");
    let folder = themes.path().to_str().expect("UTF-8");
    let (_redis, app) = app(&[("VOTE__OVERLAY__THEMES_DIR", folder)]).await;
    let page = app.get("/overlay/paredao-01?token=secret").await;
    let script = asset(&page, "page.js");
    for path in ["/overlay/paredao-01", &script, "/overlay/themes/logo.svg"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let head = app.ask(Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn assets_are_compressed_and_decode_to_themselves() {
    let (_redis, app) = app(&[]).await;
    let page = app.get("/overlay/paredao-01").await;
    let path = asset(&page, "graphic.css");
    let plain = app.get(&path).await;
    let gzip = app.get_with(&path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..])
        .read_to_end(&mut decoded)
        .expect("gzip");
    assert_eq!(decoded, plain.body);
    assert_ne!(gzip.header("etag"), plain.header("etag"));
}

#[tokio::test]
async fn what_is_no_page_no_asset_and_no_theme_is_a_problem() {
    let (_redis, app) = app(&[]).await;
    let page = app.get("/overlay/paredao-01").await;
    let script = asset(&page, "page.js");
    for path in [
        "/overlay/".to_owned(),
        "/overlay".to_owned(),
        "/overlay/assets/0000000000000000/page.js".to_owned(),
        script.replace("page.js", "ograf.js"),
        script.replace("page.js", "..%2findex.html"),
        "/overlay/themes/season.json".to_owned(),
        "/overlay/themes/..%2f..%2fetc%2fpasswd".to_owned(),
    ] {
        assert_eq!(
            app.get(&path).await.problem(),
            problem(404, "not-found"),
            "{path}"
        );
    }
    for id in ["PAREDAO", "-x", "..%2fx", "%ff", "%00"] {
        let answer = app.get(&format!("/overlay/{id}")).await;
        assert_eq!(answer.problem(), problem(400, "malformed-poll-id"), "{id}");
    }
}

#[tokio::test]
async fn a_folder_of_themes_that_is_not_there_is_said_at_the_start() {
    let set = [
        ("VOTE__HTTP__BIND", "127.0.0.1:0"),
        ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
        ("VOTE__OVERLAY__THEMES_DIR", "/nonexistent/themes"),
    ];
    let env = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(ServiceName::Results, None, env.into_iter()).expect("settings");
    let clock = Arc::new(ManualClock::new(voting()));
    let refused = launch::<Results>(settings, clock, None).await.err();
    let said = refused.expect("it does not start").to_string();
    assert!(
        said.contains("overlay.themes_dir: /nonexistent/themes: "),
        "{said}"
    );
}
