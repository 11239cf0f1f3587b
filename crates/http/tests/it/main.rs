//! Tests of the shared parts by a small service on real sockets.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod cors;
mod docs;
mod drain;
mod hot;
mod http;
mod plain;
mod problems;
mod process;
mod request_ids;
mod requests;
mod sampling;
mod support;
mod unread;
