//! The page and its assets, which are built in: compressed once, at the start.

use std::collections::HashMap;
use std::io;

use actix_web::http::header::HeaderValue;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use vote_overlay::{ASSETS, FILES, Of, PAGE};

use crate::pages::body::{Body, Effort};

/// Bytes of the digest that names a version.
const VERSION_BYTES: usize = 8;

/// Asked for at each start of a source, and answered by 304.
const FRESH: HeaderValue = HeaderValue::from_static("public, no-cache");
/// Another content has another address.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The page and its assets.
#[derive(Debug)]
pub(crate) struct Assets {
    version: String,
    page: Body,
    files: HashMap<&'static str, Body>,
}

impl Assets {
    /// Compresses them.
    ///
    /// # Errors
    /// Those of the compressors: none, in memory.
    pub(crate) fn new() -> io::Result<Self> {
        let version = version();
        let page = PAGE.replace(ASSETS, &version);
        let files = FILES.iter().filter(|file| file.of != Of::Package);
        let files = files.map(|file| {
            let body = Body::new(
                file.text.as_bytes().to_vec(),
                media_type(file.name),
                FOR_EVER,
                Effort::Ahead,
            )?;
            Ok((file.name, body))
        });
        Ok(Self {
            page: Body::new(
                page.into_bytes(),
                "text/html; charset=utf-8",
                FRESH,
                Effort::Ahead,
            )?,
            files: files.collect::<io::Result<_>>()?,
            version,
        })
    }

    /// The page.
    pub(crate) const fn page(&self) -> &Body {
        &self.page
    }

    /// An asset of this version. Of another one, which another process has, there is none.
    pub(crate) fn file(&self, version: &str, name: &str) -> Option<&Body> {
        (version == self.version)
            .then(|| self.files.get(name))
            .flatten()
    }
}

/// Names the assets by what is in them: modules name each other without it, so it is one for all.
fn version() -> String {
    let mut digest = Sha256::new();
    for file in FILES {
        for part in [file.name, file.text] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    HEXLOWER.encode(&digest.finalize()[..VERSION_BYTES])
}

fn media_type(name: &str) -> &'static str {
    if name.ends_with(".css") {
        "text/css; charset=utf-8"
    } else {
        "text/javascript; charset=utf-8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asset_is_there_under_its_version_alone() {
        let assets = Assets::new().expect("compresses");
        for file in FILES {
            let found = assets.file(&assets.version, file.name);
            assert_eq!(found.is_some(), file.of != Of::Package, "{}", file.name);
            assert!(assets.file("0000000000000000", file.name).is_none());
        }
        assert!(assets.file(&assets.version, "../index.html").is_none());
        let page = String::from_utf8(assets.page().identity.bytes.to_vec()).expect("UTF-8");
        assert!(!page.contains(ASSETS));
        let link = format!("assets/{}/page.js", assets.version);
        assert!(page.contains(&link), "{page}");
    }
}
