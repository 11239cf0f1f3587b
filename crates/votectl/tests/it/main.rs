//! `votectl` as it is run: the binary, a real Redis, the real services.
#![expect(
    clippy::expect_used,
    reason = "a helper that can't go on fails its test"
)]

mod annulment;
mod backup;
mod changes;
mod demo;
mod dev;
mod doctor;
mod drafts;
mod ended;
mod feed_tokens;
mod graphics;
mod journal;
mod listing;
mod load;
mod long_polls;
mod on_air;
mod options;
mod polls;
mod push;
mod quarantine;
mod readme;
mod receipts;
mod replay;
mod sealing;
mod slot_moves;
mod smoke;
mod support;
mod two_operators;
mod unconfirmed;
mod withdrawal;
mod written;
