//! Closed sets of names that appear in poll files, payloads and pages.

/// A name that isn't one of a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be one of {}, is `{given}`", allowed.join(", "))]
pub struct UnknownName {
    /// What the name was to be, for example `direction`.
    pub what: &'static str,
    /// The names that are allowed.
    pub allowed: &'static [&'static str],
    /// What was given, cut to a length fit for a message.
    pub given: String,
}

/// Defines an enum whose variants have one wire name each, used by serde, `Display` and `FromStr`.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident as $what:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+
        }
    ) => {
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        $(#[$meta])*
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The names of all of them, in the order of their declaration.
            pub const NAMES: &'static [&'static str] = &[ $( $text, )+ ];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $( $text => Ok(Self::$variant), )+
                    _ => Err($crate::UnknownName {
                        what: $what,
                        allowed: Self::NAMES,
                        given: $crate::violation::shown(text),
                    }),
                }
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// What a vote for a candidate means. It is in every payload and on every page, because a poll
    /// whose page and application disagree about it has to be voided.
    #[cfg_attr(feature = "openapi", schema(examples("eliminate")))]
    pub enum Direction as "direction" {
        /// The candidate with the most votes leaves.
        Eliminate = "eliminate",
        /// The candidate with the most votes stays.
        Save = "save",
    }
}

wire_enum! {
    /// Whether a poll counts. Fixed at creation: a rehearsal can't become live.
    #[cfg_attr(feature = "openapi", schema(examples("live")))]
    pub enum Kind as "kind" {
        /// The real one.
        Live = "live",
        /// A test, marked as such wherever it is shown.
        Rehearsal = "rehearsal",
    }
}

wire_enum! {
    /// What the public sees of a running poll.
    #[cfg_attr(feature = "openapi", schema(examples("public")))]
    pub enum Visibility as "visibility" {
        /// Counts and percentages.
        Public = "public",
        /// Percentages only.
        Percentages = "percentages",
        /// Nothing, until the presenter releases it.
        Embargoed = "embargoed",
    }
}

wire_enum! {
    /// What a voter has to show to vote through a channel.
    #[cfg_attr(feature = "openapi", schema(examples("open")))]
    pub enum Eligibility as "eligibility" {
        /// Nothing: anyone, as often as they like.
        Open = "open",
        /// A solved proof-of-work challenge for each vote.
        ProofOfWork = "proof_of_work",
        /// A voter token; the channel may limit the votes of each voter.
        Voter = "voter",
    }
}

wire_enum! {
    /// How far the figures of a standing can be relied on.
    #[cfg_attr(feature = "openapi", schema(examples("provisional")))]
    pub enum Status as "status" {
        /// Voting hasn't begun.
        NotOpen = "not_open",
        /// Votes are, or may still be, coming in.
        Provisional = "provisional",
        /// The figures are those of `as_of`; newer ones can't be read at the moment.
        Stale = "stale",
        /// Sealed: the figures can't change any more.
        Final = "final",
        /// The poll was voided: its figures decide nothing.
        Void = "void",
    }
}
