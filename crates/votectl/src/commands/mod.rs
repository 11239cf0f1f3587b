//! One file per command, and what two of them show.

pub mod annul;
pub mod audit;
mod definition;
pub mod dev;
pub mod doctor;
pub mod export;
pub mod feed_token;
pub mod figures;
pub mod gateway_token;
pub mod graphics;
pub mod import;
mod ledger;
pub mod poll;
pub mod poll_arg;
mod progress;
pub mod proof;
pub mod push;
pub mod quarantine;
pub mod receipt;
pub mod replay;
pub mod spreadsheet;
mod times;
pub mod token;
