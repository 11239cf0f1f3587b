//! Pages that are made ahead, in each language: once per revision, however many look at them.

use std::io;

use actix_web::http::header::HeaderValue;
use vote_domain::Language;

use crate::pages::body::Body;
use crate::site::answer::HTML;
use crate::site::policy::{Reach, policy};

/// From here on the page of a poll shows figures. What comes before, two thirds of it, changes with the poll alone.
const FIGURES: &[u8] = b"<ul class=\"candidates\">";

/// A page in each language.
#[derive(Debug)]
pub(crate) struct SitePages {
    bodies: Vec<(Language, Body)>,
    /// In which language it is answered where none is asked for.
    own: Language,
    /// What browsers let it do.
    policy: HeaderValue,
}

impl SitePages {
    /// Makes a page in each language. What `known`, the pages before these, say as well is not compressed again.
    ///
    /// # Errors
    /// Those of `make`, and of the compressors: none, in memory.
    pub(crate) fn new(
        own: Language,
        reach: Reach<'_>,
        cache_control: &HeaderValue,
        known: Option<&Self>,
        make: impl Fn(Language) -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let bodies = Language::ALL.iter().map(|language| {
            let content = make(*language)?;
            let known = known.and_then(|known| known.body(Some(*language)));
            let lasting = 0..figures(&content).unwrap_or(0);
            let body = Body::with_lasting(content, lasting, known, HTML, cache_control.clone())?;
            Ok((*language, body))
        });
        Ok(Self {
            bodies: bodies.collect::<io::Result<_>>()?,
            own,
            policy: policy(reach),
        })
    }

    /// The body in a language, or in its own; none only where it was made in none.
    pub(crate) fn body(&self, asked: Option<Language>) -> Option<&Body> {
        let language = asked.unwrap_or(self.own);
        let found = self.bodies.iter().find(|(of, _)| *of == language);
        found.map(|(_, body)| body)
    }

    /// What browsers let it do.
    pub(crate) const fn policy(&self) -> &HeaderValue {
        &self.policy
    }
}

/// Where the figures of a page begin; none in a page without.
fn figures(content: &[u8]) -> Option<usize> {
    let mut places = content.windows(FIGURES.len());
    places.position(|place| place == FIGURES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::view::{View, tests_freshness};
    use crate::samples::{confirmed, opens_at, snapshot};
    use crate::site;

    #[test]
    fn only_what_comes_after_the_mark_changes_with_the_figures() {
        let page = |votes| {
            let mut snapshot = snapshot(&[(0, 0, votes)]);
            snapshot.received_at = Some(opens_at());
            let confirmed = confirmed(snapshot, opens_at());
            let view = View::new(&confirmed, opens_at(), tests_freshness());
            let page = site::poll::page(&confirmed.snapshot, &view, Language::Pt, None);
            page.expect("written")
        };
        let (one, other) = (page(3), page(4711));
        assert_ne!(one, other);
        let place = figures(&one).expect("a mark");
        assert!(place > one.len() / 2, "{place}");
        assert_eq!(one[..place], other[..place]);
    }
}
