//! The supervisor behind `votectl dev` and `make run`: it starts Redis and both services on this machine, waits until they
//! are ready, and stops them in order.
#![forbid(unsafe_code)]

pub mod guard;

mod addresses;
mod child;
mod data_dir;
mod desk_token;
mod error;
mod gateway;
mod host;
mod names;
mod options;
mod pidfile;
mod ports;
mod signals;
mod specs;
mod supervisor;
mod voter_key;

pub use self::error::DevError;
pub use self::host::{Host, Ready};
pub use self::options::Options;
pub use self::supervisor::run;
