//! Channels that ask who votes, and for a proof of work besides.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use vote_domain::{Poll, PollDefinition, RedefineError, Transition};
use vote_testkit::eventually;

use crate::app::{Answer, App, DEADLINE, POLL, Show, ago, definition, now};
use crate::voters::Identity;

/// The channel that asks for both; two votes a voter.
const CHANNEL: &str = "ambos";

/// The poll of the tests in four shards, with that channel, and those who know the voters.
async fn show() -> (Show, Identity) {
    let mut file = serde_json::to_value(definition(ago(60), ago(-3_600))).expect("JSON");
    file["shards"] = 4.into();
    let channels = file["channels"].as_array_mut().expect("a list");
    channels.push(json!({
        "id": CHANNEL, "weight": 1, "eligibility": "voter_and_proof_of_work", "votes_per_voter": 2, "proof_cost": 1_000
    }));
    let definition = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    let show = Show::with(definition, Some(Transition::Open)).await;
    (show, Identity::new())
}

async fn app(show: &Show, identity: &Identity) -> App {
    show.app_with(&identity.settings()).await
}

/// What a request shows.
#[derive(Debug, Clone, Copy, Default)]
struct Shown<'a> {
    token: Option<&'a str>,
    key: Option<&'a str>,
    proof: Option<&'a str>,
}

impl Shown<'_> {
    async fn ask(self, request: reqwest::RequestBuilder) -> Answer {
        let request = match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        Answer::of(match self.key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        })
        .await
    }

    async fn challenge(self, app: &App, channel: &str) -> Answer {
        let url = format!("{}/v1/polls/{POLL}/challenge?channel={channel}", app.url);
        self.ask(app.client.get(url)).await
    }

    async fn solve(self, app: &App, channel: &str) -> String {
        let challenge = self.challenge(app, channel).await;
        assert_eq!(challenge.status, StatusCode::OK, "{challenge:?}");
        let challenge = challenge.body.to_string();
        let solved = tokio::task::spawn_blocking(move || vote_proof::solve(challenge.as_bytes()));
        solved.await.expect("not cancelled").expect("solved")
    }

    async fn vote(self, app: &App, channel: &str, candidate: &str) -> Answer {
        let mut ballot = json!({ "candidate": candidate, "channel": channel });
        if let Some(proof) = self.proof {
            ballot["proof"] = proof.into();
        }
        self.ask(app.post(POLL).json(&ballot)).await
    }
}

/// A vote of a voter with a key, by a proof of its own.
async fn vote(app: &App, token: &str, key: &str) -> Answer {
    let shown = Shown {
        token: Some(token),
        key: Some(key),
        proof: None,
    };
    let proof = shown.solve(app, CHANNEL).await;
    let shown = Shown {
        proof: Some(&proof),
        ..shown
    };
    shown.vote(app, CHANNEL, "ana").await
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (status, code),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_vote_that_shows_both_counts_and_a_voter_has_as_many_as_the_channel_gives() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    for name in ["maria", "joao"] {
        let token = identity.token(name);
        assert!(vote(&app, &token, &format!("{name}1")).await.is_accepted());
        assert!(vote(&app, &token, &format!("{name}2")).await.is_accepted());
        let third = vote(&app, &token, &format!("{name}3")).await;
        is(&third, 403, "vote-limit-reached");
    }
    assert_eq!(show.total().await, 4);
    let metrics = app.metrics().await;
    let valid =
        format!("vote_proofs_total{{poll=\"{POLL}\",channel=\"{CHANNEL}\",verdict=\"valid\"}} 6\n");
    assert!(metrics.contains(&valid), "{metrics}");
}

