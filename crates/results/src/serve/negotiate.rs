//! Which format and coding a client gets, and whether it has the body already (RFC 9110 §12.5.1, §12.5.3 and
//! §13.1.2).
//!
//! A header that can't be understood is passed over, and a client that accepts none of our formats or codings gets the
//! default, uncoded, rather than a refusal: §12.4.1 allows both, and a graphics system that sends nonsense
//! still has to show the standing.

use actix_web::HttpMessage;
use actix_web::http::header::{
    ACCEPT_ENCODING, Accept, AcceptEncoding, ContentEncoding, Encoding, Header as _, IF_NONE_MATCH,
    IfNoneMatch, Preference, Quality, QualityItem,
};

use crate::formats;
use crate::formats::format::Format;
use crate::pages::body::{Body, Coding, Variant};

/// What an answer depends on beside its URL. A cache must not give the public's view to production.
pub(crate) const VARY_BY: &str = if formats::ALL.len() > 1 {
    "Accept, Accept-Encoding, Authorization"
} else {
    "Accept-Encoding, Authorization"
};

/// The format that the client likes best.
pub(crate) fn choose_format(request: &impl HttpMessage) -> &'static Format {
    choose_of(formats::ALL, request)
}

fn choose_of(formats: &[&'static Format], request: &impl HttpMessage) -> &'static Format {
    if formats.len() == 1 {
        return formats::DEFAULT;
    }
    let Ok(Accept(mut listed)) = Accept::parse(request) else {
        return formats::DEFAULT;
    };
    listed.retain(|item| item.quality > Quality::ZERO);
    let mut ranges = Accept(listed).ranked().into_iter();
    let liked = ranges.find_map(|range| formats.iter().find(|format| format.is_in(&range)));
    liked.copied().unwrap_or(formats::DEFAULT)
}

/// The coding that the client likes best, of those that the body is served in.
pub(crate) fn choose<'b>(request: &impl HttpMessage, body: &'b Body) -> (Coding, &'b Variant) {
    let identity = (Coding::Identity, &body.identity);
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        return identity;
    }
    let Ok(AcceptEncoding(listed)) = AcceptEncoding::parse(request) else {
        return identity;
    };
    // Among equals the smallest body wins.
    [Coding::Brotli, Coding::Gzip, Coding::Identity]
        .into_iter()
        .filter_map(|coding| Some((coding, body.variant(coding)?, quality(&listed, coding)?)))
        .reduce(|best, next| if next.2 > best.2 { next } else { best })
        .map_or(identity, |(coding, variant, _)| (coding, variant))
}

/// How much the client likes a coding; `None` where it doesn't accept it.
fn quality(listed: &[QualityItem<Preference<Encoding>>], coding: Coding) -> Option<Quality> {
    let of = |wanted: &dyn Fn(&Preference<Encoding>) -> bool| {
        let item = listed.iter().find(|item| wanted(&item.item));
        item.map(|item| item.quality)
    };
    let named = of(&|preference| match preference {
        Preference::Specific(encoding) => is(encoding, coding),
        Preference::Any => false,
    });
    let quality = named.or_else(|| of(&|preference| matches!(preference, Preference::Any)));
    // Uncoded is always accepted, last of all, unless it is excluded.
    let unnamed = (coding == Coding::Identity).then_some(Quality::MIN);
    quality
        .or(unnamed)
        .filter(|quality| *quality > Quality::ZERO)
}

fn is(encoding: &Encoding, coding: Coding) -> bool {
    match (encoding, coding) {
        (Encoding::Known(ContentEncoding::Identity), Coding::Identity)
        | (Encoding::Known(ContentEncoding::Gzip), Coding::Gzip)
        | (Encoding::Known(ContentEncoding::Brotli), Coding::Brotli) => true,
        (Encoding::Unknown(name), Coding::Gzip) => name.eq_ignore_ascii_case("x-gzip"),
        _ => false,
    }
}

