//! The feeds of a poll: written ahead as most ask for them, and otherwise for who asks, within a budget of bytes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use vote_domain::Visibility;

use crate::documents::feed::Feed;
use crate::documents::feed_table::{FeedTable, Layout};
use crate::documents::standing::Sight;
use crate::formats::feeds;
use crate::formats::feeds::format::FeedFormat;
use crate::pages::body::{Body, Effort};

/// Bytes of the bodies that are retained for one poll, revision and sight beside those made ahead: a hundred scenes of ten
/// candidates, each asked for in its own way.
const RETAINED_BYTES: usize = 1 << 20;

/// Bodies that are retained at most, for small ones have a cost too.
const RETAINED: usize = 256;

/// `Cache-Control` of feeds. No longer, and nothing when a proxy can't reach us: figures that production holds, or that
/// nobody confirms any more, are not to go on air from a cache.
const FEED_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=1, must-revalidate");

/// Which feed, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeedKey {
    pub(crate) format: &'static FeedFormat,
    pub(crate) layout: Layout,
}

type Cell = Arc<OnceCell<Arc<Body>>>;

/// The feeds of a poll as somebody sees it.
#[derive(Debug)]
pub(crate) struct FeedPages {
    /// What they are written from.
    pub(crate) feed: Feed,
    /// In the layout that is no other's, one of each format.
    ahead: Vec<(&'static FeedFormat, Arc<Body>)>,
    others: Mutex<VecDeque<(FeedKey, Cell)>>,
}

/// The feeds of a poll at one revision and one view.
#[derive(Debug)]
pub(crate) struct Feeds {
    whole: Arc<FeedPages>,
    /// Only where the public sees percentages alone.
    percentages: Option<Arc<FeedPages>>,
}

impl Feeds {
    /// The feeds of a poll; those that are known stay where they say the same.
    ///
    /// # Errors
    /// Those of the formats: none, for feeds.
    pub(crate) fn new(
        feed: Feed,
        visibility: Visibility,
        known: Option<&Self>,
    ) -> io::Result<Self> {
        let pages = |feed: Feed, known: Option<&Arc<FeedPages>>| match known {
            Some(known) if known.feed == feed => Ok(Arc::clone(known)),
            _ => FeedPages::new(feed).map(Arc::new),
        };
        let percentages = match visibility {
            Visibility::Percentages => {
                let known = known.and_then(|known| known.percentages.as_ref());
                Some(pages(feed.seen(Sight::Percentages), known)?)
            }
            Visibility::Public | Visibility::Embargoed => None,
        };
        let whole = pages(feed, known.map(|known| &known.whole))?;
        Ok(Self { whole, percentages })
    }

    /// As somebody sees them. Whoever is to see percentages alone is never given more.
    pub(crate) fn seen(&self, sight: Sight) -> Option<&Arc<FeedPages>> {
        match sight {
            Sight::Staff | Sight::All => Some(&self.whole),
            Sight::Percentages => self.percentages.as_ref(),
        }
    }
}

impl FeedPages {
    fn new(feed: Feed) -> io::Result<Self> {
        let table = FeedTable::new(&feed, Layout::default());
        let ahead = feeds::ALL
            .iter()
            .map(|format| Ok((*format, Arc::new(write(&table, format)?))))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            feed,
            ahead,
            others: Mutex::default(),
        })
    }

    /// The feed in a format, a row for each candidate, in the poll's order and language: what a stream sends, made once for
    /// all of its readers.
    pub(crate) fn ahead(&self, format: &FeedFormat) -> Option<&Arc<Body>> {
        let found = self.ahead.iter().find(|(known, _)| *known == format);
        found.map(|(_, body)| body)
    }

    /// The place of a body that is not made ahead; the oldest make room where they are too many, or too large.
    pub(crate) fn cell(&self, key: FeedKey) -> Cell {
        let mut retained = self.others.lock();
        if let Some((_, cell)) = retained.iter().find(|(known, _)| *known == key) {
            return Arc::clone(cell);
        }
        let mut bytes: usize = retained.iter().map(|(_, cell)| size(cell)).sum();
        while retained.len() >= RETAINED || bytes > RETAINED_BYTES {
            let Some((_, oldest)) = retained.pop_front() else {
                break;
            };
            bytes -= size(&oldest);
        }
        let cell = Cell::default();
        retained.push_back((key, Arc::clone(&cell)));
        cell
    }

    /// Writes the feed in another layout.
    ///
    /// # Errors
    /// Those of the format: none, for feeds.
    pub(crate) fn make(&self, key: FeedKey) -> io::Result<Body> {
        write(&FeedTable::new(&self.feed, key.layout), key.format)
    }
}

