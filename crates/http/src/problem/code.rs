//! The table of all problems: code, status, title and what to do. Clients rely on the codes.

use actix_web::http::StatusCode;

macro_rules! problems {
    ($($variant:ident = $code:literal, $status:ident, $title:literal, $retry:expr, $description:literal;)+) => {
        /// Every kind of problem that either service answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum ProblemCode {
            $(#[doc = $description] $variant,)+
        }

        impl ProblemCode {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name: `code` in the body and the last part of its `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The URI reference that is the body's `type`.
            #[must_use]
            pub const fn type_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("/problems/", $code),)+ }
            }

            /// The HTTP status that it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// A short summary that never changes from case to case.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What happened and what to do; also the `detail` of a problem that has none of its own.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)+ }
            }

            /// Seconds that a client should wait before it tries again, unless the case says otherwise.
            #[must_use]
            pub const fn retry_after_s(self) -> Option<u32> {
                match self { $(Self::$variant => $retry,)+ }
            }
        }
    };
}

problems! {
    MalformedBody = "malformed-body", BAD_REQUEST, "Malformed body", None,
        "The body is not the JSON that the operation takes.";
    MalformedPollId = "malformed-poll-id", BAD_REQUEST, "Malformed poll id", None,
        "The poll's id in the path is not 1 to 64 of a-z, 0-9, - and _, starting with a letter or digit.";
    InvalidPath = "invalid-path", BAD_REQUEST, "Invalid path", None,
        "A part of the path can't be read.";
    InvalidQuery = "invalid-query", BAD_REQUEST, "Invalid query", None,
        "A query parameter is unknown, repeated or has a wrong value.";
    InvalidTimeZone = "invalid-time-zone", BAD_REQUEST, "Invalid time zone", None,
        "The time zone is not a name of the IANA database, such as America/Sao_Paulo.";
    InvalidIdempotencyKey = "invalid-idempotency-key", BAD_REQUEST, "Invalid Idempotency-Key", None,
        "The Idempotency-Key is not 1 to 255 visible ASCII characters.";
    IdempotencyKeyRequired = "idempotency-key-required", BAD_REQUEST, "Idempotency-Key required", None,
        "This service takes only votes with an Idempotency-Key. Send one, and the same at every retry.";
    InvalidReceipt = "invalid-receipt", BAD_REQUEST, "Invalid receipt", None,
        "The text is not a receipt, or was not signed by this system.";
    BadRequest = "bad-request", BAD_REQUEST, "Bad request", None,
        "The request can't be understood.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "Unauthorized", None,
        "A valid bearer token is required.";
    VoterTokenRequired = "voter-token-required", UNAUTHORIZED, "Voter token required", None,
        "The channel asks who votes: send a voter token as `Authorization: Bearer TOKEN`. The vote was not recorded.";
    InvalidVoterToken = "invalid-voter-token", UNAUTHORIZED, "Invalid voter token", None,
        "The voter token is not valid, or not any more; the vote was not recorded. Get a new one.";
    FiguresRestricted = "figures-restricted", FORBIDDEN, "Figures restricted", None,
        "These figures are not public. They need a bearer token of production or broadcast.";
    Forbidden = "forbidden", FORBIDDEN, "Forbidden", None,
        "The bearer token does not allow this.";
    EligibilityNotAvailable = "eligibility-not-available", FORBIDDEN, "Eligibility can't be checked", None,
        "The channel asks for a voter token, which can't be checked here or can't be sent in this way; the vote was not recorded.";
    ProofRequired = "proof-required", FORBIDDEN, "Proof of work required", None,
        "The channel asks for a proof of work: get a challenge, solve it, and send it as `proof`. The vote was not recorded.";
    GatewayRequired = "gateway-required", FORBIDDEN, "Gateway required", None,
        "The channel takes votes by gateways alone, in batches and with a gateway's token; the vote was not recorded.";
    ChannelNotAllowed = "channel-not-allowed", FORBIDDEN, "Channel not allowed", None,
        "The gateway may not vote by this channel; the vote was not recorded.";
    VoteLimitReached = "vote-limit-reached", FORBIDDEN, "Vote limit reached", None,
        "The voter has used all votes that the channel allows; this one was not recorded.";
    PreflightRefused = "preflight-refused", FORBIDDEN, "Preflight refused", None,
        "Pages may not send this request: its origin, method or one of its headers is not allowed.";
    CrossSiteForm = "cross-site-form", FORBIDDEN, "Form of another site", None,
        "The form was sent from a page of another site, which this service does not allow; the vote was not recorded.";
    UnknownPoll = "unknown-poll", NOT_FOUND, "Unknown poll", None,
        "There is no poll of that id.";
    NotFound = "not-found", NOT_FOUND, "Not found", None,
        "There is nothing at this path. The operations are listed in /openapi.json.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed", None,
        "The path does not take this method. Those that it takes are in the Allow header.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "Request timeout", None,
        "The request took too long to arrive.";
    NoProofAsked = "no-proof-asked", CONFLICT, "No proof asked for", None,
        "The channel asks for no proof of work: vote without one.";
    PollNotOpen = "poll-not-open", CONFLICT, "Poll not open yet", None,
        "The poll has not opened yet; the vote was not recorded.";
    PollPaused = "poll-paused", CONFLICT, "Poll paused", Some(5),
        "The poll is paused; the vote was not recorded.";
    PollClosed = "poll-closed", GONE, "Poll closed", None,
        "The poll has closed; the vote was not recorded.";
    PollVoid = "poll-void", GONE, "Poll void", None,
        "The poll has been declared void; the vote was not recorded.";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "Body too large", None,
        "The body is larger than this service reads.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", None,
        "The operation takes a body of another Content-Type: application/json, or application/x-ndjson where it takes a batch.";
    UnsupportedContentEncoding = "unsupported-content-encoding", UNSUPPORTED_MEDIA_TYPE, "Unsupported content encoding", None,
        "The body must not be compressed: send it without Content-Encoding.";
    UnknownCandidate = "unknown-candidate", UNPROCESSABLE_ENTITY, "Unknown candidate", None,
        "The poll has no candidate of that id.";
    VoterRequired = "voter-required", UNPROCESSABLE_ENTITY, "Voter required", None,
        "The channel counts the votes of each voter: name one as `voter`, in 1 to 255 bytes. The vote was not recorded.";
    CandidateWithdrawn = "candidate-withdrawn", UNPROCESSABLE_ENTITY, "Candidate withdrawn", None,
        "The candidate has left the poll; the vote was not recorded. Votes for the others are taken.";
    UnknownChannel = "unknown-channel", UNPROCESSABLE_ENTITY, "Unknown channel", None,
        "The poll has no channel of that id.";
    DirectionMismatch = "direction-mismatch", UNPROCESSABLE_ENTITY, "Direction mismatch", None,
        "The vote names the other direction than the poll's: one means to eliminate, the other to save. It was not recorded.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "Idempotency-Key reused", None,
        "The Idempotency-Key was used for another vote; this one was not recorded.";
    ProofInvalid = "proof-invalid", UNPROCESSABLE_ENTITY, "Invalid proof of work", None,
        "The proof is no solved challenge of this service; the vote was not recorded. Get a new challenge and solve it.";
    ProofMismatch = "proof-mismatch", UNPROCESSABLE_ENTITY, "Proof of work for another vote", None,
        "The proof's challenge was for another poll, channel, voter or Idempotency-Key; the vote was not recorded.";
    ProofExpired = "proof-expired", UNPROCESSABLE_ENTITY, "Proof of work expired", None,
        "The proof came too late: this request recorded nothing. Get a new challenge with the same Idempotency-Key, and send the vote again with that key.";
    ProofUsed = "proof-used", UNPROCESSABLE_ENTITY, "Proof of work used", None,
        "The proof was used for another vote; this one was not recorded. Get a new challenge and solve it.";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests", Some(1),
        "Requests come faster than is allowed.";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Rate limited", Some(1),
        "Votes come from this address or its network, or by this gateway, faster than is allowed; this request recorded nothing. Try again after Retry-After, with the same Idempotency-Key.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Overloaded", Some(1),
        "Too many votes are waiting; this one was not recorded. Try again.";
    NotRecorded = "not-recorded", SERVICE_UNAVAILABLE, "Not recorded", Some(1),
        "The vote could not be sent in time: it was not recorded. Try again.";
    StoreUnavailable = "store-unavailable", SERVICE_UNAVAILABLE, "Store unavailable", Some(2),
        "The store can't be reached; nothing was recorded. Try again.";
    VoterKeysUnavailable = "voter-keys-unavailable", SERVICE_UNAVAILABLE, "Voter tokens can't be checked now", Some(2),
        "The keys of voter tokens can't be read; the vote was not recorded. Try again.";
    SnapshotUnavailable = "snapshot-unavailable", SERVICE_UNAVAILABLE, "No figures yet", Some(1),
        "The figures have not been read since this service started. Try again.";
    Draining = "draining", SERVICE_UNAVAILABLE, "Shutting down", Some(1),
        "This process is about to stop, and took nothing from the request. Try again on a new connection.";
    OutcomeUnknown = "outcome-unknown", GATEWAY_TIMEOUT, "Outcome unknown", Some(1),
        "The vote was sent, but not confirmed in time: it may have been recorded. Retry with the same Idempotency-Key.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error", None,
        "Something went wrong on our side.";
}

impl ProblemCode {
    /// The general problem of a status that some other code has answered with.
    #[must_use]
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            StatusCode::GATEWAY_TIMEOUT => Self::OutcomeUnknown,
            status if status.is_server_error() => Self::Internal,
            _ => Self::BadRequest,
        }
    }

    /// What the client is asked to show itself with (RFC 6750), where that is what is missing.
    #[must_use]
    pub(crate) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized | Self::VoterTokenRequired => Some("Bearer"),
            Self::InvalidVoterToken => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }

    /// The problem of that stable name.
    #[must_use]
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}
