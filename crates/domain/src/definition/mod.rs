//! What a poll is: its file, the rules of it, and what two versions of it differ in.

pub(crate) mod choices;
pub(crate) mod difference;
mod duration;
mod fields;
mod node;
pub(crate) mod poll_definition;
pub(crate) mod poll_file;
pub(crate) mod reapplied;
pub(crate) mod slug;
mod validate;
pub(crate) mod violation;
