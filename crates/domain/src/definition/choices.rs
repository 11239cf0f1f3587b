//! What a poll file chooses among.

use crate::names::wire_enum;

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
    /// What the public sees of a running poll, in the order from all to nothing.
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

impl Visibility {
    /// Whether the audience sees more of the figures by this one than by the other.
    #[must_use]
    pub fn shows_more_than(self, other: Self) -> bool {
        self < other
    }
}

wire_enum! {
    /// Who decides that the figures of a poll may go on air.
    #[cfg_attr(feature = "openapi", schema(examples("manual")))]
    pub enum ReleaseRule as "release" {
        /// Production, by a command: until then graphics get names and no figures.
        Manual = "manual",
        /// Nobody has to: they may as soon as there are any.
        Auto = "auto",
    }
}

impl Kind {
    /// The rule of a poll whose file names none: nothing of a live poll goes on air by itself.
    #[must_use]
    pub const fn release_rule(self) -> ReleaseRule {
        match self {
            Self::Live => ReleaseRule::Manual,
            Self::Rehearsal => ReleaseRule::Auto,
        }
    }
}

wire_enum! {
    /// The language that a poll's figures are written in for graphics, by its ISO 639-1 code.
    #[cfg_attr(feature = "openapi", schema(examples("pt")))]
    pub enum Language as "language" {
        /// Portuguese, as in Brazil.
        Pt = "pt",
        /// English.
        En = "en",
        /// Spanish.
        Es = "es",
    }
}

impl Language {
    /// The language of a poll whose file names none.
    pub const DEFAULT: Self = Self::Pt;

    /// The language of a tag such as `pt-BR` (RFC 5646): its first part decides, in whatever case.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = tag.split('-').next().unwrap_or_default();
        let mut all = Self::ALL.iter().copied();
        all.find(|language| language.as_str().eq_ignore_ascii_case(first))
    }
}

wire_enum! {
    /// What a voter has to show to vote through a channel, from the least to the most: while a poll is open, a channel may
    /// ask for more, and never for less.
    #[cfg_attr(feature = "openapi", schema(examples("open")))]
    pub enum Eligibility as "eligibility" {
        /// Nothing: anyone, as often as they like.
        Open = "open",
        /// A solved proof-of-work challenge for each vote.
        ProofOfWork = "proof_of_work",
        /// A voter token; the channel may limit the votes of each voter.
        Voter = "voter",
        /// Both of them. A poll file may write it as a list, `[voter, proof_of_work]`.
        VoterAndProofOfWork = "voter_and_proof_of_work",
        /// Nothing of the voter: votes come by gateways alone, such as of short messages or telephone calls, which show a token of
        /// their own. It is neither more nor less than the others, and a channel never changes to it or from it.
        Gateway = "gateway",
    }
}

impl Eligibility {
    /// Whether each vote needs a proof of work.
    #[must_use]
    pub const fn asks_for_proof(self) -> bool {
        matches!(self, Self::ProofOfWork | Self::VoterAndProofOfWork)
    }

    /// Whether each vote needs a voter's token.
    #[must_use]
    pub const fn asks_for_voter(self) -> bool {
        matches!(self, Self::Voter | Self::VoterAndProofOfWork)
    }

    /// Whether it may be known who votes: by a voter's token, or because a gateway says so. Only then a voter's votes can be
    /// counted.
    #[must_use]
    pub const fn knows_voters(self) -> bool {
        self.asks_for_voter() || matches!(self, Self::Gateway)
    }

    /// Whether this one asks for more than the other.
    #[must_use]
    pub fn is_harder_than(self, other: Self) -> bool {
        // Whoever votes by themselves can't do so by a gateway, nor the other way round.
        self > other && self != Self::Gateway && other != Self::Gateway
    }

    /// What all of these ask for together; none where there are none, one is there twice, or `open` beside others.
    #[must_use]
    pub fn all_of(words: &[Self]) -> Option<Self> {
        match words {
            [one] => Some(*one),
            [Self::Voter, Self::ProofOfWork] | [Self::ProofOfWork, Self::Voter] => {
                Some(Self::VoterAndProofOfWork)
            }
            _ => None,
        }
    }
}

wire_enum! {
    /// For how long a voter's votes in a channel are counted, before there are as many again.
    #[cfg_attr(feature = "openapi", schema(examples("hour")))]
    pub enum LimitPeriod as "per" {
        /// The whole poll.
        Poll = "poll",
        /// An hour of the poll's time zone.
        Hour = "hour",
        /// A day of the poll's time zone.
        Day = "day",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_the_first_part_of_its_tag() {
        for (tag, language) in [
            ("pt", Some(Language::Pt)),
            ("pt-BR", Some(Language::Pt)),
            ("PT-br", Some(Language::Pt)),
            ("en-GB-oxendict", Some(Language::En)),
            ("es-419", Some(Language::Es)),
            ("", None),
            ("-", None),
            ("ptx", None),
            ("pt_BR", None),
            ("fr", None),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn what_is_asked_for_together_has_one_word_and_an_order() {
        use Eligibility::{Gateway, Open, ProofOfWork, Voter, VoterAndProofOfWork};
        for (words, all) in [
            (&[Open][..], Some(Open)),
            (&[Voter], Some(Voter)),
            (&[Voter, ProofOfWork], Some(VoterAndProofOfWork)),
            (&[ProofOfWork, Voter], Some(VoterAndProofOfWork)),
            (&[], None),
            (&[Voter, Voter], None),
            (&[Open, Voter], None),
            (&[Gateway], Some(Gateway)),
            (&[Gateway, Voter], None),
            (&[Voter, ProofOfWork, Voter], None),
        ] {
            assert_eq!(Eligibility::all_of(words), all, "{words:?}");
        }
        for (n, one) in Eligibility::ALL.iter().enumerate() {
            for (m, other) in Eligibility::ALL.iter().enumerate() {
                let compares = *one != Gateway && *other != Gateway;
                assert_eq!(
                    one.is_harder_than(*other),
                    compares && n > m,
                    "{one} {other}"
                );
            }
        }
        assert!(!Gateway.asks_for_proof() && !Gateway.asks_for_voter() && Gateway.knows_voters());
        assert!(VoterAndProofOfWork.asks_for_proof() && VoterAndProofOfWork.asks_for_voter());
    }
}
