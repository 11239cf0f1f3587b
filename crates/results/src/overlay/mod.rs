//! The overlay for browser sources, as it is served: the page, its assets, and themes from a folder.

pub(crate) mod assets;
pub(crate) mod themes;
