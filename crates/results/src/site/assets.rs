//! The built assets as they are served: compressed once, at the start, and kept by caches for ever.

use std::collections::HashMap;
use std::io;

use actix_web::http::header::HeaderValue;
use vote_site::ASSETS;

use crate::pages::body::{Body, Effort};

/// Another content has another name.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The assets, by their names.
#[derive(Debug)]
pub(crate) struct SiteAssets(HashMap<&'static str, Body>);

impl SiteAssets {
    /// Compresses them.
    ///
    /// # Errors
    /// Those of the compressors: none, in memory.
    pub(crate) fn new() -> io::Result<Self> {
        let bodies = ASSETS.iter().map(|asset| {
            let body = Body::new(
                asset.text.as_bytes().to_vec(),
                media_type(asset.name),
                FOR_EVER,
                Effort::Ahead,
            )?;
            Ok((asset.name, body))
        });
        bodies.collect::<io::Result<_>>().map(Self)
    }

    /// The asset of that name. Of another version, which another process has, there is none.
    pub(crate) fn get(&self, name: &str) -> Option<&Body> {
        self.0.get(name)
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}
