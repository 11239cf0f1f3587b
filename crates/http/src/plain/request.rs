//! What is plainly a request that writes, and what is anything else.

use std::net::IpAddr;

use opentelemetry::propagation::Extractor;

use crate::edge::{SentHeader, WriteHead, WritePath};

/// The headers that name the span of a request's caller.
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// More headers are not plain.
const HEADERS: usize = 32;

/// A request that writes, with nothing about it that actix-http or the routes would have to decode, refuse or remember.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    /// What stands for the part of its path that varies.
    pub(super) part: &'a str,
    pub(super) head: WriteHead<'a>,
    pub(super) origin: Option<&'a [u8]>,
    /// The id that its client has given to it.
    pub(super) request_id: Option<&'a [u8]>,
    /// The span of its caller.
    pub(super) trace: TraceHeaders<'a>,
    pub(super) body: &'a [u8],
}

/// What a caller says of the trace that a request belongs to. As of all headers, the first of a name counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TraceHeaders<'a> {
    parent: Option<&'a [u8]>,
    state: Option<&'a [u8]>,
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACE_PARENT => text(self.parent?),
            TRACE_STATE => text(self.state?),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        let is_there = |key: &&str| self.get(key).is_some();
        [TRACE_PARENT, TRACE_STATE]
            .into_iter()
            .filter(is_there)
            .collect()
    }
}

/// The headers of a request that matter.
#[derive(Default)]
struct Headers<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    request_id: Option<&'a [u8]>,
    trace: TraceHeaders<'a>,
}

impl<'a> Plain<'a> {
    /// The request, if these bytes are one such, whole, and nothing else. `client` says whose it is, by its headers.
    pub(super) fn parse(
        bytes: &'a [u8],
        path: WritePath,
        body_limit: usize,
        client: impl FnOnce(&[httparse::Header<'a>]) -> Option<IpAddr>,
    ) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = request.parse(bytes) else {
            return None;
        };
        if request.method != Some("POST") || request.version != Some(1) {
            return None;
        }
        let part = path.part_of(request.path?)?;
        let all = &*request.headers;
        let headers = Headers::read(all)?;
        headers.host?;
        let body = bytes.get(head..)?;
        let length = digits(headers.length?)?;
        if length == 0 || length > body_limit || length != body.len() {
            return None;
        }
        let content_type = match headers.content_type {
            Some(value) => Some(text(value)?),
            None => None,
        };
        let sent = |value: Option<&'a [u8]>| match value {
            Some(value) => text(value).map(SentHeader::Once),
            None => Some(SentHeader::Missing),
        };
        let (key, authorization) = (sent(headers.key)?, sent(headers.authorization)?);
        let user_agent = match headers.user_agent {
            Some(value) => text(value).map_or(SentHeader::NoText, SentHeader::Once),
            None => SentHeader::Missing,
        };
        Some(Self {
            part,
            head: WriteHead {
                content_type,
                key,
                authorization,
                user_agent,
                client: client(all),
            },
            origin: headers.origin,
            request_id: headers.request_id,
            trace: headers.trace,
            body,
        })
    }
}

impl<'a> Headers<'a> {
    /// `None` where one is there twice, or says something of the connection or the body that needs more than is done here.
    fn read(headers: &[httparse::Header<'a>]) -> Option<Self> {
        let mut found = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let place = match header.name.len() {
                4 if is("host") => &mut found.host,
                6 if is("origin") => &mut found.origin,
                6 if is("expect") => return None,
                7 if is("upgrade") => return None,
                10 if is("connection") => {
                    if header.value.eq_ignore_ascii_case(b"keep-alive") {
                        continue;
                    }
                    return None;
                }
                10 if is("user-agent") => &mut found.user_agent,
                10 if is(TRACE_STATE) => {
                    found.trace.state.get_or_insert(header.value);
                    continue;
                }
                11 if is(TRACE_PARENT) => {
                    found.trace.parent.get_or_insert(header.value);
                    continue;
                }
                12 if is("content-type") => &mut found.content_type,
                12 if is("x-request-id") => &mut found.request_id,
                13 if is("authorization") => &mut found.authorization,
                14 if is("content-length") => &mut found.length,
                15 if is("idempotency-key") => &mut found.key,
                16 if is("content-encoding") => return None,
                17 if is("transfer-encoding") => return None,
                _ => continue,
            };
            if place.replace(header.value).is_some() {
                return None;
            }
        }
        Some(found)
    }
}

/// A header's value, if it is visible ASCII, spaces and tabs: what actix-http takes for text.
fn text(value: &[u8]) -> Option<&str> {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    value.iter().all(is_text).then_some(())?;
    std::str::from_utf8(value).ok()
}

