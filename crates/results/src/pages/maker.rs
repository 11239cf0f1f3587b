//! Makes the pages of a poll and of the list, where something has changed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use vote_domain::{Language, Poll, PollId, PollState, Release, Status, Visibility, wire_time};
use vote_store::{Confirmed, PollSnapshot};

use crate::documents::Document;
use crate::documents::feed::Feed;
use crate::documents::list::PollListDocument;
use crate::documents::poll::PollDocument;
use crate::documents::standing::{Sight, standing_at, standing_of_staff};
use crate::documents::view::{CHANGES, Freshness, View};
use crate::metrics::Metrics;
use crate::pages::board::PollPages;
use crate::pages::feed_pages::Feeds;
use crate::pages::page::{Pages, Subject};
use crate::pages::series_cache::SeriesCache;
use crate::site;
use crate::site::pages::SitePages;
use crate::site::policy::Reach;

/// Makes pages, and gives the known ones where they still hold.
#[derive(Debug)]
pub(crate) struct PageMaker {
    freshness: Freshness,
    metrics: Metrics,
    /// What the list of polls was last made of.
    listed: Listed,
    /// What the page of all polls was last made of, beside the list.
    home_current: Option<PollId>,
    /// The origin of ingest, where it is another one than the pages'.
    ingest: Option<String>,
}

/// What the list of polls says; it is made anew only when this changes.
#[derive(Debug, Default)]
struct Listed {
    polls: Vec<(PollId, u64, PollState, Status)>,
    is_stale: bool,
}

impl PageMaker {
    pub(crate) fn new(freshness: Freshness, metrics: Metrics) -> Self {
        Self {
            freshness,
            metrics,
            listed: Listed::default(),
            home_current: None,
            ingest: None,
        }
    }

    /// Tells where pages send votes to.
    pub(crate) fn vote_at(&mut self, ingest: Option<String>) {
        self.ingest = ingest;
    }

    /// The pages of a poll.
    ///
    /// # Errors
    /// Those of the formats.
    pub(crate) fn poll(
        &self,
        confirmed: &Confirmed,
        known: Option<&Arc<PollPages>>,
        now: Timestamp,
    ) -> io::Result<Arc<PollPages>> {
        let same = known.filter(|known| Arc::ptr_eq(&known.snapshot, &confirmed.snapshot));
        let view = View::new(confirmed, now, self.freshness);
        let confirmation = known.map_or_else(Arc::default, |known| Arc::clone(&known.confirmed));
        confirmation.set(confirmed.confirmed_at);
        if let Some(same) = same.filter(|same| same.view == view) {
            return Ok(Arc::clone(same));
        }
        let snapshot = Arc::clone(&confirmed.snapshot);
        let poll = self.poll_itself(&snapshot, &view, known)?;
        let pages = Arc::new(poll.and(self.standings(&snapshot, &view)?));
        let feeds = self.feeds(&snapshot, &view, known)?;
        let site = self.site(&snapshot, &view, known)?;
        Ok(Arc::new(PollPages {
            pages,
            site,
            feeds,
            series: known.map_or_else(Arc::default, |known| Arc::clone(&known.series)),
            cache: SeriesCache::default(),
            desk: OnceCell::new(),
            reads: known.map_or_else(
                || Arc::new(self.metrics.reads(snapshot.poll.definition.id())),
                |known| Arc::clone(&known.reads),
            ),
            confirmed: confirmation,
            snapshot,
            view,
        }))
    }

    /// The poll itself; it stays where only figures have changed.
    fn poll_itself(
        &self,
        snapshot: &PollSnapshot,
        view: &View,
        known: Option<&Arc<PollPages>>,
    ) -> io::Result<Pages> {
        let said = |snapshot: &PollSnapshot, view: &View| {
            let revision = snapshot.poll.revision;
            (revision, view.state, view.status, view.poll_as_of)
        };
        let same = known.filter(|known| said(&known.snapshot, &known.view) == said(snapshot, view));
        if let Some(same) = same {
            return Ok(same.pages.of(Subject::Poll));
        }
        let id = snapshot.poll.definition.id().as_str();
        self.metrics.rendered(id, Subject::Poll, || {
            let document = Document::Poll(PollDocument::new(&snapshot.poll, view));
            let is_settled = snapshot.poll.release_state() == Release::Released;
            let cache_control = view.cache_control_with(is_settled);
            Pages::ahead(Subject::Poll, &document, &cache_control)
        })
    }

    fn standings(&self, snapshot: &PollSnapshot, view: &View) -> io::Result<Pages> {
        let definition = &snapshot.poll.definition;
        let whole = Subject::Standing(Sight::All);
        self.metrics.rendered(definition.id().as_str(), whole, || {
            let standing = standing_at(snapshot, view);
            let percentages = match definition.visibility() {
                Visibility::Percentages => {
                    let document = Document::Standing(standing.without_counts());
                    let subject = Subject::Standing(Sight::Percentages);
                    Pages::ahead(subject, &document, &view.cache_control())?
                }
                Visibility::Public | Visibility::Embargoed => Pages::default(),
            };
            let of_staff = standing_of_staff(&standing, snapshot);
            let document = Document::Standing(standing);
            let standing = Pages::ahead(whole, &document, &view.cache_control())?;
            let subject = Subject::Standing(Sight::Staff);
            let of_staff = match of_staff {
                Some(of_staff) => {
                    let document = Document::Standing(of_staff);
                    Pages::ahead(subject, &document, &view.cache_control())?
                }
                None => standing.also_as(subject),
            };
            Ok(standing.and(of_staff).and(percentages))
        })
    }

