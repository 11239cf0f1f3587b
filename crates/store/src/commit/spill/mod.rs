//! A spill: the accepted votes that a process has left behind because Redis may not have them, as a file from which
//! they are recorded after all. docs/spill.md says what is in it.

mod document;
mod error;
mod lane;
mod log;
mod read;
mod replay;
mod write;

pub use document::MAX_SPILL_BYTES;
pub use error::SpillError;
pub(super) use lane::SpilledBatch;
pub use lane::{Spill, SpilledLane};
pub use log::SpillPart;
pub use read::{SpillHead, WrittenSpill};
pub(crate) use replay::LaneReplay;
pub use replay::{ReplayError, ReplayReport};
