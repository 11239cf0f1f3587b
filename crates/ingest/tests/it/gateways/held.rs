//! Lines that wait before their lane has them: those that are looked up first in the shard that they may be recorded in, and those of
//! a batch that has no room for them yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::stream::poll_fn;
use jiff::SignedDuration;
use parking_lot::Mutex;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vote_domain::PollDefinition;
use vote_testkit::{FaultProxy, eventually};

use super::{FILE, File, TOKEN, both, count, entry, line, numbers, send, show, words};
use crate::app::{App, DEADLINE, Show, now};
use crate::voters::Identity;

/// No answer of Redis is late.
const PATIENT: [(&str, &str); 2] = [
    ("VOTE__REDIS__RESPONSE_TIMEOUT_MS", "60000"),
    ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "25000"),
];
/// So many lines are looked up at a time.
const AT_ONCE: u64 = 64;

/// Whether it is the call that looks a vote up in the shard of its key, which it claims there.
fn is_lookup(words: &[&[u8]]) -> bool {
    words.first() == Some(&&b"EVALSHA"[..])
        && words.get(2) == Some(&&b"2"[..])
        && words.get(4).is_some_and(|key| key.ends_with(b":seen"))
}

/// Whether it is the call that records a batch.
fn is_batch(words: &[&[u8]]) -> bool {
    words.first() == Some(&&b"EVALSHA"[..]) && words.contains(&&b"live"[..])
}

/// A poll of 16 shards whose first channel counts each voter's two votes, for longer than any test lasts as if since a moment ago:
/// nearly all lines are looked up. And a process behind a proxy, and what a gateway sends to it.
struct Stage {
    show: Show,
    identity: Identity,
    file: File,
    proxy: FaultProxy,
}

impl Stage {
    async fn new() -> Self {
        let show = show(16).await;
        let poll = show.poll().await;
        let mut file = serde_json::to_value(&poll.definition).expect("JSON");
        file["channels"][0]["eligibility"] = "voter".into();
        file["channels"][0]["votes_per_voter"] = 2.into();
        let newer = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
        let soon = now() + SignedDuration::from_mins(2);
        let next = poll.redefine(newer, soon, "test").expect("tighter");
        let saved = show.operator.save(&next, poll.revision).await;
        saved.expect("saved");
        let proxy = FaultProxy::start(show.redis.port()).await;
        let subjects = "channels = [\"torcida\"]\nvoters_are_subjects = true";
        Self {
            show,
            identity: Identity::new(),
            file: File::of(&entry("sms", TOKEN, subjects)),
            proxy,
        }
    }

    /// The process behind the proxy.
    async fn app(&self) -> Arc<App> {
        let path = self.file.path();
        let app = App::start(&self.proxy.url(), &self.settings(&path)).await;
        eventually(DEADLINE, || async { app.ready().await.0.is_success() }).await;
        self.warm(&app).await;
        Arc::new(app)
    }

    /// The same, and another one with nothing in between. They remember keys for a moment.
    async fn forgetful(&self) -> (Arc<App>, App) {
        let path = self.file.path();
        let settings = self.settings(&path);
        let app = App::forgetful(&self.proxy.url(), &settings).await;
        self.warm(&app).await;
        let other = App::forgetful(&self.show.redis.url(), &settings).await;
        (Arc::new(app), other)
    }

    fn settings<'a>(&'a self, file: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut settings = self.identity.settings();
        settings.push((FILE, file));
        settings.extend(PATIENT);
        settings
    }

    /// From then on Redis knows the scripts, and has eight votes.
    async fn warm(&self, app: &App) {
        are_recorded(app, (0..8).map(|n| of_voter("warm", n)).collect()).await;
    }

    /// Lets go what the proxy holds until the batch is answered.
    async fn go_on(&self, sending: JoinHandle<Vec<Value>>) -> Vec<Value> {
        eventually(DEADLINE, || async {
            for _ in 0..AT_ONCE {
                self.proxy.go_on();
            }
            sending.is_finished()
        })
        .await;
        sending.await.expect("it is answered")
    }
}

/// A vote of a voter of its own.
fn of_voter(name: &str, n: usize) -> String {
    json!({ "key": format!("{name}-{n}"), "channel": "torcida", "candidate": "ana", "voter": format!("v-{name}-{n}") })
        .to_string()
        + "\n"
}

/// Sends a batch until all of it is recorded.
async fn are_recorded(app: &App, lines: String) {
    eventually(DEADLINE, || async {
        let answers = send(app, lines.clone()).await;
        if answers.iter().all(|answer| answer.get("code").is_none()) {
            Ok(())
        } else {
            Err(format!("{answers:?}"))
        }
    })
    .await;
}

fn sending(app: &Arc<App>, body: impl Into<Body>) -> JoinHandle<Vec<Value>> {
    let (app, body) = (Arc::clone(app), body.into());
    tokio::spawn(async move { send(&app, body).await })
}

