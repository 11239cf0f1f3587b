//! The problems that a vote can meet.

vote_http::problem_groups! {
    /// Of every operation that takes votes.
    pub(crate) VoteProblems = [
        MalformedBody, MalformedPollId, InvalidQuery, InvalidIdempotencyKey, IdempotencyKeyRequired,
        VoterTokenRequired, InvalidVoterToken, EligibilityNotAvailable, VoteLimitReached, UnknownPoll, RequestTimeout, PollNotOpen, PollPaused,
        PollClosed, PollVoid, BodyTooLarge, UnsupportedMediaType, UnsupportedContentEncoding, UnknownCandidate, CandidateWithdrawn, UnknownChannel,
        DirectionMismatch, IdempotencyKeyReused, RateLimited, Overloaded, NotRecorded, StoreUnavailable, VoterKeysUnavailable, OutcomeUnknown,
    ];
}
