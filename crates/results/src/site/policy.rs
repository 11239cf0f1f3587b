//! What the browser lets a page of the site do (Content Security Policy, level 3).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use actix_web::http::header::HeaderValue;
use url::Url;

/// What a page may reach beside its own origin.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// The origin of ingest, where that is another one.
    pub(crate) ingest: Option<&'a str>,
    /// The addresses of pictures.
    pub(crate) pictures: &'a [&'a str],
    /// Whether its scripts may solve challenges, in workers of its own origin. The official widget makes its elements by a policy
    /// of its own, `svelte-trusted-html`. A channel may begin to ask for proofs while the page is open, so that this is of every
    /// page that takes votes.
    pub(crate) solves: bool,
}

/// The policy of a page: own scripts and styles alone, none of them inline; requests to itself and to ingest; pictures from
/// the hosts that the poll's file names. Nobody may frame it: a page around it could make a viewer press its buttons.
pub(crate) fn policy(reach: Reach<'_>) -> HeaderValue {
    let mut text = String::from(
        "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types ",
    );
    text.push_str(if reach.solves {
        "paredao-worker svelte-trusted-html; worker-src 'self'; connect-src 'self'"
    } else {
        "'none'; connect-src 'self'"
    });
    let ingest = reach
        .ingest
        .map(|origin| format!(" {origin}"))
        .unwrap_or_default();
    let origins: BTreeSet<String> = reach
        .pictures
        .iter()
        .filter_map(|url| origin(url))
        .collect();
    text.push_str(&ingest);
    // Into a text nothing fails.
    let _ = write!(text, "; form-action 'self'{ingest}; img-src 'self'");
    for origin in origins {
        let _ = write!(text, " {origin}");
    }
    // Origins are ASCII: hosts of other scripts are written in Punycode.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The origin of an address that is one of HTTP.
fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reach: Reach<'_>) -> String {
        policy(reach).to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_page_reaches_itself_alone_where_nothing_else_is_named() {
        let text = text(Reach::default());
        assert!(text.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(text.ends_with("connect-src 'self'; form-action 'self'; img-src 'self'"));
        assert!(!text.contains("unsafe"), "{text}");
        assert!(text.contains("trusted-types 'none'") && !text.contains("worker-src"));
    }

    #[test]
    fn ingest_and_the_hosts_of_pictures_are_named_and_no_path_of_them() {
        let text = text(Reach {
            ingest: Some("https://vote.example.com"),
            pictures: &[
                "https://img.example.com/ana.png?x=1",
                "https://img.example.com/bia.png",
                "https://bücher.example:8443/c.png",
                "javascript:alert(1)",
                "data:image/png,x",
                "https://x; script-src *",
            ],
            solves: true,
        });
        assert!(
            text.ends_with(
                "connect-src 'self' https://vote.example.com; form-action 'self' https://vote.example.com; \
                 img-src 'self' https://img.example.com https://xn--bcher-kva.example:8443"
            ),
            "{text}"
        );
        assert!(text.contains("worker-src 'self'") && !text.contains("unsafe"));
    }
}
