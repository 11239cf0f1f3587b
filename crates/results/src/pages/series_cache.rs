//! Series that were asked for, of one poll and revision: each is made once, as long as all that are kept have room.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::documents::series::{SeriesPart, Step};
use crate::formats::format::Format;
use crate::pages::body::Body;
use crate::pages::room::{KEPT, Room};

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

    /// Lets go of the oldest, until what is kept of all polls has room: in the end of the one that was just made.
    pub(crate) fn keep_within(&self, room: &Room) {
        let mut retained = self.0.lock();
        while room.used() > KEPT && retained.pop_front().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use vote_http::ProblemCode;

    use super::*;
    use crate::documents::series::Bounds;
    use crate::formats;
    use crate::pages::body::Effort;
    use crate::pages::on_demand::OnDemand;

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

    fn large() -> std::io::Result<Body> {
        let caching = actix_web::http::header::HeaderValue::from_static("no-store");
        Body::new(
            vec![b' '; 10 << 20],
            "text/plain",
            caching,
            Effort::OnDemand,
        )
    }

    #[tokio::test]
    async fn what_is_kept_of_all_polls_has_a_bound_in_bytes_and_what_is_sent_another() {
        // With what it is compressed to.
        let size = large().expect("made").size();
        let (here, elsewhere) = (SeriesCache::default(), SeriesCache::default());
        let maker = OnDemand::new("too many");
        let ask = async |cache: &SeriesCache, zone: &str| {
            let cell = cache.cell(&key(zone));
            let body = maker.get(&cell, large).await;
            cache.keep_within(&maker.room);
            body
        };
        for zone in ["0", "1", "2"] {
            ask(&here, zone).await.expect("made");
        }
        assert_eq!(maker.room.used(), 3 * size);
        // Of another poll: it is answered, and not kept, since all that is kept is not its own.
        let answered = ask(&elsewhere, "0").await.expect("made");
        assert_eq!(answered.size(), size);
        assert!(elsewhere.0.lock().is_empty());
        assert_eq!(maker.room.used(), 4 * size, "while it is sent");
        drop(answered);
        assert_eq!(maker.room.used(), 3 * size);
        // Of the same poll: the oldest makes room.
        ask(&here, "3").await.expect("made");
        let zones: Vec<String> = here
            .0
            .lock()
            .iter()
            .map(|(key, _)| key.part.zone_name.clone())
            .collect();
        assert_eq!(zones, ["1", "2", "3"]);

        // Readers who are slow to take what was made for them: their bytes, not only ours.
        let mut taking = Vec::new();
        for number in 0..4 {
            let body = ask(&here, &format!("slow {number}")).await.expect("made");
            taking.push(body.identity.bytes.clone());
        }
        assert!(here.0.lock().is_empty());
        let mut refused = 0;
        for number in 4..12 {
            match ask(&here, &format!("slow {number}")).await {
                Ok(body) => taking.push(body.identity.bytes.clone()),
                Err(problem) => {
                    assert_eq!(problem.code(), ProblemCode::TooManyRequests);
                    refused += 1;
                }
            }
        }
        assert_eq!((taking.len(), refused), (7, 5), "up to 64 MiB");
        taking.clear();
        assert_eq!(maker.room.used(), 0);
    }
}
