//! Who votes: people, and three kinds of bots. Each has a candidate of its own, so that the figures tell how it was treated.

use super::addresses::{of_proxy, of_server_room, of_voter};
use super::hall::Hall;
use crate::engine::poll::{CANDIDATES, POLL};
use crate::engine::votes::{Manner, Votes};
use std::io::Write;
use std::net::IpAddr;
use vote_client::pacer::{Pace, Schedule};
use vote_client::plan::mix;

/// Who sends a vote; the number is the place of the candidate that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// People.
    Honest = 0,
    /// One network, much too fast, by a browser's name.
    ServerRoom = 1,
    /// A program behind many homes' addresses, that says nothing of itself and counts its keys.
    Script = 2,
    /// Proofs of work that were made too quickly, used before, or made up.
    ProofFarm = 3,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [
        Self::Honest,
        Self::ServerRoom,
        Self::Script,
        Self::ProofFarm,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Honest => "people",
            Self::ServerRoom => "server room",
            Self::Script => "script",
            Self::ProofFarm => "proof farm",
        }
    }
}

/// What of a thousand votes is whose while nobody is called to vote: people's are the rest.
const SERVER_ROOM: u64 = 100;
const SCRIPT: u64 = 110;
const PROOF_FARM: u64 = 20;
const BOTS: u64 = SERVER_ROOM + SCRIPT + PROOF_FARM;

/// The presenter says "vote now" once in each round, and for a sixth of it there are 2.5 times as many votes: people's, for bots don't
/// listen. In sixtieths of a round: 50 at 0.8 of the rate, and 10 at twice.
const CALM: (u64, u64) = (50, 8);
const CALLED: (u64, u64) = (10, 20);

/// Of a hundred votes of people, these go the way of each.
const WITH_PROOF: u64 = 1;
const CUT: u64 = 1;
const DOUBLED: u64 = 1;

/// Seconds between two votes of the same person, on average.
const PACE: u64 = 10;

/// What people's browsers and apps say of themselves.
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; moto g54) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Paredao/3.2 (Android 12; pt-BR)",
];

/// All votes of a run.
#[derive(Debug)]
pub(super) struct Crowd {
    hall: Hall,
    host: String,
    people: u64,
    /// Votes of a round, and of its calm part.
    round: u64,
    calm: u64,
    rounds: u64,
}

impl Crowd {
    /// So many votes at so many a second, give or take a round.
    pub(super) fn new(hall: Hall, host: String, (votes, rate): (u64, u32)) -> Self {
        let rate = u64::from(rate);
        let seconds = (votes / rate).max(2);
        let rounds = seconds.div_ceil(60).max(2);
        let round = (votes / rounds).max(60);
        Self {
            hall,
            host,
            people: (rate * PACE).max(1),
            round,
            calm: round * CALM.0 * CALM.1 / 600,
            rounds,
        }
    }

    /// What the service asks of a proof from now on.
    pub(super) fn proofs_cost(&self, cost: u32) {
        self.hall.asks(cost);
    }

    /// When they are sent.
    pub(super) fn schedule(&self, rate: u32) -> Schedule {
        let pace = |votes, tenths: u64| Pace {
            rate: u32::try_from(u64::from(rate) * tenths / 10)
                .unwrap_or(rate)
                .max(1),
            votes,
        };
        let calm = pace(self.calm, CALM.1);
        let called = pace(self.round - self.calm, CALLED.1);
        let mut paces: Vec<Pace> = (0..self.rounds).flat_map(|_| [calm, called]).collect();
        let first = paces.remove(0);
        Schedule::of(first, &paces)
    }

    /// Whose a vote is.
    pub(super) fn kind(&self, index: u64) -> Kind {
        let is_calm = index % self.round < self.calm;
        let of = if is_calm {
            1_000
        } else {
            1_000 * CALLED.1 / CALM.1
        };
        let drawn = mix(index ^ 0xB075) % of;
        match drawn {
            _ if drawn >= BOTS => Kind::Honest,
            _ if drawn < SERVER_ROOM => Kind::ServerRoom,
            _ if drawn < SERVER_ROOM + SCRIPT => Kind::Script,
            _ => Kind::ProofFarm,
        }
    }

    fn sent(&self, index: u64, is_look_up: bool) -> Sent {
        let kind = self.kind(index);
        let drawn = mix(index ^ 0x5E27);
        let agent = |number: u64| AGENTS[usize::try_from(number).unwrap_or(0) % AGENTS.len()];
        let voter = drawn % self.people;
        let random = format!("{:016x}{:016x}", mix(index ^ 0x4E1), mix(index ^ 0x4E2));
        let key = match kind {
            Kind::Script => format!("app-7f3a91-{index:08}"),
            _ => random,
        };
        let proof = match kind {
            Kind::Honest | Kind::ProofFarm if is_look_up && is_with_proof(kind, index) => {
                Some(self.hall.for_look_up(&key))
            }
            Kind::Honest if is_with_proof(kind, index) => Some(self.hall.honest(&key, drawn)),
            Kind::ProofFarm => Some(self.hall.of_farm(&key, index)),
            _ => None,
        };
        let (from, agent) = match kind {
            Kind::Honest => (of_voter(voter), Some(agent(mix(voter)))),
            Kind::ServerRoom => (of_server_room(index), Some(AGENTS[2])),
            Kind::Script => (of_proxy(index), None),
            Kind::ProofFarm => (of_proxy(index), Some(agent(drawn))),
        };
        Sent {
            kind,
            from,
            agent,
            key,
            proof,
        }
    }

