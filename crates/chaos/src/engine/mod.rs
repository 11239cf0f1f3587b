//! What every scenario is made of: processes, a load, faults that end, and the proof from outside.

pub(crate) mod findings;
pub(crate) mod load;
pub(crate) mod plot;
pub(crate) mod probe;
pub(crate) mod promises;
pub(crate) mod scene;
pub(crate) mod stage;

mod client;
mod client_record;
mod fleet;
mod key_states;
mod look_up;
mod metrics;
mod poll;
mod proof;
mod published;
mod service;
mod stall;