#[tokio::test]
async fn a_challenge_asks_who_votes_and_names_nobody() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let nobody = Shown::default().challenge(&app, CHANNEL).await;
    is(&nobody, 401, "voter-token-required");
    assert_eq!(nobody.headers["www-authenticate"], "Bearer");
    let with = async |app: &App, token: &str| {
        let shown = Shown {
            token: Some(token),
            ..Shown::default()
        };
        shown.challenge(app, CHANNEL).await
    };
    is(&with(&app, "nonsense").await, 401, "invalid-voter-token");
    let without_keys = show.app().await;
    let maria = identity.token("maria");
    is(
        &with(&without_keys, &maria).await,
        403,
        "eligibility-not-available",
    );
    // Without when it was asked for.
    let data = |answer: &Answer| {
        let mut data = answer.body["parameters"]["data"].clone();
        let asked = data.as_object_mut().and_then(|data| data.remove("asked"));
        assert!(asked.is_some_and(|asked| asked.is_string()), "{answer:?}");
        data
    };
    let one = data(&with(&app, &maria).await);
    assert_eq!(one["channel"], CHANNEL);
    assert_eq!(one["voter"].as_str().map(str::len), Some(32), "{one}");
    assert_eq!(one, data(&with(&app, &identity.token("maria")).await));
    assert_ne!(one, data(&with(&app, &identity.token("joao")).await));
    // Channels that don't ask who votes don't look at it.
    let shown = Shown {
        token: Some("nonsense"),
        ..Shown::default()
    };
    let plain = shown.challenge(&app, "prova").await;
    assert_eq!(data(&plain), json!({ "channel": "prova", "poll": POLL }));
}

#[tokio::test]
async fn what_a_vote_does_not_show_is_said() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let token = identity.token("maria");
    let keyed = Shown {
        token: Some(&token),
        key: Some("k"),
        proof: None,
    };
    let unproved = keyed.vote(&app, CHANNEL, "ana").await;
    is(&unproved, 403, "proof-required");
    assert_eq!(unproved.body["eligibility"], "voter_and_proof_of_work");
    assert!(
        unproved.detail().contains("and the voter's token"),
        "{unproved:?}"
    );
    let path = unproved.body["challenge"].as_str().expect("a path");
    let challenge = keyed
        .ask(app.client.get(format!("{}{path}", app.url)))
        .await;
    assert!(challenge.body["signature"].is_string(), "{challenge:?}");
    let proof = keyed.solve(&app, CHANNEL).await;
    let proved = Shown {
        proof: Some(&proof),
        ..keyed
    };
    for (token, code) in [
        (None, "voter-token-required"),
        (Some("nonsense"), "invalid-voter-token"),
    ] {
        let answer = Shown { token, ..proved }.vote(&app, CHANNEL, "ana").await;
        is(&answer, 401, code);
    }
    let neither = Shown::default().vote(&app, CHANNEL, "ana").await;
    is(&neither, 403, "proof-required");
    let form = app.client.post(format!("{}/polls/{POLL}/votes", app.url));
    let form = form
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("candidate=ana&channel={CHANNEL}&key=k&lang=en"));
    let page = form.send().await.expect("an answer");
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    let page = page.text().await.expect("text");
    assert!(!page.contains("has to prove"), "{page}");
    assert_eq!(show.total().await, 0);
    // None of these has used the proof.
    assert!(proved.vote(&app, CHANNEL, "ana").await.is_accepted());
}

