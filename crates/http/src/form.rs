//! Bodies of HTML forms: `application/x-www-form-urlencoded` (WHATWG URL, section 5).

use std::borrow::Cow;

use actix_web::Error;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use url::form_urlencoded;

use crate::problem::{Problem, ProblemCode, echo};

/// A field's name and value, decoded.
pub type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The fields of a form, decoded. What is no UTF-8 becomes U+FFFD, which is in no id of ours.
///
/// # Errors
/// `unsupported-media-type`, where the body is no form; `malformed-body`, where a field is not among `known`, or is given
/// twice.
pub fn fields<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    known: &[&str],
) -> Result<Vec<Field<'a>>, Problem> {
    check_content_type(headers)?;
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedBody).detail(detail);
    let mut fields: Vec<Field<'a>> = Vec::new();
    for (name, value) in form_urlencoded::parse(body) {
        if !known.contains(&name.as_ref()) {
            let name = echo(&name);
            return Err(malformed(format!(
                "The field {name} is unknown: the form has {}.",
                known.join(", ")
            )));
        }
        // At most as many are kept as are known.
        if fields.iter().any(|(before, _)| *before == name) {
            return Err(malformed(format!("The field {name} is given twice.")));
        }
        fields.push((name, value));
    }
    Ok(fields)
}

/// The value of a field, where it is there.
#[must_use]
pub fn value<'f>(fields: &'f [Field<'_>], name: &str) -> Option<&'f str> {
    let found = fields.iter().find(|(of, _)| of == name);
    found.map(|(_, value)| value.as_ref())
}

/// The same of one that has to be there.
///
/// # Errors
/// `malformed-body`.
pub fn required<'f>(fields: &'f [Field<'_>], name: &str) -> Result<&'f str, Problem> {
    value(fields, name).ok_or_else(|| {
        Problem::new(ProblemCode::MalformedBody).detail(format!("The field {name} is missing."))
    })
}

/// Why a body could not be read, from the error of its extractor.
#[must_use]
pub fn unread(error: &Error) -> Problem {
    let known = error.as_error::<Problem>().map(Problem::code);
    let is_too_large = error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE;
    let otherwise = if is_too_large {
        ProblemCode::BodyTooLarge
    } else {
        ProblemCode::MalformedBody
    };
    known.unwrap_or(otherwise).into()
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    match essence {
        Some(essence)
            if essence
                .trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded") =>
        {
            Ok(())
        }
        _ => Err(Problem::new(ProblemCode::UnsupportedMediaType)
            .detail("A form is sent with Content-Type application/x-www-form-urlencoded.")),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 2] = ["candidate", "key"];

    fn headers(content_type: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers
    }

    fn read(body: &[u8]) -> Result<Vec<Field<'_>>, Problem> {
        fields(&headers("application/x-www-form-urlencoded"), body, &KNOWN)
    }

    #[test]
    fn fields_are_decoded() {
        let read = read(b"candidate=an%61&key=a+b%2Bc").expect("a form");
        assert_eq!(value(&read, "candidate"), Some("ana"));
        assert_eq!(value(&read, "key"), Some("a b+c"));
        assert_eq!(value(&read, "lang"), None);
        assert!(required(&read, "lang").is_err());
        for content_type in [
            "application/x-www-form-urlencoded; charset=UTF-8",
            "Application/X-WWW-Form-Urlencoded",
        ] {
            assert!(fields(&headers(content_type), b"", &KNOWN).is_ok());
        }
    }

    #[test]
    fn what_is_no_form_of_ours_is_refused() {
        let long = "x".repeat(10_000);
        for body in [
            "candidate=ana&candidate=bia".to_owned(),
            "candidate=ana&Candidate=bia".to_owned(),
            "candidate=ana&token=x".to_owned(),
            "{\"candidate\":\"ana\"}".to_owned(),
            long,
        ] {
            let problem = read(body.as_bytes()).expect_err(&body);
            assert_eq!(problem.code(), ProblemCode::MalformedBody);
        }
        for content_type in ["", "text/plain", "multipart/form-data", "application/json"] {
            let problem = fields(&headers(content_type), b"candidate=ana", &KNOWN);
            let problem = problem.expect_err(content_type);
            assert_eq!(problem.code(), ProblemCode::UnsupportedMediaType);
        }
        let none = fields(&HeaderMap::new(), b"candidate=ana", &KNOWN);
        assert!(none.is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_no_id() {
        let read = read(b"candidate=%ff%fe&key=%00").expect("a form");
        assert_eq!(value(&read, "candidate"), Some("\u{fffd}\u{fffd}"));
    }

    proptest! {
        /// No more fields than are known are kept, of no more text than has come (U+FFFD has three bytes).
        #[test]
        fn any_bytes_are_fields_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(fields) = read(&body) {
                prop_assert!(fields.len() <= KNOWN.len());
                let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
                prop_assert!(bytes <= 3 * body.len());
            }
        }

        #[test]
        fn what_a_browser_writes_is_read_as_it_was(candidate in any::<String>(), key in any::<String>()) {
            let mut written = form_urlencoded::Serializer::new(String::new());
            written.append_pair("key", &key).append_pair("candidate", &candidate);
            let body = written.finish();
            let read = read(body.as_bytes()).expect("a form");
            prop_assert_eq!(value(&read, "candidate"), Some(candidate.as_str()));
            prop_assert_eq!(value(&read, "key"), Some(key.as_str()));
        }
    }
}
