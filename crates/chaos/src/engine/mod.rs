//! What every scenario is made of: processes, a load, faults that end, and the proof from outside.

pub(crate) mod client_record;
pub(crate) mod findings;
pub(crate) mod load;
pub(crate) mod plot;
pub(crate) mod poll;
pub(crate) mod probe;
pub(crate) mod promises;
pub(crate) mod scene;
pub(crate) mod stage;
pub(crate) mod votes;

mod client;
mod fleet;
mod key_states;
mod look_up;
mod metrics;
mod proof;
mod published;
pub(crate) mod recorded;
mod service;
mod stall;
