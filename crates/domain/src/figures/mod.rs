//! What votes add up to: tally, series, shares and standing, and the sealed result.

pub(crate) mod buckets;
pub(crate) mod canonical;
pub(crate) mod minute;
mod net;
pub(crate) mod percent;
pub(crate) mod quarantine;
pub(crate) mod recorded;
pub(crate) mod sealed;
pub(crate) mod series;
mod settled_minutes;
mod shares;
pub(crate) mod standing;
pub(crate) mod tally;