    fn feeds(
        &self,
        snapshot: &PollSnapshot,
        view: &View,
        known: Option<&Arc<PollPages>>,
    ) -> io::Result<Arc<Feeds>> {
        let visibility = snapshot.poll.definition.visibility();
        self.metrics.timed(Subject::Feed, || {
            let known = known.map(|known| &*known.feeds);
            let feed = Feed::new(snapshot, view);
            Feeds::new(feed, visibility, known).map(Arc::new)
        })
    }

    /// The page for people.
    fn site(
        &self,
        snapshot: &PollSnapshot,
        view: &View,
        known: Option<&Arc<PollPages>>,
    ) -> io::Result<SitePages> {
        let definition = &snapshot.poll.definition;
        let ingest = self.ingest.as_deref();
        let candidates = definition.candidates().iter();
        let pictures: Vec<&str> = candidates
            .filter_map(|candidate| candidate.image_url.as_deref())
            .collect();
        let reach = Reach {
            ingest,
            pictures: &pictures,
            solves: true,
        };
        self.metrics.timed(Subject::Site, || {
            SitePages::new(
                definition.language(),
                reach,
                &view.cache_control_with(snapshot.poll.release_state() != Release::Held),
                known.map(|known| &known.site),
                |language| site::poll::page(snapshot, view, language, ingest),
            )
        })
    }

    /// The page of all polls. It is made anew with the list, and where another poll is the current one.
    ///
    /// # Errors
    /// Those of the template: none.
    pub(crate) fn home(
        &mut self,
        polls: &BTreeMap<PollId, Arc<PollPages>>,
        current: Option<&PollId>,
        known: Option<&Arc<SitePages>>,
        is_new_list: bool,
    ) -> io::Result<Arc<SitePages>> {
        let is_same = !is_new_list && self.home_current.as_ref() == current;
        if let Some(known) = known.filter(|_| is_same) {
            return Ok(Arc::clone(known));
        }
        let is_stale = self.listed.is_stale;
        let own = current.and_then(|id| polls.get(id));
        let own = own.map(|pages| pages.snapshot.poll.definition.language());
        let cache_control = HeaderValue::from_static(list_caching(is_stale));
        let home = self.metrics.timed(Subject::Site, || {
            let own = own.unwrap_or(Language::DEFAULT);
            SitePages::new(own, Reach::default(), &cache_control, None, |language| {
                site::list::page(polls, current, is_stale, language)
            })
        })?;
        self.home_current = current.cloned();
        Ok(Arc::new(home))
    }

    /// The list of polls.
    ///
    /// # Errors
    /// Those of the formats.
    pub(crate) fn list(
        &mut self,
        polls: &BTreeMap<PollId, Arc<PollPages>>,
        known: Option<&Arc<Pages>>,
        is_stale: bool,
    ) -> io::Result<Arc<Pages>> {
        if let Some(known) = known.filter(|_| self.listed.is_of(polls, is_stale)) {
            return Ok(Arc::clone(known));
        }
        let cache_control = HeaderValue::from_static(list_caching(is_stale));
        let list = |subject, is_listed: fn(&Poll) -> bool| {
            self.metrics.rendered("", subject, || {
                let pages = polls.values();
                let listed = pages.filter(|pages| is_listed(&pages.snapshot.poll));
                let newest = listed.clone().map(|pages| pages.view.poll_as_of).max();
                let document = Document::List(PollListDocument {
                    as_of: wire_time::format(newest.unwrap_or(Timestamp::UNIX_EPOCH)),
                    stale: is_stale,
                    polls: listed
                        .map(|pages| PollDocument::new(&pages.snapshot.poll, &pages.view))
                        .collect(),
                });
                Pages::ahead(subject, &document, &cache_control)
            })
        };
        let mut pages = polls.values();
        let announced = if pages.all(|pages| pages.snapshot.poll.is_announced()) {
            Pages::default()
        } else {
            list(Subject::AnnouncedPolls, Poll::is_announced)?
        };
        // Last, so that it is its size that the metric tells.
        let all = list(Subject::AllPolls, |_any| true)?;
        self.listed = Listed::new(polls, is_stale);
        Ok(Arc::new(all.and(announced)))
    }
}

/// How long caches may keep what is said of all polls.
const fn list_caching(is_stale: bool) -> &'static str {
    if is_stale {
        "public, max-age=1"
    } else {
        CHANGES
    }
}

impl Listed {
    fn new(polls: &BTreeMap<PollId, Arc<PollPages>>, is_stale: bool) -> Self {
        Self {
            polls: rows(polls)
                .map(|(id, revision, state, status)| (id.clone(), revision, state, status))
                .collect(),
            is_stale,
        }
    }

    /// Whether it is what the list of these polls says; asked at every tick, and so without a copy of them.
    fn is_of(&self, polls: &BTreeMap<PollId, Arc<PollPages>>, is_stale: bool) -> bool {
        let known = self.polls.iter();
        let known = known.map(|(id, revision, state, status)| (id, *revision, *state, *status));
        self.is_stale == is_stale && known.eq(rows(polls))
    }
}

fn rows(
    polls: &BTreeMap<PollId, Arc<PollPages>>,
) -> impl Iterator<Item = (&PollId, u64, PollState, Status)> {
    polls.iter().map(|(id, pages)| {
        let (poll, view) = (&pages.snapshot.poll, &pages.view);
        (id, poll.revision, view.state, view.status)
    })
}
