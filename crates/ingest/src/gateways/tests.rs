//! Who is a gateway, and what it may do, without a server.

use std::time::Duration;

use prometheus_client::registry::Registry;
use proptest::prelude::*;
use proptest::sample::Index;
use vote_domain::{Eligibility, PollDefinition};
use vote_testkit::fixtures::demo_poll;

use super::*;

const TOKEN: &str = "sms-token-sms-token";

fn entry(name: &str, token: &str, lines: &str) -> String {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(token));
    format!("[[gateway]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\n{lines}\n")
}

fn take(gateways: &Gateways, text: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateways.toml");
    std::fs::write(&path, text).expect("written");
    gateways.take(file::read(&path).expect("right"));
}

fn gateways(text: &str) -> Gateways {
    let gateways = Gateways {
        known: ArcSwap::default(),
        metrics: GatewayMetrics::register(&mut Registry::default()),
        batches_at_once: 1,
        lookups: Arc::new(Semaphore::new(1)),
        batch_timeout: Duration::from_secs(1),
        draining: CancellationToken::new(),
    };
    take(&gateways, text);
    gateways
}

fn poll() -> PollDefinition {
    demo_poll()
        .channels(&[
            ("torcida", 1, Eligibility::Open),
            ("sms", 1, Eligibility::Gateway),
            ("unico", 1, Eligibility::Voter),
        ])
        .definition()
}

#[test]
fn a_token_is_behind_the_word_bearer_and_is_known_by_its_digest() {
    let gateways = gateways(&entry(
        "sms",
        TOKEN,
        "channels = [\"sms\"]\nrate = \"9/1s\"",
    ));
    let good = format!("Bearer {TOKEN}");
    for text in [
        &good,
        &format!("bearer   {TOKEN}  "),
        &format!("BEARER {TOKEN}"),
    ] {
        let found = gateways.find(SentHeader::Once(text)).expect(text);
        assert_eq!(found.name(), "sms");
    }
    let long = format!("Bearer {}", "x".repeat(100_000));
    for sent in [
        SentHeader::Missing,
        SentHeader::Repeated,
        SentHeader::NoText,
        SentHeader::Once(""),
        SentHeader::Once("Bearer"),
        SentHeader::Once("Bearer "),
        SentHeader::Once(TOKEN),
        SentHeader::Once("Basic c21zOnNtcw=="),
        SentHeader::Once(&good[..good.len() - 1]),
        SentHeader::Once(&long),
        // The digest is no token.
        SentHeader::Once("Bearer 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ] {
        let refused = gateways.find(sent).err().map(|problem| problem.code());
        assert_eq!(refused, Some(ProblemCode::Unauthorized), "{sent:.60?}");
    }
}

#[test]
fn what_was_used_stays_used_when_the_file_changes_and_who_is_out_of_it_is_out() {
    let with = |channel: &str, rate: &str| {
        entry(
            "sms",
            TOKEN,
            &format!("channels = [\"{channel}\"]\nrate = \"{rate}\""),
        )
    };
    let gateways = gateways(&with("sms", "2/1h"));
    let header = format!("Bearer {TOKEN}");
    let found = || gateways.find(SentHeader::Once(&header));
    let now = Instant::now();
    assert!(found().expect("known").count(now).is_ok());
    take(&gateways, &with("torcida", "2/1h"));
    assert!(found().expect("known").count(now).is_ok());
    let refused = found().expect("known").count(now).expect_err("used up");
    assert_eq!(refused.retry_after_s(), Some(1_800));
    let slot = found().expect("known").begin().expect("the first");
    assert!(found().expect("known").begin().is_err());
    drop(slot);
    assert!(found().expect("known").begin().is_ok());
    take(&gateways, &with("torcida", "3/1h"));
    assert!(found().expect("known").count(now).is_ok());
    take(&gateways, "");
    assert!(found().is_err());
}

#[test]
fn a_gateway_votes_by_the_channels_that_are_listed_and_no_others() {
    let poll = poll();
    let may = |lines: &str, channel: &str| {
        let gateways = gateways(&entry("g", TOKEN, &format!("rate = \"9/1s\"\n{lines}")));
        let gateway = gateways.of_token(TOKEN).expect("known");
        let channel = &poll.channels()[poll.channel_index(channel).expect("a channel")];
        gateway.check(poll.id(), channel).is_ok()
    };
    for (lines, channel, is_allowed) in [
        ("channels = [\"sms\"]", "sms", true),
        ("channels = [\"sms\"]", "torcida", false),
        ("channels = [\"paredao-01/sms\"]", "sms", true),
        ("channels = [\"paredao-02/sms\"]", "sms", false),
        ("channels = [\"paredao-02/sms\", \"sms\"]", "sms", true),
        // One vote each by `sms`, as many as they like by `torcida`.
        ("channels = [\"sms\"]\nvotes_per_voter = 1", "sms", true),
        (
            "channels = [\"torcida\"]\nvotes_per_voter = 9",
            "torcida",
            false,
        ),
        // Who is known by tokens is not whom a gateway knows, unless the file says so.
        ("channels = [\"unico\"]", "unico", false),
        (
            "channels = [\"unico\"]\nvoters_are_subjects = true",
            "unico",
            true,
        ),
    ] {
        assert_eq!(may(lines, channel), is_allowed, "{lines} {channel}");
    }
}

fn known() -> Gateways {
    gateways(&entry(
        "sms",
        TOKEN,
        "channels = [\"sms\"]\nrate = \"9/1s\"",
    ))
}

fn is_found(gateways: &Gateways, sent: &str) -> bool {
    gateways.find(SentHeader::Once(sent)).is_ok()
}

proptest! {
    #[test]
    fn any_text_is_no_gateways_token(text in prop_oneof!["\\PC{0,300}", "(?i)(bearer|basic) {0,3}[!-~]{0,100}"]) {
        prop_assert!(!is_found(&known(), &text));
    }

    #[test]
    fn the_token_is_read_however_the_word_is_written(
        word in "(?i)bearer", before in " {1,9}", after in " {0,9}", token in "[!-~]{1,512}",
    ) {
        let sent = format!("{word}{before}{token}{after}");
        prop_assert_eq!(bearer(&sent), Some(token.as_str()));
        let its = format!("{word}{before}{TOKEN}{after}");
        prop_assert!(is_found(&known(), &its));
    }

    /// One character more than is read, or many.
    #[test]
    fn a_token_that_is_too_long_is_not_looked_at(token in "[!-~]{513,4000}") {
        // Also where it is somebody's.
        let gateways = gateways(&entry("sms", &token, "channels = [\"sms\"]\nrate = \"9/1s\""));
        prop_assert!(gateways.of_token(&token).is_some());
        let sent = format!("Bearer {token}");
        prop_assert!(!is_found(&gateways, &sent));
    }

    #[test]
    fn a_token_that_was_changed_or_cut_is_nobodys(place in any::<Index>(), other in any::<char>(), is_cut: bool) {
        let good = format!("Bearer {TOKEN}");
        let from = "Bearer ".len();
        let place = from + place.index(TOKEN.len());
        let mut bad = good[..place].to_owned();
        if !is_cut {
            bad.push(other);
            bad += &good[place + 1..];
        }
        prop_assert!(bad == good || !is_found(&known(), &bad), "{}", bad);
    }
}