#[tokio::test]
async fn a_proof_of_one_voter_is_none_for_another() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let (maria, joao) = (identity.token("maria"), identity.token("joao"));
    for key in [None, Some("k")] {
        let asked = Shown {
            token: Some(&maria),
            key,
            proof: None,
        };
        let proof = asked.solve(&app, CHANNEL).await;
        let spliced = Shown {
            token: Some(&joao),
            proof: Some(&proof),
            ..asked
        };
        let answer = spliced.vote(&app, CHANNEL, "ana").await;
        is(&answer, 422, "proof-mismatch");
        assert!(
            answer.detail().contains("another voter's token"),
            "{answer:?}"
        );
        assert!(answer.body["challenge"].is_string(), "{answer:?}");
        // Nor for a channel that asks for a proof alone.
        let elsewhere = spliced.vote(&app, "prova", "ana").await;
        is(&elsewhere, 422, "proof-mismatch");
    }
    // One that nobody was asked for.
    let plain = Shown::default().solve(&app, "prova").await;
    let shown = Shown {
        token: Some(&maria),
        key: None,
        proof: Some(&plain),
    };
    is(
        &shown.vote(&app, CHANNEL, "ana").await,
        422,
        "proof-mismatch",
    );
    assert_eq!(show.total().await, 0);
    let metrics = app.metrics().await;
    let labels = format!("poll=\"{POLL}\",channel=\"{CHANNEL}\"");
    let wrong = format!("vote_proofs_total{{{labels},verdict=\"mismatch\"}} 3\n");
    assert!(metrics.contains(&wrong), "{metrics}");
}

#[tokio::test]
async fn a_proof_is_one_vote_of_its_voter_whatever_key_it_comes_with() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let token = identity.token("maria");
    let keyed = Shown {
        token: Some(&token),
        key: Some("k1"),
        proof: None,
    };
    let first = keyed.solve(&app, CHANNEL).await;
    let keyed = Shown {
        proof: Some(&first),
        ..keyed
    };
    assert!(keyed.vote(&app, CHANNEL, "ana").await.is_accepted());
    for key in [Some("k2"), None] {
        let again = Shown { key, ..keyed }.vote(&app, CHANNEL, "ana").await;
        is(&again, 422, "proof-mismatch");
    }
    // Known by its nonce alone.
    let bare = Shown {
        token: Some(&token),
        ..Shown::default()
    };
    let second = bare.solve(&app, CHANNEL).await;
    let bare = Shown {
        proof: Some(&second),
        ..bare
    };
    assert!(bare.vote(&app, CHANNEL, "ana").await.is_accepted());
    assert!(bare.vote(&app, CHANNEL, "ana").await.is_repeat());
    is(&bare.vote(&app, CHANNEL, "bia").await, 422, "proof-used");
    let renamed = Shown {
        key: Some("k3"),
        ..bare
    };
    is(
        &renamed.vote(&app, CHANNEL, "ana").await,
        422,
        "proof-mismatch",
    );
    assert_eq!(show.total().await, 2);
    // The two that she has are used, and a third proof is for none.
    is(&vote(&app, &token, "k4").await, 403, "vote-limit-reached");
}

#[tokio::test]
async fn a_vote_that_is_sent_again_is_one_vote_from_any_process_with_any_proof_and_token_of_its_voter()
 {
    let (show, identity) = show().await;
    let (one, other) = (app(&show, &identity).await, app(&show, &identity).await);
    let token = identity.token("maria");
    let keyed = Shown {
        token: Some(&token),
        key: Some("k"),
        proof: None,
    };
    let (proof, newer) = (
        keyed.solve(&one, CHANNEL).await,
        keyed.solve(&other, CHANNEL).await,
    );
    assert_ne!(proof, newer);
    let later = identity.token_with("exp", json!(now().as_second() + 900));
    let votes = (0..24).map(|n| {
        let app = if n % 2 == 0 { &one } else { &other };
        let shown = Shown {
            token: Some(if n % 3 == 0 { &later } else { &token }),
            key: Some("k"),
            proof: Some(if n % 5 == 0 { &newer } else { &proof }),
        };
        shown.vote(app, CHANNEL, "ana")
    });
    let answers = join_all(votes).await;
    let accepted = answers.iter().filter(|answer| answer.is_accepted()).count();
    let repeats = answers.iter().filter(|answer| answer.is_repeat()).count();
    assert_eq!((accepted, repeats), (1, 23), "{answers:?}");
    let spent = Shown {
        proof: Some(&newer),
        ..keyed
    };
    let reused = spent.vote(&one, CHANNEL, "bia").await;
    is(&reused, 422, "idempotency-key-reused");
    assert!(vote(&other, &token, "k2").await.is_accepted());
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn of_many_proofs_of_one_voter_at_once_by_two_processes_two_count() {
    let (show, identity) = show().await;
    let apps = [app(&show, &identity).await, app(&show, &identity).await];
    let token = identity.token("maria");
    let keys: Vec<String> = (0..12).map(|n| format!("k{n}")).collect();
    let votes = keys
        .iter()
        .enumerate()
        .map(|(n, key)| vote(&apps[n % 2], &token, key));
    let answers = join_all(votes).await;
    let accepted = answers.iter().filter(|answer| answer.is_accepted()).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.code() == "vote-limit-reached");
    assert_eq!((accepted, refused.count()), (2, 10), "{answers:?}");
    assert_eq!(show.total().await, 2);
}

