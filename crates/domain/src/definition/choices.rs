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
