//! Votes that come as a form, from a page without scripts: where from, and what their voter is shown.

pub(crate) mod origin;
pub(crate) mod page;
