//! After a run Redis, the log, the traces and the metrics name nobody: neither who has voted, nor from where, nor with which key.

use std::path::Path;

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use vote_testkit::OtlpReceiver;

use crate::app::{Show, now};
use crate::judge_stub::Stub;
use crate::process::Process;
use crate::voters::Identity;

/// Nobody else is called so, wherever it is looked for.
const SUBJECT: &str = "529.982.247-25";
/// Whence the voter comes, as the proxy in front says.
const ADDRESSES: [&str; 2] = ["198.51.100.77", "2001:db8:77:88:99:aa:bb:cc"];
const KEY: &str = "the-key-of-this-voter";
/// The same number without its marks, as a careless page might send it.
const REQUEST_ID: &str = "52998224725";
/// What a judge has given the voter, and the service.
const RESPONSE: &str = "0xTheResponseOfThisVoter";
const SECRET: &str = "0xTheSecretOfThisSite";

/// Channels for which something is looked at, or refused, at each stage: of nobody, of a voter, with a proof, and none.
const CHANNELS: [&str; 4] = ["torcida", "unico", "prova", "none"];

/// All that Redis has written down, whole.
pub(crate) fn written(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        if entry.path().is_dir() {
            bytes.extend(written(&entry.path()));
        } else {
            bytes.extend(std::fs::read(entry.path()).expect("a file"));
        }
    }
    bytes
}

fn has(bytes: &[u8], text: &str) -> bool {
    let mut windows = bytes.windows(text.len());
    windows.any(|part| part == text.as_bytes())
}

/// A service behind a proxy, with all limits, that asks a judge of everybody without a `User-Agent`, and logs and traces all that it can.
async fn process(
    show: &Show,
    identity: &Identity,
    judge: &Stub,
    receiver: &OtlpReceiver,
) -> Process {
    let endpoint = receiver.endpoint();
    let mut settings = identity.settings();
    settings.extend_from_slice(&[
        ("VOTE__LOG__LEVEL", "trace"),
        ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for"),
        ("VOTE__LIMITS__ADDRESS_BURST", "16/1h"),
        ("VOTE__LIMITS__VOTER_BURST", "3/1h"),
        ("VOTE__SUSPICION__THRESHOLD", "100"),
        ("VOTE__SUSPICION__CLIENT_FIELDS_POINTS", "100"),
        ("VOTE__JUDGE__URL", &judge.url),
        ("VOTE__JUDGE__SECRET", SECRET),
        ("VOTE__JUDGE__TIME_LIMIT_MS", "10000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
    ]);
    Process::start(&show.redis.url(), &settings).await
}

/// A vote with all that a client may say of itself.
fn vote(process: &Process, client: &Client, channel: &str, token: &str) -> RequestBuilder {
    let vote = client.post(process.votes());
    let ballot = json!({ "candidate": "ana", "channel": channel, "judge_response": RESPONSE });
    vote.json(&ballot)
        .bearer_auth(token)
        .header("idempotency-key", KEY)
        .header("x-request-id", REQUEST_ID)
}

#[tokio::test]
async fn nobody_is_named_in_redis_logs_traces_or_metrics() {
    let (mut show, identity) = (Show::open().await, Identity::new());
    let receiver = OtlpReceiver::start().await;
    let judge = Stub::start().await;
    let mut process = process(&show, &identity, &judge, &receiver).await;
    let client = Client::new();
    let expired = identity.token_with("exp", json!(now().as_second() - 600));
    let mut tokens = vec![
        identity.token(SUBJECT),
        identity.token_with("sub", json!(SUBJECT)),
        identity.forged(SUBJECT),
        expired,
    ];
    let mut statuses = Vec::new();
    for address in ADDRESSES {
        for channel in CHANNELS {
            for token in &tokens {
                let vote = vote(&process, &client, channel, token);
                let vote = vote.header("x-forwarded-for", address);
                let answer = vote.send().await.expect("an answer");
                statuses.push(answer.status().as_u16());
            }
        }
        // A form names its key in its body.
        let form = client.post(process.url.clone() + "/polls/paredao-01/votes");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let form = form.header("x-forwarded-for", address);
        let form = form.body(format!("candidate=ana&channel=torcida&key={KEY}"));
        statuses.push(form.send().await.expect("an answer").status().as_u16());
    }
    for status in [201, 200, 401, 403, 422, 429] {
        assert!(statuses.contains(&status), "{status}: {statuses:?}");
    }
    // The judge knows from where, for it is asked.
    let asked = judge.asked();
    assert_eq!(asked[0].form["remoteip"], ADDRESSES[0]);
    assert_eq!(asked[0].form["response"], RESPONSE);
    let metrics = process.metrics().await;
    let redis = written(show.redis.dir());
    // What fails here is traced, and lanes say what is wrong.
    show.redis.kill9();
    let failed = vote(&process, &client, "torcida", &tokens[0]).send().await;
    let failed = failed.expect("an answer");
    assert!(failed.status().is_server_error(), "{failed:?}");
    let id = failed.headers()["x-request-id"].to_str().expect("text");
    let exit = process.child.stop(crate::app::DEADLINE).await;
    let logs = exit.stdout() + &exit.stderr();
    let spans = receiver.spans();
    let traces = format!("{spans:?}");
    assert!(has(&redis, "vote:voters:paredao-01") && logs.contains("listening"));
    // What is known of it is found by what its client was told.
    assert!(traces.contains(id), "{id}");
    let requests = spans.iter().filter(|span| span.name().starts_with("POST"));
    assert!(requests.count() >= statuses.len());

    // Neither who it is nor the token, from whose second part anybody can read it.
    let addresses = [ADDRESSES[0], ADDRESSES[1]];
    tokens.extend(addresses.map(str::to_owned));
    tokens.extend([SUBJECT, REQUEST_ID, KEY, RESPONSE, SECRET].map(str::to_owned));
    for text in &tokens {
        let parts: Vec<&str> = text.split('.').collect();
        let part = match parts[..] {
            [_, claims, _] if claims.len() > 20 => claims,
            _ => text,
        };
        assert!(!has(&redis, part), "Redis has {part}");
        for (place, found) in [
            ("the log", &logs),
            ("a trace", &traces),
            ("a metric", &metrics),
        ] {
            assert!(!found.contains(part), "{place} has {part}");
        }
    }
}
