//! What happens at a request: who asks, for which poll, in which format and coding.

pub(crate) mod access;
pub(crate) mod feed_tokens;
pub(crate) mod find;
pub(crate) mod negotiate;
pub(crate) mod respond;