/// The poll with its first channel asking for something else.
fn asking(poll: &Poll, eligibility: &str) -> Result<Poll, RedefineError> {
    let mut file = serde_json::to_value(&poll.definition).expect("JSON");
    file["channels"][0]["eligibility"] = eligibility.into();
    file["channels"][0]["proof_cost"] = 1_000.into();
    let newer = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    poll.redefine(newer, now(), "test")
}

#[tokio::test]
async fn a_channel_is_hardened_step_by_step_while_votes_come() {
    let (show, identity) = show().await;
    let app = app(&show, &identity).await;
    let token = identity.token("maria");
    let harden = async |eligibility: &str| {
        let poll = show.poll().await;
        let next = asking(&poll, eligibility).expect("it asks for more");
        let entry = next.log.last().expect("an entry");
        let said = serde_json::to_string(entry).expect("JSON");
        assert!(said.contains(&format!("to {eligibility}")), "{said}");
        show.operator
            .save(&next, poll.revision)
            .await
            .expect("saved");
        for softer in ["open", "proof_of_work", "voter"] {
            if softer == eligibility {
                break;
            }
            assert!(asking(&next, softer).is_err(), "{eligibility} to {softer}");
        }
    };
    let becomes = async |shown: Shown<'_>, code: &str| {
        eventually(DEADLINE, || async {
            shown.vote(&app, "torcida", "ana").await.code() == code
        })
        .await;
    };
    let named = Shown {
        token: Some(&token),
        key: Some("k"),
        proof: None,
    };
    let bare = Shown::default();
    assert!(bare.vote(&app, "torcida", "ana").await.is_accepted());
    assert!(named.vote(&app, "torcida", "ana").await.is_accepted());

    harden("proof_of_work").await;
    becomes(named, "proof-required").await;
    let early = named.solve(&app, "torcida").await;
    let proved = Shown {
        proof: Some(&early),
        ..named
    };
    // It was recorded when nothing was asked for.
    assert!(proved.vote(&app, "torcida", "ana").await.is_repeat());
    let unsent = Shown {
        key: Some("k2"),
        ..named
    };
    let unsent_proof = unsent.solve(&app, "torcida").await;

    harden("voter").await;
    becomes(bare, "voter-token-required").await;
    assert!(named.vote(&app, "torcida", "ana").await.is_repeat());

    harden("voter_and_proof_of_work").await;
    becomes(named, "proof-required").await;
    // From before anybody was asked who votes.
    let late = Shown {
        proof: Some(&unsent_proof),
        ..unsent
    };
    let refused = late.vote(&app, "torcida", "ana").await;
    is(&refused, 422, "proof-mismatch");
    assert!(
        refused.detail().contains("without a voter token"),
        "{refused:?}"
    );
    let newer = named.solve(&app, "torcida").await;
    let both = Shown {
        proof: Some(&newer),
        ..named
    };
    assert!(both.vote(&app, "torcida", "ana").await.is_repeat());
    let newer = unsent.solve(&app, "torcida").await;
    let both = Shown {
        proof: Some(&newer),
        ..unsent
    };
    assert!(both.vote(&app, "torcida", "ana").await.is_accepted());
    let nobody = Shown {
        token: None,
        ..both
    };
    is(
        &nobody.vote(&app, "torcida", "ana").await,
        401,
        "voter-token-required",
    );
    let metrics = app.metrics().await;
    let late =
        format!("vote_proofs_total{{poll=\"{POLL}\",channel=\"torcida\",verdict=\"expired\"}} 1\n");
    assert!(metrics.contains(&late), "{metrics}");
    let journal = serde_json::to_value(&show.poll().await.log).expect("JSON");
    let steps = journal.as_array().map(|entries| {
        let hardened = |entry: &&Value| entry.to_string().contains("channels[0].eligibility");
        entries.iter().filter(hardened).count()
    });
    assert_eq!(steps, Some(3), "{journal}");
    assert_eq!(show.total().await, 3);
}

