//! One file per command.

pub mod audit;
pub mod export;
pub mod figures;
pub mod import;
pub mod poll;
pub mod receipt;