#[tokio::test]
async fn lines_that_are_looked_up_are_so_many_at_once_and_their_answers_are_in_order() {
    let stage = Stage::new().await;
    let app = stage.app().await;
    stage.proxy.hold(is_lookup);
    let lines: String = (0..200).map(|n| of_voter("many", n)).collect();
    let batch = sending(&app, lines);
    eventually(DEADLINE, || async {
        let held = stage.proxy.counts().held;
        if held == AT_ONCE {
            Ok(())
        } else {
            Err(format!("{held} are looked up"))
        }
    })
    .await;
    let answers = stage.go_on(batch).await;
    assert_eq!(words(&answers), ["accepted"; 200]);
    assert_eq!(numbers(&answers), (1..=200).collect::<Vec<_>>());
    assert_eq!(stage.show.total().await, 208);
}

#[tokio::test]
async fn a_line_that_is_looked_up_is_cast_once_however_its_batch_comes() {
    let stage = Stage::new().await;
    let app = stage.app().await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    stage.proxy.hold(move |words| {
        counted.fetch_add(usize::from(is_lookup(words)), Ordering::SeqCst);
        is_batch(words)
    });
    let (pieces, mut to_send) = mpsc::unbounded_channel::<String>();
    let body = poll_fn(move |context| {
        let piece = to_send.poll_recv(context);
        piece.map(|piece| piece.map(Ok::<_, std::io::Error>))
    });
    let batch = sending(&app, Body::wrap_stream(body));
    let four = |from: usize| (from..from + 4).map(|n| of_voter("piece", n)).collect();
    pieces.send(four(0)).expect("it is read");
    // A vote is on its way to its shard while more of the body comes.
    eventually(DEADLINE, || async { stage.proxy.counts().held > 0 }).await;
    let before = lookups.load(Ordering::SeqCst);
    pieces.send(four(4)).expect("it is read");
    eventually(DEADLINE, || async {
        lookups.load(Ordering::SeqCst) > before
    })
    .await;
    drop(pieces);
    let answers = stage.go_on(batch).await;
    assert_eq!(words(&answers), ["accepted"; 8]);
    assert!(lookups.load(Ordering::SeqCst) <= 8, "{lookups:?}");
    assert_eq!(stage.show.total().await, 16);
}

#[tokio::test]
async fn of_two_lines_with_one_key_the_first_counts_also_where_the_second_is_found_out_sooner() {
    let stage = Stage::new().await;
    let app = stage.app().await;
    // The first question for each key waits, and its second passes.
    let keys = Arc::new(Mutex::new(BTreeMap::<Vec<u8>, usize>::new()));
    let asked = Arc::clone(&keys);
    stage.proxy.hold(move |words| {
        let key = words.get(6).filter(|_| is_lookup(words));
        key.is_some_and(|key| {
            let mut asked = asked.lock();
            let times = asked.entry(key.to_vec()).or_default();
            *times += 1;
            *times == 1
        })
    });
    let lines: String = (0..20).map(|n| of_voter("twice", n).repeat(2)).collect();
    let batch = sending(&app, lines);
    eventually(DEADLINE, || async {
        let keys = keys.lock();
        keys.len() >= 10 && keys.values().all(|times| *times == 2)
    })
    .await;
    let answers = stage.go_on(batch).await;
    assert_eq!(words(&answers), ["accepted", "already_accepted"].repeat(20));
    assert_eq!(stage.show.total().await, 28);
}

#[tokio::test]
async fn a_line_that_is_looked_up_for_so_long_that_its_key_is_forgotten_is_not_recorded() {
    let stage = Stage::new().await;
    let (app, other) = stage.forgetful().await;
    stage.proxy.hold(is_lookup);
    let lines: String = (0..20).map(|n| of_voter("late", n)).collect();
    let batch = sending(&app, lines.clone());
    eventually(DEADLINE, || async { stage.proxy.counts().held >= 10 }).await;
    // The gateway sends it again elsewhere, and then nobody knows its keys any more.
    are_recorded(&other, lines).await;
    stage.show.forgets_keys().await;
    let answers = stage.go_on(batch).await;
    assert!(count(&answers)["not-recorded"] >= 10, "{answers:?}");
    assert_eq!(stage.show.total().await, 28);
}

#[tokio::test]
async fn a_line_that_waits_for_room_for_so_long_that_its_key_is_forgotten_is_not_recorded() {
    let (show, file) = (show(1).await, File::of(&both()));
    let proxy = FaultProxy::start(show.redis.port()).await;
    let path = file.path();
    let settings = [(FILE, &*path), PATIENT[0], PATIENT[1]];
    let app = Arc::new(App::forgetful(&proxy.url(), &settings).await);
    let other = App::forgetful(&show.redis.url(), &settings).await;
    // Redis gets the first votes of the window late, and those behind it wait for room.
    let is_first = AtomicBool::new(true);
    proxy.hold(move |words| is_batch(words) && is_first.swap(false, Ordering::SeqCst));
    let lines: Vec<String> = (0..1_100).map(line).collect();
    let batch = sending(&app, lines.concat());
    eventually(DEADLINE, || async { proxy.counts().held == 1 }).await;
    are_recorded(&other, lines[1_050..].concat()).await;
    show.forgets_keys().await;
    proxy.go_on();
    let answers = batch.await.expect("it is answered");
    assert_eq!(words(&answers[1_000..]), ["not-recorded"; 100]);
    let accepted = count(&answers).get("accepted").copied().unwrap_or(0);
    assert_eq!(show.total().await, 50 + accepted as u128);
}