/// A length in digits alone, of which more than nine are too many.
fn digits(value: &[u8]) -> Option<usize> {
    let is_plain = (1..=9).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_plain.then(|| {
        let add = |sum: usize, digit: &u8| sum * 10 + usize::from(digit - b'0');
        value.iter().fold(0, add)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATH: WritePath = WritePath {
        pattern: "/v1/polls/{poll}/votes",
        before: "/v1/polls/",
        after: "/votes",
        headers: &[],
    };

    /// The part, the content type, the key and the body, if the request is plain.
    fn plain(line: &str, headers: &str, body: &str) -> Option<(String, Option<String>, bool)> {
        let text = format!("{line}\r\n{headers}\r\n{body}");
        let found = Plain::parse(text.as_bytes(), PATH, 8, |_| None)?;
        assert_eq!(found.body, body.as_bytes());
        let has_key = found.head.key != SentHeader::Missing;
        let content_type = found.head.content_type.map(str::to_owned);
        Some((found.part.to_owned(), content_type, has_key))
    }

    const LINE: &str = "POST /v1/polls/a-b_9/votes HTTP/1.1";
    const HEADERS: &str = "Host: a\r\nContent-Length: 3\r\n";

    #[test]
    fn one_whole_vote_is_plain_whatever_else_it_has() {
        let part = "a-b_9".to_owned();
        assert_eq!(
            plain(LINE, HEADERS, "ana"),
            Some((part.clone(), None, false))
        );
        let more = format!(
            "{HEADERS}connection: Keep-Alive\r\nCONTENT-TYPE: application/json; x\r\nidempotency-key: \"k\"\r\n\
             Authorization: Bearer a.b.c\r\nOrigin: https://a.example\r\nUser-Agent: \u{e9}\r\nCookie: a=b\r\nCookie: c=d\r\n"
        );
        let content_type = Some("application/json; x".to_owned());
        assert_eq!(plain(LINE, &more, "ana"), Some((part, content_type, true)));
    }

    #[test]
    fn the_callers_span_is_the_first_that_is_named() {
        let named = |more: &str| {
            let bytes = format!("{LINE}\r\n{HEADERS}{more}\r\nana");
            let found = Plain::parse(bytes.as_bytes(), PATH, 8, |_| None).expect("a plain one");
            let of = |name| found.trace.get(name).map(str::to_owned);
            (of("traceparent"), of("tracestate"))
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(named(""), (None, None));
        assert_eq!(
            named(
                "TraceParent: 00-a-b-01\r\ntracestate: a=1\r\ntraceparent: c\r\nTraceState: d\r\n"
            ),
            (is("00-a-b-01"), is("a=1"))
        );
        // As a map of headers has it: the first is no text, and so there is none.
        assert_eq!(
            named("traceparent: \u{e9}\r\ntraceparent: c\r\n"),
            (None, None)
        );
    }

    #[test]
    fn all_else_is_not() {
        for line in [
            "POST /v1/polls/a/votes HTTP/1.0",
            "PUT /v1/polls/a/votes HTTP/1.1",
            "post /v1/polls/a/votes HTTP/1.1",
            "POST /v1/polls/a/votes? HTTP/1.1",
            "POST /v1/polls/a/votes/ HTTP/1.1",
            "POST /v1/polls/%61/votes HTTP/1.1",
            "POST /v1/polls//votes HTTP/1.1",
            "POST http://a/v1/polls/a/votes HTTP/1.1",
            "POST /v1/polls/a/votes#b HTTP/1.1",
        ] {
            assert_eq!(plain(line, HEADERS, "ana"), None, "{line}");
        }
        for headers in [
            "Host: a\r\n",
            "Content-Length: 3\r\n",
            "Host: a\r\nContent-Length: +3\r\n",
            "Host: a\r\nContent-Length: 3x\r\n",
            "Host: a\r\nContent-Length:\r\n",
            "Host: a\r\nContent-Length: 2\r\n",
            "Host: a\r\nContent-Length: 4\r\n",
            "Host: a\r\nContent-Length: 0000000003\r\n",
        ] {
            assert_eq!(plain(LINE, headers, "ana"), None, "{headers}");
        }
        for more in [
            "Host: b",
            "Content-Length: 3",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "Transfer-Encoding: identity",
            "Content-Encoding: identity",
            "Content-Type: a\r\nContent-Type: a",
            "Content-Type: \u{e9}",
            "Idempotency-Key: a\r\nIdempotency-Key: a",
            "Authorization: Bearer a\r\nAuthorization: Bearer b",
            "Authorization: Bearer \u{e9}",
            "Idempotency-Key: \u{e9}",
            "Origin: a\r\nOrigin: a",
            "no header",
        ] {
            let headers = format!("{HEADERS}{more}\r\n");
            assert_eq!(plain(LINE, &headers, "ana"), None, "{more}");
        }
        let long = "Host: a\r\nContent-Length: 9\r\n";
        assert_eq!(plain(LINE, long, "123456789"), None);
        let empty = "Host: a\r\nContent-Length: 0\r\n";
        assert_eq!(plain(LINE, empty, ""), None);
        let many = format!("{HEADERS}{}", "a: b\r\n".repeat(31));
        assert_eq!(plain(LINE, &many, "ana"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Plain::parse(&bytes, PATH, 8, |_| None).is_none());
        }

        /// A vote of which a byte was changed: what is taken for one is whole, alone, and within the limit.
        #[test]
        fn what_was_changed_is_one_request_or_none(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let text = format!("{LINE}\r\n{HEADERS}Idempotency-Key: k\r\nX-Request-Id: i\r\n\r\nana");
            let mut bytes = text.into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Some(found) = Plain::parse(&bytes, PATH, 8, |_| None) {
                prop_assert!(bytes.ends_with(found.body) && found.body.len() == 3);
                prop_assert!(found.part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            }
        }

        /// However it is cut: the begin of a request is none, and neither are two.
        #[test]
        fn a_part_of_a_request_is_none(end in any::<prop::sample::Index>()) {
            let text = format!("{LINE}\r\n{HEADERS}\r\nana");
            let cut = &text.as_bytes()[..end.index(text.len())];
            prop_assert!(Plain::parse(cut, PATH, 8, |_| None).is_none());
            let more = [text.as_bytes(), cut].concat();
            prop_assert_eq!(Plain::parse(&more, PATH, 8, |_| None).is_some(), cut.is_empty());
        }
    }
}
