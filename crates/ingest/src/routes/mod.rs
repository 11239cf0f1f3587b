//! The operations, one file each.

pub(crate) mod cast_form;
pub(crate) mod cast_vote;
pub(crate) mod challenge;