/// Whether the client has these bytes already: compared weakly, as a cache on the way may have made
/// the tag weak.
pub(crate) fn is_known(request: &impl HttpMessage, variant: &Variant) -> bool {
    let Some(given) = request.headers().get(IF_NONE_MATCH) else {
        return false;
    };
    if given == variant.etag {
        return true;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| {
            let opaque = variant.etag.as_bytes();
            opaque.len() == tag.tag().len() + 2
                && &opaque[1..=tag.tag().len()] == tag.tag().as_bytes()
        }),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use actix_web::HttpRequest;
    use actix_web::http::header::{ACCEPT, HeaderName, HeaderValue};
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::formats::lines::LINES;
    use crate::pages::body::Effort;

    fn body(effort: Effort) -> Body {
        let content = "a text that repeats".repeat(50).into_bytes();
        let cache_control = HeaderValue::from_static("");
        Body::new(content, "text/plain", cache_control, effort).expect("compresses")
    }

    #[test]
    fn the_client_gets_the_format_that_it_likes_best() {
        let formats: &[&'static Format] = &[formats::DEFAULT, &LINES];
        for (accept, format) in [
            ("", formats::DEFAULT),
            ("*/*", formats::DEFAULT),
            ("application/json", formats::DEFAULT),
            ("text/plain", &LINES),
            ("TEXT/Plain; charset=utf-8", &LINES),
            ("text/*", &LINES),
            ("text/*, */*;q=0.5", &LINES),
            ("text/plain;q=0.5, application/*", formats::DEFAULT),
            ("text/plain;q=0", formats::DEFAULT),
            ("text/html, text/plain;q=0.1, */*;q=0.01", &LINES),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8",
                formats::DEFAULT,
            ),
            ("image/png", formats::DEFAULT),
            ("text", formats::DEFAULT),
            (";;;,,", formats::DEFAULT),
        ] {
            let request = TestRequest::default().insert_header((ACCEPT, accept));
            let request = request.to_http_request();
            assert_eq!(choose_of(formats, &request), format, "{accept}");
            assert_eq!(choose_format(&request), formats::DEFAULT, "{accept}");
        }
        let none = TestRequest::default().to_http_request();
        assert_eq!(choose_of(formats, &none), formats::DEFAULT);
    }

    fn chosen(accept: &[&str], body: &Body) -> Coding {
        let mut request = TestRequest::default();
        for line in accept {
            request = request.append_header((ACCEPT_ENCODING, *line));
        }
        choose(&request.to_http_request(), body).0
    }

    #[test]
    fn the_client_gets_the_coding_that_it_likes_best() {
        let body = body(Effort::Ahead);
        for (accept, coding) in [
            ("", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("GZIP", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("br", Coding::Brotli),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip;q=1.0, br;q=0.5", Coding::Gzip),
            ("br;q=0.001, gzip;q=0.002", Coding::Gzip),
            ("br;q=0, gzip", Coding::Gzip),
            ("*", Coding::Brotli),
            ("*, br;q=0", Coding::Gzip),
            ("gzip;q=0.5, *;q=0.4", Coding::Gzip),
            ("*;q=0, gzip", Coding::Gzip),
            ("identity", Coding::Identity),
            ("identity, gzip;q=0.9", Coding::Identity),
            ("identity;q=0, gzip;q=0.1", Coding::Gzip),
            ("identity;q=0, *", Coding::Brotli),
            ("deflate", Coding::Identity),
            ("zstd, compress;q=0.5", Coding::Identity),
        ] {
            assert_eq!(chosen(&[accept], &body), coding, "{accept}");
        }
        assert_eq!(chosen(&[], &body), Coding::Identity, "no header");
        assert_eq!(chosen(&["gzip", "br;q=0.9"], &body), Coding::Gzip);
    }

    #[test]
    fn a_header_that_makes_no_sense_costs_nobody_the_body() {
        let body = body(Effort::Ahead);
        for accept in [
            "gzip;q=2",
            "gzip;q=-1",
            "gzip;q=",
            "gzip;q=0.12345",
            ";;;",
            ",,,",
            "identity;q=0",
            "*;q=0",
            "gzip;q=0, br;q=0, identity;q=0",
        ] {
            assert_eq!(chosen(&[accept], &body), Coding::Identity, "{accept}");
        }
        let long = "x, ".repeat(10_000);
        assert_eq!(chosen(&[&long], &body), Coding::Identity);
        let request = TestRequest::default()
            .insert_header((
                ACCEPT_ENCODING,
                HeaderValue::from_bytes(b"gz\xffip").expect("bytes"),
            ))
            .to_http_request();
        assert_eq!(choose(&request, &body).0, Coding::Identity);
    }

    #[test]
    fn a_coding_that_the_body_is_not_served_in_is_passed_over() {
        assert_eq!(
            chosen(&["br, gzip;q=0.1"], &body(Effort::OnDemand)),
            Coding::Gzip
        );
        assert_eq!(chosen(&["br"], &body(Effort::OnDemand)), Coding::Identity);
    }

    #[test]
    fn the_body_is_known_by_its_tag_in_a_list_weak_or_by_a_star() {
        let body = body(Effort::Ahead);
        let variant = &body.identity;
        let tag = variant.etag.to_str().expect("text").to_owned();
        let known = |given: &[u8]| {
            let value = HeaderValue::from_bytes(given).expect("a header");
            let request = TestRequest::default().insert_header((IF_NONE_MATCH, value));
            is_known(&request.to_http_request(), variant)
        };
        for given in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\", {tag}"),
            format!("\"a\",W/{tag} ,\"b\""),
            "*".to_owned(),
        ] {
            assert!(known(given.as_bytes()), "{given}");
        }
        let gzip = body.variant(Coding::Gzip).expect("gzip").etag.clone();
        for given in [
            "",
            "\"\"",
            "\"other\"",
            tag.trim_matches('"'),
            &tag[1..],
            &tag[..tag.len() - 1],
            "W/",
            "**",
            gzip.to_str().expect("text"),
        ] {
            assert!(!known(given.as_bytes()), "{given}");
        }
        assert!(!known(b"\"\xff\xfe\""));
        assert!(!known("\"x\",".repeat(10_000).as_bytes()));
    }

    fn asked(name: HeaderName, value: &[u8]) -> Option<HttpRequest> {
        let value = HeaderValue::from_bytes(value).ok()?;
        let request = TestRequest::default().insert_header((name, value));
        Some(request.to_http_request())
    }

    proptest! {
        /// Each is answered in a format and a coding that there is.
        #[test]
        fn any_header_is_answered(value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(gzip|br|identity|text/plain|application/json|\\*|/|,|;|q=|0|1|\\.|-|\"| |W/){0,60}".prop_map(String::into_bytes),
        ]) {
            static BODY: LazyLock<Body> = LazyLock::new(|| body(Effort::Ahead));
            let formats: &[&'static Format] = &[formats::DEFAULT, &LINES];
            for name in [ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH] {
                if let Some(request) = asked(name, &value) {
                    let format = choose_of(formats, &request);
                    prop_assert!(formats.contains(&format));
                    let (coding, variant) = choose(&request, &BODY);
                    prop_assert_eq!(BODY.variant(coding).map(|one| &one.etag), Some(&variant.etag));
                    let tag = variant.etag.to_str().expect("text").trim_matches('"');
                    let names_it = String::from_utf8_lossy(&value).contains(tag) || value.contains(&b'*');
                    prop_assert!(names_it || !is_known(&request, variant));
                }
            }
        }

        /// Wherever the body's tag stands among others, it is known.
        #[test]
        fn a_tag_is_found_among_any_others(
            before in prop::collection::vec("[!#-~]{0,12}", 0..6), after in prop::collection::vec("[!#-~]{0,12}", 0..6), weak in any::<bool>(),
        ) {
            static BODY: LazyLock<Body> = LazyLock::new(|| body(Effort::Ahead));
            let variant = &BODY.identity;
            let own = format!("{}{}", if weak { "W/" } else { "" }, variant.etag.to_str().expect("text"));
            let quoted = |tags: Vec<String>| tags.into_iter().map(|tag| format!("\"{tag}\""));
            let list: Vec<String> = quoted(before).chain([own]).chain(quoted(after)).collect();
            let request = asked(IF_NONE_MATCH, list.join(", ").as_bytes()).expect("a header");
            prop_assert!(is_known(&request, variant), "{list:?}");
        }
    }
}
