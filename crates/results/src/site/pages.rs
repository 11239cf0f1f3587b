//! Pages that are made ahead, in each language: once per revision, however many look at them.

use std::io;

use actix_web::http::header::HeaderValue;
use vote_domain::Language;

use crate::pages::body::{Body, Effort};
use crate::site::answer::HTML;
use crate::site::policy::{Reach, policy};

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
    /// Makes a page in each language.
    ///
    /// # Errors
    /// Those of `make`, and of the compressors: none, in memory.
    pub(crate) fn new(
        own: Language,
        reach: Reach<'_>,
        cache_control: &HeaderValue,
        make: impl Fn(Language) -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let bodies = Language::ALL.iter().map(|language| {
            let content = make(*language)?;
            let body = Body::new(content, HTML, cache_control.clone(), Effort::Ahead)?;
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