    fn write(&self, sent: &Sent, buffer: &mut Vec<u8>) -> std::io::Result<()> {
        buffer.clear();
        let candidate = CANDIDATES[sent.kind as usize];
        let body = match &sent.proof {
            None => format!(r#"{{"candidate":"{candidate}","channel":"torcida"}}"#),
            Some(proof) => {
                format!(r#"{{"candidate":"{candidate}","channel":"prova","proof":"{proof}"}}"#)
            }
        };
        write!(
            buffer,
            "POST /v1/polls/{POLL}/votes HTTP/1.1\r\nhost: {}\r\n",
            self.host
        )?;
        write!(buffer, "x-forwarded-for: {}\r\n", sent.from)?;
        if let Some(agent) = sent.agent {
            write!(buffer, "user-agent: {agent}\r\n")?;
        }
        write!(
            buffer,
            "idempotency-key: \"{}\"\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            sent.key,
            body.len()
        )
    }
}

/// A vote as its client sends it.
struct Sent {
    kind: Kind,
    from: IpAddr,
    agent: Option<&'static str>,
    key: String,
    proof: Option<String>,
}

/// Whether a vote goes through the channel that asks for a proof.
fn is_with_proof(kind: Kind, index: u64) -> bool {
    match kind {
        Kind::Honest => mix(index ^ 0x9_200F) % 100 < WITH_PROOF,
        Kind::ServerRoom | Kind::Script => false,
        Kind::ProofFarm => true,
    }
}

impl Votes for Crowd {
    fn candidate(&self, index: u64) -> usize {
        self.kind(index) as usize
    }

    fn render(&self, index: u64, buffer: &mut Vec<u8>) {
        // Writing to a vector can't fail.
        let _written = self.write(&self.sent(index, false), buffer);
    }

    fn render_look_up(&self, index: u64, buffer: &mut Vec<u8>) {
        let _written = self.write(&self.sent(index, true), buffer);
    }

    /// Bots have more where that came from; people try again, and their networks and fingers are what they are.
    fn manner(&self, index: u64) -> Manner {
        let is_person = self.kind(index) == Kind::Honest;
        let drawn = mix(index ^ 0x3A77) % 100;
        Manner {
            is_patient: is_person,
            is_cut: is_person && drawn < CUT,
            is_doubled: is_person && (CUT..CUT + DOUBLED).contains(&drawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd() -> Crowd {
        let hall = Hall::new().expect("proofs");
        Crowd::new(hall, "localhost".to_owned(), (60_000, 1_000))
    }

    #[test]
    fn bots_go_on_and_people_come_when_they_are_called() {
        let crowd = crowd();
        let schedule = crowd.schedule(1_000);
        assert_eq!(
            (schedule.votes(), schedule.length().as_secs()),
            (60_000, 60)
        );
        let (mut calm, mut called) = ([0_u64; 4], [0_u64; 4]);
        for index in 0..schedule.votes() {
            let part = match schedule.intended(index).as_millis() % 30_000 < 25_000 {
                true => &mut calm,
                false => &mut called,
            };
            part[crowd.kind(index) as usize] += 1;
        }
        // Fifty seconds and ten.
        assert!((28_500..31_500).contains(&calm[0]), "{calm:?}");
        assert!((17_000..19_000).contains(&called[0]), "{called:?}");
        for kind in 1..4 {
            let (slow, fast) = (calm[kind], called[kind] * 5);
            assert!(
                slow * 8 < fast * 10 && fast * 8 < slow * 10,
                "{calm:?} {called:?}"
            );
        }
    }

    #[test]
    fn a_vote_is_the_same_vote_each_time_and_one_without_a_name_says_none() {
        let crowd = crowd();
        let of = |kind| (0..).find(|index| crowd.kind(*index) == kind).unwrap_or(0);
        let text = |index| {
            let mut buffer = Vec::new();
            crowd.render(index, &mut buffer);
            String::from_utf8(buffer).expect("text")
        };
        for kind in [Kind::Honest, Kind::ServerRoom, Kind::Script] {
            assert_eq!(text(of(kind)), text(of(kind)));
            assert_eq!(
                text(of(kind)).contains("user-agent: "),
                kind != Kind::Script
            );
        }
        assert!(text(of(Kind::ServerRoom)).contains("x-forwarded-for: 45.155.37."));
        // Each proof is a new one, for the same key.
        let farm = of(Kind::ProofFarm);
        let key = |text: String| {
            text.lines()
                .find(|line| line.contains("key"))
                .map(str::to_owned)
        };
        assert_eq!(key(text(farm)), key(text(farm)));
    }
}
