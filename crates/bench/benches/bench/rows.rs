//! The rows of the main table.

use clap::ValueEnum;
use serde::Serialize;

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
    /// The service with all limits of addresses, which nobody reaches
    OursLimited,
    /// The service, for a gateway's batches of 1,000 votes with keys
    OursBatched,
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
    pub(crate) const ALL: [Self; 11] = [
        Self::Epoll,
        Self::ActixHttp,
        Self::ActixWeb,
        Self::PerVote,
        Self::NoRedis,
        Self::Ours,
        Self::OursKeyed,
        Self::OursLimited,
        Self::OursBatched,
        Self::Before,
        Self::BeforeKeyed,
    ];

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
            Self::OursLimited => "ours, no key, rate limits on",
            Self::OursBatched => {
                "ours, a key each, 1,000 to a request of a gateway, 8 connections at most"
            }
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
            Self::Ours | Self::OursKeyed | Self::OursLimited | Self::OursBatched => Serving::Ours,
            Self::Before | Self::BeforeKeyed => Serving::Before,
        }
    }

    /// Whether its votes carry keys.
    pub(crate) const fn is_keyed(self) -> bool {
        matches!(
            self,
            Self::OursKeyed | Self::OursBatched | Self::BeforeKeyed
        )
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

    /// Whether it records what it answers.
    pub(crate) const fn has_redis(self) -> bool {
        !matches!(
            self,
            Self::Epoll | Self::ActixHttp | Self::ActixWeb | Self::NoRedis
        )
    }

    /// Its settings beside the addresses.
    pub(crate) const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OursLimited => &[
                ("VOTE__LIMITS__ADDRESS_BURST", "1000000/1s"),
                ("VOTE__LIMITS__ADDRESS_SUSTAINED", "10000000/60s"),
                ("VOTE__LIMITS__PREFIX_BURST", "1000000/1s"),
                ("VOTE__LIMITS__PREFIX_SUSTAINED", "10000000/60s"),
            ],
            _ => &[],
        }
    }

    /// The same without what this one has more.
    pub(crate) const fn without(self) -> Option<Self> {
        match self {
            Self::OursLimited => Some(Self::Ours),
            Self::OursBatched => Some(Self::OursKeyed),
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
