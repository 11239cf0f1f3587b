//! The process around our code: its clock and its randomness; and, with the feature `service`, what both services
//! read and say outside HTTP: settings, logs, traces, the process' own metrics.
#![forbid(unsafe_code)]

pub mod entropy;
#[cfg(feature = "service")]
pub mod sampling;
pub mod secret_file;
#[cfg(feature = "service")]
pub mod settings;
#[cfg(feature = "service")]
pub mod telemetry;

mod clock;
#[cfg(feature = "service")]
mod log;
#[cfg(all(feature = "service", target_os = "linux"))]
pub mod process_metrics;

pub use self::clock::SystemClock;
#[cfg(feature = "service")]
pub use self::settings::{ServiceName, Settings};
pub use vote_domain::Secret;
