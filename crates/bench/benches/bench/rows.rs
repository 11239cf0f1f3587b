//! The rows of the main table.

use clap::ValueEnum;
use serde::Serialize;

use crate::carried::Carried;
use crate::floors::Floor;

/// A server under a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Row {
    /// The least that a server can do
    Epoll,
    /// The web server's lower half alone
    ActixHttp,
    /// The web server
    ActixWeb,
    /// What one would write first
    PerVote,
    /// The service that records nothing
    NoRedis,
    /// The service
    Ours,
    /// The service, for votes with keys
    OursKeyed,
    /// The service behind a proxy that names the client of each vote
    OursForwarded,
    /// That one with all limits of addresses, which nobody reaches
    OursLimited,
    /// The service, for votes with a proof of work each
    OursProof,
    /// The service, for votes with keys, each with a token of another voter
    OursVoter,
    /// The same of a thousand voters, whose tokens were seen before
    OursVoterSeen,
    /// The service, for a gateway's batches of 1,000 votes with keys
    OursBatched,
    /// The service that exports traces, of one vote in a hundred; measured only where it is named
    OursTraced,
    /// The build that this one is compared with
    #[value(skip)]
    Before,
    /// That one, for votes with keys
    #[value(skip)]
    BeforeKeyed,
}

/// How a row is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serving {
    /// By this program.
    Floor(Floor),
    /// By this build's ingest.
    Ours,
    /// By the ingest of the other build.
    Before,
}

impl Row {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 16] = [
        Self::Epoll,
        Self::ActixHttp,
        Self::ActixWeb,
        Self::PerVote,
        Self::NoRedis,
        Self::Ours,
        Self::OursKeyed,
        Self::OursForwarded,
        Self::OursLimited,
        Self::OursProof,
        Self::OursVoter,
        Self::OursVoterSeen,
        Self::OursBatched,
        Self::OursTraced,
        Self::Before,
        Self::BeforeKeyed,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        let name = self.to_possible_value();
        name.map_or_else(String::new, |name| name.get_name().to_owned())
    }

    /// What a reader is told that it is.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Epoll => "a raw epoll loop that parses and answers",
            Self::ActixHttp => "actix-http alone, constant answer",
            Self::ActixWeb => "actix-web, one route, constant answer",
            Self::PerVote => "ours, each vote in a pipeline of its own",
            Self::NoRedis => "ours, recording nothing",
            Self::Ours => "ours, no key",
            Self::OursKeyed => "ours, a key each",
            Self::OursForwarded => "ours, no key, each of another address behind a proxy",
            Self::OursLimited => "ours, the same with rate limits on",
            Self::OursProof => "ours, a proof of work each",
            Self::OursVoter => "ours, a key and a token of another voter each",
            Self::OursVoterSeen => "ours, a key each, tokens of 1,000 voters",
            Self::OursBatched => {
                "ours, a key each, 1,000 to a request of a gateway, 8 connections at most"
            }
            Self::OursTraced => "ours, no key, one in a hundred traced",
            Self::Before => "before, no key",
            Self::BeforeKeyed => "before, a key each",
        }
    }

    pub(crate) const fn serving(self) -> Serving {
        match self {
            Self::Epoll => Serving::Floor(Floor::Epoll),
            Self::ActixHttp => Serving::Floor(Floor::ActixHttp),
            Self::ActixWeb => Serving::Floor(Floor::ActixWeb),
            Self::PerVote => Serving::Floor(Floor::PerVote),
            Self::NoRedis => Serving::Floor(Floor::NoRedis),
            Self::Before | Self::BeforeKeyed => Serving::Before,
            _ => Serving::Ours,
        }
    }

    /// What its votes carry.
    pub(crate) const fn carried(self) -> Carried {
        match self {
            Self::OursKeyed | Self::BeforeKeyed => Carried::Keys,
            Self::OursForwarded | Self::OursLimited => Carried::Clients,
            Self::OursProof => Carried::Proofs,
            Self::OursVoter => Carried::Tokens,
            Self::OursVoterSeen => Carried::SeenTokens,
            Self::OursBatched => Carried::Lines,
            _ => Carried::Nothing,
        }
    }

    /// Votes of one request.
    pub(crate) const fn votes_a_request(self) -> u32 {
        match self {
            Self::OursBatched => 1_000,
            _ => 1,
        }
    }

    /// Connections of its load: a gateway has few.
    pub(crate) const fn connections(self, asked: u32) -> u32 {
        match self {
            Self::OursBatched if asked > 8 => 8,
            _ => asked,
        }
    }

    /// Whether it has a turn at that number of connections, of those that are measured. What is compared with a row of ours has it at one
    /// alone, that in the middle: a ratio needs no more, and the time is short.
    pub(crate) fn has_turn(self, connections: u32, of: &[u32]) -> bool {
        self.carried() == Carried::Nothing
            || self.carried() == Carried::Keys
            || of.get(of.len() / 2) == Some(&connections)
    }

    /// Whether it records what it answers.
    pub(crate) const fn has_redis(self) -> bool {
        !matches!(
            self,
            Self::Epoll | Self::ActixHttp | Self::ActixWeb | Self::NoRedis
        )
    }

    /// Whether its traces are received.
    pub(crate) const fn has_traces(self) -> bool {
        matches!(self, Self::OursTraced)
    }

    /// Whether it is measured where no rows are named: the time of the main table is bounded.
    pub(crate) const fn is_of_all(self) -> bool {
        !self.has_traces()
    }

    /// Its settings beside the addresses and files.
    pub(crate) const fn settings(self) -> &'static [(&'static str, &'static str)] {
        const PROXY: (&str, &str) = ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1");
        const HEADER: (&str, &str) = ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for");
        match self {
            Self::OursForwarded => &[PROXY, HEADER],
            // Those of docs/limits.md, which that many addresses don't reach.
            Self::OursLimited => &[
                PROXY,
                HEADER,
                ("VOTE__LIMITS__ADDRESS_BURST", "60/10s"),
                ("VOTE__LIMITS__ADDRESS_SUSTAINED", "600/1h"),
                ("VOTE__LIMITS__PREFIX_BURST", "600/10s"),
                ("VOTE__LIMITS__PREFIX_SUSTAINED", "10000/1h"),
            ],
            // As for a show.
            Self::OursTraced => &[
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.01"),
            ],
            _ => &[],
        }
    }

    /// The same without what this one has more.
    pub(crate) const fn without(self) -> Option<Self> {
        match self {
            Self::OursLimited => Some(Self::OursForwarded),
            Self::OursTraced => Some(Self::Ours),
            Self::OursProof | Self::OursVoter | Self::OursVoterSeen | Self::OursBatched => {
                Some(Self::OursKeyed)
            }
            _ => None,
        }
    }

    /// The same of the other build.
    pub(crate) const fn before(self) -> Option<Self> {
        match self {
            Self::Ours => Some(Self::Before),
            Self::OursKeyed => Some(Self::BeforeKeyed),
            _ => None,
        }
    }
}
