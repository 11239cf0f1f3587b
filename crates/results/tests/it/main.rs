//! The results service in this process, against a real `redis-server`.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

mod access;
mod annulled;
mod bad_input;
mod cors;
mod current;
mod desk;
mod feed_tokens;
mod feeds;
mod hostile;
mod hot;
mod http;
mod lifecycle;
mod lost;
mod on_air;
mod overdue;
mod overlay;
mod receipts;
mod replicas;
mod series;
mod site;
mod slow_readers;
mod stream;
mod support;
mod unread;
