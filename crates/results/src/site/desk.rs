//! The shell of production's desk: the script that asks for the token, and no figure.
//!
//! A browser can't send a token in a header when somebody follows a link, and a token in an address would be in its history
//! and in the logs of every proxy. So the page itself is public and empty, the same for every poll, whether or not there is
//! one; the script asks with the token for what it shows.

use std::io;

use actix_web::http::header::HeaderValue;
use askama::Template;

use crate::pages::body::{Body, Effort};
use crate::site::answer::HTML;

/// Own scripts and styles alone, questions to this service alone, and no form that is sent anywhere.
pub(crate) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'self'; form-action 'none'; img-src 'self'",
);

#[derive(Debug, Template)]
#[template(path = "desk.html")]
struct Shell;

/// The page, compressed once. It names assets of this version, so that caches ask each time whether it is still the newest.
///
/// # Errors
/// Those of the template and the compressors: none.
pub(crate) fn shell() -> io::Result<Body> {
    let text = Shell.render().map_err(io::Error::other)?;
    let cache_control = HeaderValue::from_static("no-cache");
    Body::new(text.into_bytes(), HTML, cache_control, Effort::Ahead)
}
