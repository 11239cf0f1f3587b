//! What a page is: its key, and its body.

use std::io;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;

use crate::documents::Document;
use crate::documents::series::Step;
use crate::documents::standing::Sight;
use crate::formats;
use crate::formats::format::Format;
use crate::pages::body::{Body, Effort};

/// What a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The list of polls.
    AllPolls,
    /// The list without those that are not announced; only where there are any.
    AnnouncedPolls,
    Poll,
    /// Only with as much as somebody may see.
    Standing(Sight),
    Series(Step),
    /// What graphics show.
    Feed,
    /// What production's desk shows.
    Desk,
    /// The page for people.
    Site,
}

impl Subject {
    /// The metrics' label `representation`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AllPolls | Self::AnnouncedPolls => "polls",
            Self::Poll => "poll",
            Self::Standing(_) => "results",
            Self::Series(Step::Hour) => "hourly",
            Self::Series(Step::Minute) => "minutely",
            Self::Feed => "feed",
            Self::Desk => "desk",
            Self::Site => "page",
        }
    }
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageKey {
    pub(crate) subject: Subject,
    pub(crate) format: &'static Format,
}

/// Some pages. There are few: a map would find none of them faster.
#[derive(Debug, Default)]
pub(crate) struct Pages(Vec<(PageKey, Arc<Body>)>);

impl Pages {
    /// A document in all formats, made ahead.
    ///
    /// # Errors
    /// Those of the formats: none, for the documents of this service.
    pub(crate) fn ahead(
        subject: Subject,
        document: &Document<'_>,
        cache_control: &HeaderValue,
    ) -> io::Result<Self> {
        Self::in_formats(formats::ALL, subject, document, cache_control, None)
    }

    /// The same, after others of which most will be said again.
    ///
    /// # Errors
    /// As [`Pages::ahead`].
    pub(crate) fn ahead_after(
        known: Option<&Self>,
        subject: Subject,
        document: &Document<'_>,
        cache_control: &HeaderValue,
    ) -> io::Result<Self> {
        Self::in_formats(formats::ALL, subject, document, cache_control, known)
    }

    fn in_formats(
        formats: &[&'static Format],
        subject: Subject,
        document: &Document<'_>,
        cache_control: &HeaderValue,
        known: Option<&Self>,
    ) -> io::Result<Self> {
        let page = |format: &&'static Format| {
            let key = PageKey { subject, format };
            let content = (format.write)(document)?;
            let lasting = (format.lasting)(document, &content);
            let known = known.and_then(|known| known.get(key));
            let (media_type, caching) = (format.content_type, cache_control.clone());
            let body = Body::with_lasting(content, lasting, known, media_type, caching)?;
            Ok((key, Arc::new(body)))
        };
        formats
            .iter()
            .map(page)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// These and others.
    #[must_use]
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The same bodies under another subject.
    #[must_use]
    pub(crate) fn also_as(&self, subject: Subject) -> Self {
        let renamed = self.0.iter().map(|(key, body)| {
            let format = key.format;
            (PageKey { subject, format }, Arc::clone(body))
        });
        Self(renamed.collect())
    }

    /// What is shown of one subject, in all formats.
    #[must_use]
    pub(crate) fn of(&self, subject: Subject) -> Self {
        let found = self.0.iter().filter(|(key, _)| key.subject == subject);
        Self(found.cloned().collect())
    }

    pub(crate) fn get(&self, key: PageKey) -> Option<&Body> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found.map(|(_, body)| &**body)
    }

    /// Whether something is shown here, in whatever format.
    pub(crate) fn has(&self, subject: Subject) -> bool {
        self.0.iter().any(|(key, _)| key.subject == subject)
    }
}

/// The body of a document in one format.
///
/// # Errors
/// Those of the format: none, for the documents of this service.
pub(crate) fn write(
    document: &Document<'_>,
    format: &Format,
    cache_control: &HeaderValue,
    effort: Effort,
) -> io::Result<Body> {
    let content = (format.write)(document)?;
    Body::new(content, format.content_type, cache_control.clone(), effort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::standing::standing_at;
    use crate::documents::view::{View, tests_freshness};
    use crate::formats::lines::LINES;
    use crate::samples::{confirmed, opens_at, snapshot};

    #[test]
    fn a_page_is_made_in_every_format_that_is_listed() {
        let confirmed = confirmed(snapshot(&[(0, 1, 3)]), opens_at());
        let view = View::new(&confirmed, opens_at(), tests_freshness());
        let document = Document::Standing(standing_at(&confirmed.snapshot, &view));
        let subject = Subject::Standing(Sight::All);
        let formats: [&'static Format; 2] = [formats::DEFAULT, &LINES];
        let cache_control = view.cache_control();
        let pages =
            Pages::in_formats(&formats, subject, &document, &cache_control, None).expect("made");
        let body = |format| pages.get(PageKey { subject, format }).expect("a page");
        let json = body(formats::DEFAULT);
        assert_eq!(json.content_type, "application/json");
        assert!(json.identity.bytes.starts_with(b"{\"poll\":\"paredao-01\""));
        let lines = body(&LINES);
        assert_eq!(lines.content_type, "text/plain; charset=utf-8");
        assert_eq!(lines.identity.bytes, "bia 0.00\nana 100.00");
        assert_ne!(lines.identity.etag, json.identity.etag);
        assert!(pages.has(subject) && !pages.has(Subject::Poll));
        let percentages = Subject::Standing(Sight::Percentages);
        let key = PageKey {
            subject: percentages,
            format: &LINES,
        };
        assert!(pages.get(key).is_none());
    }
}
