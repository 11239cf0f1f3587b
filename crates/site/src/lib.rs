//! The site's pages: their scripts and style sheets, built in as `make web` has made them, and their words in each language.
//!
//! vote-results serves the assets and makes the pages; vote-ingest says in the same words what became of a vote that came
//! as a form.

#![forbid(unsafe_code)]

mod assets;
pub mod words;

pub use self::assets::*;