/// How many bytes a body takes; none before it is made.
fn size(cell: &OnceCell<Arc<Body>>) -> usize {
    cell.get().map_or(0, |body| body.size())
}

/// Feeds are small and read by machines that know gzip at most.
fn write(table: &FeedTable<'_>, format: &FeedFormat) -> io::Result<Body> {
    let content = (format.write)(table)?;
    Body::new(content, format.content_type, FEED_CACHING, Effort::OnDemand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::feed_table::Sort;
    use crate::documents::view::{View, tests_freshness};
    use crate::samples::{confirmed, opens_at, snapshot};

    fn feed(votes: u64) -> Feed {
        let confirmed = confirmed(snapshot(&[(0, 0, votes)]), opens_at());
        let view = View::new(&confirmed, opens_at(), tests_freshness());
        Feed::new(&confirmed.snapshot, &view)
    }

    fn key(rows: usize) -> FeedKey {
        FeedKey {
            format: feeds::XML,
            layout: Layout {
                rows: Some(rows),
                sort: Sort::Rank,
                language: None,
            },
        }
    }

    #[test]
    fn a_feed_that_says_the_same_is_not_written_anew() {
        let first = Feeds::new(feed(3), Visibility::Public, None).expect("written");
        let known = first.seen(Sight::All).expect("there");
        let same = Feeds::new(known.feed.clone(), Visibility::Public, Some(&first));
        assert!(Arc::ptr_eq(
            same.expect("written").seen(Sight::All).expect("there"),
            known
        ));
        let mut other = known.feed.clone();
        other.title = "Another".to_owned();
        let other = Feeds::new(other, Visibility::Public, Some(&first)).expect("written");
        assert!(!Arc::ptr_eq(other.seen(Sight::All).expect("there"), known));
    }

    #[test]
    fn counts_are_nowhere_where_only_percentages_are_seen() {
        let feeds = Feeds::new(feed(4711), Visibility::Percentages, None).expect("written");
        let pages = feeds.seen(Sight::Percentages).expect("there");
        for format in feeds::ALL {
            let body = pages.ahead(format).expect("made");
            let text = String::from_utf8_lossy(&body.identity.bytes);
            assert!(!text.contains("4711") && !text.contains("4.711"), "{text}");
        }
        let public = Feeds::new(feed(1), Visibility::Public, None).expect("written");
        assert!(public.seen(Sight::Percentages).is_none());
    }

    #[test]
    fn what_is_retained_is_bounded_in_bytes_and_in_number() {
        let pages = FeedPages::new(feed(3)).expect("written");
        let first = pages.cell(key(1));
        assert!(Arc::ptr_eq(&first, &pages.cell(key(1))));
        for rows in 2..=RETAINED + 1 {
            pages.cell(key(rows));
        }
        assert_eq!(pages.others.lock().len(), RETAINED);
        assert!(!Arc::ptr_eq(&first, &pages.cell(key(1))));

        let pages = FeedPages::new(feed(3)).expect("written");
        for rows in 1..200 {
            let key = key(1000 + rows);
            let body = Arc::new(pages.make(key).expect("written"));
            pages.cell(key).set(body).expect("empty");
            let bytes: usize = pages.others.lock().iter().map(|(_, cell)| size(cell)).sum();
            assert!(bytes < RETAINED_BYTES + (1 << 19), "{bytes}");
        }
        assert!(pages.others.lock().len() < 20);
    }
}
