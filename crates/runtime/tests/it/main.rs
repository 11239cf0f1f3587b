//! Tests of the settings as a service reads them.
#![cfg(feature = "service")]
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod fields;
mod settings;
