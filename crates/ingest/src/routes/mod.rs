//! The operations, one file each.

pub(crate) mod cast_batch;
pub(crate) mod cast_form;
pub(crate) mod cast_vote;
pub(crate) mod challenge;
