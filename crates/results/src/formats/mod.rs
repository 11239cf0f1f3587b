//! The formats that documents are written in, one file each.

pub(crate) mod feeds;
pub(crate) mod format;
mod json;
#[cfg(test)]
pub(crate) mod lines;

use self::format::Format;

/// All of them: every page is made in each, and answered in the one that its reader likes best.
pub(crate) const ALL: &[&Format] = &[DEFAULT];

/// What is answered to a reader who likes none of them, or all the same.
pub(crate) const DEFAULT: &Format = &json::JSON;