/// The poll with its first channel asking who votes, with a limit.
pub(crate) fn limited(poll: &Poll, votes: u32, per: &str) -> Result<Poll, RedefineError> {
    let mut file = serde_json::to_value(&poll.definition).expect("JSON");
    file["channels"][0]["eligibility"] = "voter".into();
    file["channels"][0]["votes_per_voter"] = votes.into();
    file["channels"][0]["per"] = per.into();
    let newer = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    poll.redefine(newer, now(), "test")
}

#[tokio::test]
async fn a_channel_that_is_hardened_with_a_limit_counts_each_voter_from_then_on() {
    let (show, identity) = show().await;
    let apps = [app(&show, &identity).await, app(&show, &identity).await];
    let token = identity.token("maria");
    let named = |key| Shown {
        token: Some(&token),
        key: Some(key),
        proof: None,
    };
    let bare = |key| Shown {
        token: None,
        ..named(key)
    };
    // Votes of anybody, one after the other: in four shards, all of them.
    let before: Vec<String> = (0..12).map(|n| format!("before-{n}")).collect();
    for key in &before {
        let vote = bare(key).vote(&apps[0], "torcida", "ana").await;
        assert!(vote.is_accepted(), "{vote:?}");
    }
    let poll = show.poll().await;
    let next = limited(&poll, 1, "poll").expect("it asks for more");
    show.operator
        .save(&next, poll.revision)
        .await
        .expect("saved");
    assert!(limited(&next, 2, "poll").is_err() && limited(&next, 1, "hour").is_err());
    for app in &apps {
        eventually(DEADLINE, || async {
            bare("later").vote(app, "torcida", "ana").await.code() == "voter-token-required"
        })
        .await;
    }
    // With that one, where the limit was not known yet.
    let counted = show.total().await;
    // What was recorded before is not cast again, and uses none of the voter's votes, in whichever shard it is.
    for (n, key) in before.iter().enumerate() {
        let again = named(key).vote(&apps[n % 2], "torcida", "ana").await;
        assert!(again.is_repeat(), "{key}: {again:?}");
        let other = named(key).vote(&apps[n % 2], "torcida", "bia").await;
        is(&other, 422, "idempotency-key-reused");
    }
    assert_eq!(show.total().await, counted);

    let first = named("first");
    assert!(first.vote(&apps[0], "torcida", "ana").await.is_accepted());
    for (app, key) in apps.iter().zip(["second-0", "second-1"]) {
        let second = named(key);
        let refused = second.vote(app, "torcida", "ana").await;
        is(&refused, 403, "vote-limit-reached");
        assert!(first.vote(app, "torcida", "ana").await.is_repeat());
    }
    let joao = identity.token("joao");
    let other = Shown {
        token: Some(&joao),
        ..named("of-joao")
    };
    assert!(other.vote(&apps[1], "torcida", "ana").await.is_accepted());
    assert_eq!(show.total().await, counted + 2);
}
