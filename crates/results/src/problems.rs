//! The problems that operations answer with, by groups.

vote_http::problem_groups! {
    /// Of the list of polls.
    pub(crate) ListProblems = [InvalidQuery, Unauthorized, SnapshotUnavailable];
    /// Of every operation on one poll.
    pub(crate) PollProblems = [MalformedPollId, InvalidQuery, Unauthorized, UnknownPoll, SnapshotUnavailable];
    /// Of the standing.
    pub(crate) StandingProblems = [MalformedPollId, InvalidQuery, Unauthorized, FiguresRestricted, UnknownPoll, SnapshotUnavailable];
    /// Of the stream. That nothing is known yet is said within it.
    pub(crate) StreamProblems = [
        MalformedPollId, InvalidQuery, Unauthorized, FiguresRestricted, UnknownPoll, TooManyRequests
    ];
    /// Of the series.
    pub(crate) SeriesProblems = [
        MalformedPollId, InvalidQuery, InvalidTimeZone, Unauthorized, FiguresRestricted, UnknownPoll,
        TooManyRequests, SnapshotUnavailable
    ];
    /// Of production's desk.
    pub(crate) DeskProblems = [
        MalformedPollId, InvalidQuery, Unauthorized, UnknownPoll, TooManyRequests, SnapshotUnavailable
    ];
    /// Of feeds.
    pub(crate) FeedProblems = [
        MalformedPollId, InvalidQuery, Unauthorized, FiguresRestricted, UnknownPoll, TooManyRequests,
        SnapshotUnavailable
    ];
    /// Of receipts.
    pub(crate) ReceiptProblems = [InvalidReceipt, InvalidQuery, UnknownPoll, SnapshotUnavailable];
}
