//! The problems that a vote can meet.

vote_http::problem_groups! {
    /// Of every operation that takes votes.
    pub(crate) VoteProblems = [
        MalformedBody, MalformedPollId, InvalidQuery, InvalidIdempotencyKey, IdempotencyKeyRequired,
        VoterTokenRequired, InvalidVoterToken, EligibilityNotAvailable, ProofRequired, GatewayRequired, VoteLimitReached, UnknownPoll, RequestTimeout, PollNotOpen,
        PollPaused, PollClosed, PollVoid, BodyTooLarge, UnsupportedMediaType, UnsupportedContentEncoding, UnknownCandidate, CandidateWithdrawn,
        UnknownChannel, DirectionMismatch, IdempotencyKeyReused, ProofInvalid, ProofMismatch, ProofExpired, ProofUsed, RateLimited, Overloaded,
        NotRecorded, StoreUnavailable, VoterKeysUnavailable, OutcomeUnknown,
    ];
    /// Of a batch as a whole. Each of its lines has its own answer.
    pub(crate) BatchProblems = [
        MalformedPollId, InvalidQuery, Unauthorized, UnknownPoll, BodyTooLarge, UnsupportedMediaType, UnsupportedContentEncoding,
        RateLimited, Overloaded, StoreUnavailable,
    ];
    /// Of the one that gives challenges.
    pub(crate) ChallengeProblems = [
        MalformedPollId, InvalidQuery, InvalidIdempotencyKey, IdempotencyKeyRequired, VoterTokenRequired, InvalidVoterToken,
        EligibilityNotAvailable, UnknownPoll, NoProofAsked, PollClosed, PollVoid, UnknownChannel, RateLimited, Overloaded, NotRecorded,
        StoreUnavailable, VoterKeysUnavailable,
    ];
}
