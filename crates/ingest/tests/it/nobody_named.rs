//! After a run Redis, the log, the traces and the metrics name nobody: neither who has voted, nor from where, nor with which key.

use std::path::Path;

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use vote_domain::{PollDefinition, Transition};
use vote_testkit::OtlpReceiver;

use crate::app::{POLL, Show, ago, definition, now};
use crate::gateways::{FILE, File, NDJSON, entry};
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

/// The channel that asks for a token and a proof, with one vote a voter, and from where it is voted through.
const BOTH: &str = "ambos";
const OTHER_ADDRESS: &str = "192.0.2.91";
/// So many votes and challenges of one voter are allowed.
const VOTER_BURST: usize = 12;

/// The gateway's token, and what it tells its own votes by.
const GATEWAY: &str = "the-token-of-the-gateway";
const OF_GATEWAY: &str = "the-number-of-that-message";

/// The poll of the tests with that channel, and one of gateways.
async fn show() -> Show {
    let mut file = serde_json::to_value(definition(ago(60), ago(-3_600))).expect("JSON");
    let channels = file["channels"].as_array_mut().expect("a list");
    channels.push(json!({
        "id": BOTH, "weight": 1, "eligibility": "voter_and_proof_of_work", "votes_per_voter": 1, "proof_cost": 1_000
    }));
    channels
        .push(json!({ "id": "sms", "weight": 1, "eligibility": "gateway", "votes_per_voter": 1 }));
    let definition = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    Show::with(definition, Some(Transition::Open)).await
}

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
    gateways: &File,
    receiver: &OtlpReceiver,
) -> Process {
    let (endpoint, gateways) = (receiver.endpoint(), gateways.path());
    let voter_burst = format!("{VOTER_BURST}/1h");
    let mut settings = identity.settings();
    settings.extend_from_slice(&[
        ("VOTE__LOG__LEVEL", "trace"),
        ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for"),
        ("VOTE__LIMITS__ADDRESS_BURST", "16/1h"),
        ("VOTE__LIMITS__VOTER_BURST", &voter_burst),
        ("VOTE__SUSPICION__THRESHOLD", "100"),
        ("VOTE__SUSPICION__CLIENT_FIELDS_POINTS", "100"),
        ("VOTE__JUDGE__URL", &judge.url),
        ("VOTE__JUDGE__SECRET", SECRET),
        ("VOTE__JUDGE__TIME_LIMIT_MS", "10000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        (FILE, &gateways),
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

/// A vote through the channel that asks for both, or a challenge for one, and its status and answer.
async fn of_both(request: RequestBuilder, token: &str, key: &str) -> (u16, String) {
    let request = request
        .bearer_auth(token)
        .header("idempotency-key", key)
        .header("x-request-id", REQUEST_ID)
        .header("x-forwarded-for", OTHER_ADDRESS);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("text"))
}

/// Votes by a token and a proof: well, again, by another voter, once too often, and until no challenge is given any more. Gives
/// how many votes that were.
async fn votes_of_both(process: &Process, client: &Client, identity: &Identity) -> usize {
    let token = identity.token(SUBJECT);
    let url = format!("{}/v1/polls/{POLL}/challenge?channel={BOTH}", process.url);
    let challenge = async |key: &str| of_both(client.get(&url), &token, key).await;
    let vote = async |token: &str, key: &str, proof: &str| {
        let ballot = json!({
            "candidate": "ana", "channel": BOTH, "proof": proof, "judge_response": RESPONSE
        });
        of_both(client.post(process.votes()).json(&ballot), token, key)
            .await
            .0
    };
    let mut votes = 0;
    for (key, expected) in [("1", [201, 200, 422]), ("2", [403, 403, 422])] {
        let key = format!("{KEY}-{key}");
        let (status, asked) = challenge(&key).await;
        assert_eq!(status, 200, "{asked}");
        let solved = tokio::task::spawn_blocking(move || vote_proof::solve(asked.as_bytes()));
        let proof = solved.await.expect("not cancelled").expect("solved");
        let other = identity.token("somebody-else");
        let told = [
            vote(&token, &key, &proof).await,
            vote(&token, &key, &proof).await,
            vote(&other, &key, &proof).await,
        ];
        assert_eq!(told, expected);
        votes += told.len();
    }
    let mut challenges = 0;
    while challenge(KEY).await.0 != 429 {
        challenges += 1;
        assert!(challenges < VOTER_BURST);
    }
    votes
}

/// A gateway votes for the voter: well, again, once too often, and by lines that can't be read. Gives what it was told.
async fn votes_of_a_gateway(process: &Process, client: &Client) -> String {
    let line = |key: &str, channel: &str| {
        let key = format!("{OF_GATEWAY}-{key}");
        json!({ "key": key, "channel": channel, "candidate": "ana", "voter": SUBJECT }).to_string()
    };
    let lines = [
        line("1", "sms"),
        line("1", "sms"),
        line("2", "sms"),
        line("3", "unico"),
        line("4", "none"),
        line("5", "sms").replace("\"voter\"", "\"elector\""),
        line("6", "sms") + SUBJECT,
        line("7", "sms").replace(OF_GATEWAY, &format!("{OF_GATEWAY} {SUBJECT}")),
        SUBJECT.to_owned(),
    ];
    let batch = client
        .post(process.votes() + "/batch")
        .bearer_auth(GATEWAY)
        .header("content-type", NDJSON)
        .header("x-request-id", REQUEST_ID)
        .header("x-forwarded-for", OTHER_ADDRESS)
        .body(lines.join("\n"));
    let answer = batch.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.text().await.expect("text")
}

#[tokio::test]
async fn nobody_is_named_in_redis_logs_traces_or_metrics() {
    let (mut show, identity) = (show().await, Identity::new());
    let gateways = File::of(&entry("sms", GATEWAY, "channels = [\"sms\"]"));
    let receiver = OtlpReceiver::start().await;
    let judge = Stub::start().await;
    let mut process = process(&show, &identity, &judge, &gateways, &receiver).await;
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
    let votes_of_both = votes_of_both(&process, &client, &identity).await;
    let told = votes_of_a_gateway(&process, &client).await;
    for word in [
        "\"accepted\"",
        "\"already_accepted\"",
        "\"vote-limit-reached\"",
        "\"channel-not-allowed\"",
        "\"unknown-channel\"",
        "\"malformed-body\"",
        "\"invalid-idempotency-key\"",
    ] {
        assert!(told.contains(word), "{word}: {told}");
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
    assert!(requests.count() > statuses.len() + votes_of_both);
    assert!(spans.iter().any(|span| span.name().contains("batch")));

    // Neither who it is nor the token, from whose second part anybody can read it.
    let addresses = [ADDRESSES[0], ADDRESSES[1], OTHER_ADDRESS];
    tokens.extend(addresses.map(str::to_owned));
    tokens.extend([SUBJECT, REQUEST_ID, KEY, RESPONSE, SECRET].map(str::to_owned));
    tokens.extend([GATEWAY, OF_GATEWAY].map(str::to_owned));
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
