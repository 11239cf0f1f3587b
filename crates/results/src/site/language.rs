//! In which language a page is answered: `?lang=` says it, or else the poll.
//!
//! `Accept-Language` is not looked at. Caches would keep one copy for each of its hundreds of values, which the audience of a
//! show pays for; and whoever is in a programme's audience reads its language. Each page links to itself in the others.

use actix_web::HttpRequest;
use url::form_urlencoded;
use vote_domain::Language;

/// The name of the parameter, and of the field of forms.
pub(crate) const LANG: &str = "lang";

/// The language that a request names; what is no language of ours is passed over, as is all else in the query: links to
/// pages are passed around with whatever others add to them.
pub(crate) fn asked(request: &HttpRequest) -> Option<Language> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let (_, tag) = pairs.find(|(name, _)| name == LANG)?;
    Language::of_tag(&tag)
}
