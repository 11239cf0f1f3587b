//! What is published: bodies that are made and compressed once per revision, and taken by whoever asks.

pub(crate) mod board;
pub(crate) mod body;
mod compress;
pub(crate) mod confirmation;
mod current;
pub(crate) mod feed_pages;
pub(crate) mod held;
mod lasting;
pub(crate) mod maker;
pub(crate) mod on_demand;
pub(crate) mod page;
pub(crate) mod published;
pub(crate) mod renderer;
pub(crate) mod room;
pub(crate) mod series_cache;
pub(crate) mod series_maker;
mod series_renderer;
