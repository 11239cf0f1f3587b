//! A gateway's batch: from its bytes to its answers. Knows of no route.

mod answer;
mod end;
mod held;
mod lines;
mod run;
mod taker;

pub(crate) use self::lines::MAX_BYTES;
pub(crate) use self::run::{Batch, Ways};
pub(crate) use self::taker::Taker;
