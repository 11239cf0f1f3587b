//! What a load run is to do: every vote's time, candidate, key and bytes follow from it, whatever thread sends it.

use crate::endpoint::Endpoint;
use crate::pacer::{Pace, Schedule};
use crate::route::Route;
use crate::target::Target;
use std::io::Write;
use std::time::Duration;

/// A load run, fixed before its first vote.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to send to.
    pub endpoint: Endpoint,
    /// How many votes, and how fast.
    pub pace: Schedule,
    /// How many votes may be in flight at the same time.
    pub connections: usize,
    /// Threads that send; each has its share of the connections.
    pub threads: usize,
    /// How often one vote is sent at most.
    pub attempts: u32,
    /// How long an attempt waits for its answer.
    pub timeout: Duration,
    /// Where in the sequence of candidates the run starts.
    pub seed: u64,
    /// First part of the votes' idempotency keys; `None` sends votes without a key.
    pub keys: Option<String>,
    requests: Vec<Request>,
    /// Upper bounds of the candidates' shares of all 64-bit draws; the last is not needed.
    bounds: Vec<u64>,
}

/// The bytes of a vote for one candidate around its key.
#[derive(Clone, derive_more::Debug)]
#[debug("Request {{ .. }}")]
struct Request {
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// What is sent where, see [`Plan::new`].
#[derive(Debug, Clone, Copy)]
pub struct Ballot<'a> {
    /// The service.
    pub target: &'a Target,
    /// The poll's id.
    pub poll: &'a str,
    /// The channel's id, if the votes are to name one.
    pub channel: Option<&'a str>,
    /// The candidates' ids, at least one.
    pub candidates: &'a [&'a str],
}

impl Plan {
    /// A plan with the given ballot; the numbers start at small defaults and are set by field.
    #[must_use]
    pub fn new(endpoint: Endpoint, ballot: Ballot<'_>, keys: Option<String>) -> Self {
        let path = ballot
            .target
            .path(&format!("/v1/polls/{}/votes", ballot.poll));
        let through = endpoint.route.as_ref();
        let (before, header) = through.map(Route::in_requests).unwrap_or_default();
        let requests = ballot.candidates.iter().map(|candidate| {
            let mut body = serde_json::json!({ "candidate": candidate });
            if let Some(channel) = ballot.channel {
                body["channel"] = channel.into();
            }
            let body = body.to_string();
            let head = format!(
                "POST {before}{path} HTTP/1.1\r\nhost: {}\r\nuser-agent: votectl-load\r\ncontent-type: application/json\r\n\
                 {header}content-length: {}\r\n",
                ballot.target.authority(),
                body.len()
            );
            Request { head: head.into_bytes(), tail: format!("\r\n{body}").into_bytes() }
        });
        Self {
            endpoint,
            pace: Pace { rate: 1, votes: 1 }.into(),
            connections: 1,
            threads: 1,
            attempts: 1,
            timeout: Duration::from_secs(5),
            seed: 0,
            keys,
            requests: requests.collect(),
            bounds: bounds(ballot.candidates.len()),
        }
    }

    /// Which candidate vote `index` is for: the first gets most, like 1/1, 1/2, 1/3 and so on.
    #[must_use]
    pub fn candidate(&self, index: u64) -> usize {
        let drawn = mix(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.bounds
            .partition_point(|bound| *bound <= drawn)
            .min(self.requests.len().saturating_sub(1))
    }

    /// Renders the request of vote `index` into `buffer`.
    pub fn render(&self, index: u64, buffer: &mut Vec<u8>) {
        buffer.clear();
        let Some(request) = self.requests.get(self.candidate(index)) else {
            return;
        };
        buffer.extend_from_slice(&request.head);
        if let Some(keys) = &self.keys {
            // Writing to a vector can't fail.
            let _written = write!(buffer, "idempotency-key: \"{keys}-{index}\"\r\n");
        }
        buffer.extend_from_slice(&request.tail);
    }
}

/// A pseudo-random number from another: the last step of SplitMix64 (Steele, Lea, Flood 2014).
#[must_use]
pub fn mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn bounds(candidates: usize) -> Vec<u64> {
    // In units of 1/1,000,000, exact enough for a load and the same on every machine.
    let weight = |place: usize| 1_000_000 / (u128::try_from(place).unwrap_or(u128::MAX - 1) + 1);
    let total: u128 = (0..candidates).map(weight).sum();
    let mut below = 0;
    (0..candidates.saturating_sub(1))
        .map(|place| {
            below += weight(place);
            u64::try_from(below * u128::from(u64::MAX) / total).unwrap_or(u64::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Ballot, Plan};

    fn plan(candidates: &[&str], keys: Option<&str>) -> Plan {
        let target = "http://127.0.0.1:8080".parse().expect("a base URL");
        let ballot = Ballot {
            target: &target,
            poll: "paredao-01",
            channel: Some("torcida"),
            candidates,
        };
        Plan::new(
            std::net::SocketAddr::from(([127, 0, 0, 1], 8080)).into(),
            ballot,
            keys.map(str::to_owned),
        )
    }

    #[test]
    fn candidates_are_skewed_and_repeat_with_their_seed() {
        let mut plan = plan(&["ana", "bia", "cris"], None);
        let share = |plan: &Plan| {
            let mut counts = [0; 3];
            (0..60_000).for_each(|index| counts[plan.candidate(index)] += 1);
            counts
        };
        let first = share(&plan);
        // 1 : 1/2 : 1/3 of 60,000 is 32,727 : 16,364 : 10,909.
        assert!(
            (32_000..33_500).contains(&first[0]) && (10_400..11_400).contains(&first[2]),
            "{first:?}"
        );
        assert_eq!(first, share(&plan));
        plan.seed = 1;
        assert_ne!((0..20).map(|i| plan.candidate(i)).collect::<Vec<_>>(), {
            plan.seed = 2;
            (0..20).map(|i| plan.candidate(i)).collect::<Vec<_>>()
        });
    }

    #[test]
    fn a_request_is_whole_with_and_without_its_key() {
        let mut buffer = Vec::new();
        plan(&["ana"], Some("run")).render(7, &mut buffer);
        let text = String::from_utf8(buffer.clone()).expect("a request is text");
        let (head, body) = text
            .split_once("\r\n\r\n")
            .expect("an empty line ends the head");
        assert_eq!(body, r#"{"candidate":"ana","channel":"torcida"}"#);
        assert!(
            head.starts_with(
                "POST /v1/polls/paredao-01/votes HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"
            )
        );
        assert!(
            head.ends_with("content-length: 39\r\nidempotency-key: \"run-7\""),
            "{head}"
        );
        plan(&["ana"], None).render(7, &mut buffer);
        assert!(
            !String::from_utf8(buffer)
                .expect("a request is text")
                .contains("idempotency-key")
        );
    }
}
