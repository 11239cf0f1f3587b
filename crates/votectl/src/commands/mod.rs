//! One file per command, and what two of them show.

pub mod audit;
pub mod export;
pub mod figures;
pub mod import;
pub mod poll;
mod progress;
pub mod receipt;
