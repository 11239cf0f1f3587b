//! One vote: whether it is taken, what it is known by, and the receipt for it.

pub(crate) mod admission;
pub(crate) mod digest;
pub(crate) mod idempotency_key;
pub(crate) mod period;
pub(crate) mod receipt;
pub(crate) mod writer;
