//! Series that were asked for, of one poll and revision: each is made once.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::documents::series::{SeriesPart, Step};
use crate::formats::format::Format;
use crate::pages::body::Body;

/// Series that are retained for one poll and revision.
const RETAINED: usize = 32;

/// Which series, and in which format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeriesKey {
    pub(crate) step: Step,
    pub(crate) part: SeriesPart,
    pub(crate) format: &'static Format,
}

type Cell = Arc<OnceCell<Arc<Body>>>;

/// The series of one poll and revision that were asked for.
#[derive(Debug, Default)]
pub(crate) struct SeriesCache(Mutex<VecDeque<(SeriesKey, Cell)>>);

impl SeriesCache {
    /// The place of a series; the oldest one makes room for it.
    pub(crate) fn cell(&self, key: &SeriesKey) -> Cell {
        let mut retained = self.0.lock();
        if let Some((_, cell)) = retained.iter().find(|(known, _)| known == key) {
            return Arc::clone(cell);
        }
        if retained.len() == RETAINED {
            retained.pop_front();
        }
        let cell = Cell::default();
        retained.push_back((key.clone(), Arc::clone(&cell)));
        cell
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::documents::series::Bounds;
    use crate::formats;

    fn key(zone: &str) -> SeriesKey {
        SeriesKey {
            step: Step::Hour,
            part: SeriesPart {
                zone: TimeZone::UTC,
                zone_name: zone.to_owned(),
                bounds: Bounds::default(),
            },
            format: formats::DEFAULT,
        }
    }

    #[test]
    fn a_series_has_one_place_and_the_oldest_makes_room() {
        let cache = SeriesCache::default();
        let first = cache.cell(&key("0"));
        assert!(Arc::ptr_eq(&first, &cache.cell(&key("0"))));
        for i in 1..=RETAINED {
            cache.cell(&key(&i.to_string()));
        }
        assert_eq!(cache.0.lock().len(), RETAINED);
        assert!(!Arc::ptr_eq(&first, &cache.cell(&key("0"))));
    }
}
