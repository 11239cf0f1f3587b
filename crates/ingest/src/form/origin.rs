//! From which page a form comes. Any page can make a browser send a form, and the answer is shown to the voter as ours: so it
//! is taken from our own pages alone, and from those of origins that the settings name.

use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use vote_http::{Problem, ProblemCode, is_among};
use vote_runtime::Settings;

/// What browsers say of where a request comes from (Fetch Metadata). A page can't set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks it. `*` among `http.cors_allowed_origins` names no origin, and allows no form.
///
/// Without both headers the request comes from no browser of the last years: whoever writes it by hand can write anything.
///
/// # Errors
/// `cross-site-form`.
pub(crate) fn check(headers: &HeaderMap, settings: &Settings) -> Result<(), Problem> {
    let origin = headers.get(ORIGIN);
    if origin.is_some_and(|origin| is_named(origin, settings)) {
        return Ok(());
    }
    let is_ours = match headers.get(SEC_FETCH_SITE) {
        // `none`: the user's own doing, such as loading the answer again.
        Some(site) => site == "same-origin" || site == "none",
        None => origin.is_none_or(|origin| is_own(origin, headers)),
    };
    if is_ours {
        return Ok(());
    }
    Err(ProblemCode::CrossSiteForm.into())
}

fn is_named(origin: &HeaderValue, settings: &Settings) -> bool {
    let site = settings.site.url.as_deref();
    site.is_some_and(|site| origin == site) || is_among(&settings.http.cors_allowed_origins, origin)
}

/// Whether an origin is the host that was asked. Its scheme is known to the proxy in front alone.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin.split_once("://"), asked) {
        (Some(("http" | "https", host)), Some(asked)) => host.eq_ignore_ascii_case(asked),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vote_runtime::ServiceName;

    use super::*;

    fn settings(set: &[(&str, &str)]) -> Settings {
        let env = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(ServiceName::Ingest, None, env).expect("right")
    }

    fn is_taken(set: &Settings, site: &'static str, origin: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("vote.example.com"));
        for (name, value) in [(SEC_FETCH_SITE, site), (ORIGIN, origin)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        check(&headers, set).is_ok()
    }

    #[test]
    fn forms_are_taken_from_our_own_pages_alone() {
        let bare = settings(&[]);
        for (site, origin, taken) in [
            ("same-origin", "https://vote.example.com", true),
            ("same-origin", "", true),
            ("none", "", true),
            ("same-site", "https://www.example.com", false),
            ("cross-site", "https://evil.example", false),
            ("cross-site", "https://vote.example.com", false),
            ("cross-site", "null", false),
            ("nonsense", "https://vote.example.com", false),
            ("", "https://vote.example.com", true),
            ("", "https://VOTE.example.com", true),
            ("", "https://vote.example.com.evil.example", false),
            ("", "https://evil.example", false),
            ("", "null", false),
            ("", "vote.example.com", false),
            ("", "", true),
        ] {
            assert_eq!(is_taken(&bare, site, origin), taken, "{site} {origin}");
        }
    }

    #[test]
    fn the_settings_name_further_pages_and_a_star_names_none() {
        let named = settings(&[
            ("VOTE__SITE__URL", "https://www.example.com"),
            (
                "VOTE__HTTP__CORS_ALLOWED_ORIGINS",
                "https://partner.example",
            ),
        ]);
        assert!(is_taken(&named, "same-site", "https://www.example.com"));
        assert!(is_taken(&named, "cross-site", "https://partner.example"));
        assert!(!is_taken(&named, "cross-site", "https://evil.example"));
        let any = settings(&[("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "*")]);
        assert!(!is_taken(&any, "cross-site", "https://evil.example"));
        assert!(!is_taken(&any, "cross-site", "*"));
        let local = settings(&[("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "http://localhost:*")]);
        assert!(is_taken(&local, "cross-site", "http://localhost:8081"));
        assert!(!is_taken(
            &local,
            "cross-site",
            "http://localhost.evil.example:8081"
        ));
    }

    proptest! {
        /// Without what browsers of today say, a page is ours only where its whole host is the one that was asked.
        #[test]
        fn any_origin_is_another_page(origin in prop::collection::vec(any::<u8>(), 0..60), host in "[a-z.]{1,20}") {
            let (Ok(value), Ok(asked)) = (HeaderValue::from_bytes(&origin), HeaderValue::from_str(&host)) else {
                return Ok(());
            };
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, value);
            headers.insert(HOST, asked);
            let set = settings(&[]);
            prop_assert!(check(&headers, &set).is_err());
            for (before, after, taken) in [("", "", true), ("x.", "", false), ("", ".x", false), ("x@", "", false), ("", "/", false)] {
                let origin = format!("https://{before}{host}{after}");
                headers.insert(ORIGIN, HeaderValue::try_from(origin).expect("a value"));
                prop_assert_eq!(check(&headers, &set).is_ok(), taken);
            }
        }
    }
}
