//! The one operation of a service that writes, as it is asked for and answered before all routes.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use actix_web::{HttpRequest, HttpResponse};

use crate::clients::client_address;
use crate::cors::IDEMPOTENCY_KEY;

/// A path with one part that varies, and what its answers have in common.
#[derive(Debug, Clone, Copy)]
pub struct WritePath {
    /// As the service's document has it, such as `/v1/polls/{poll}/votes`.
    pub pattern: &'static str,
    /// What is before the part that varies.
    pub before: &'static str,
    /// What is behind it.
    pub after: &'static str,
    /// The headers of each answer that is no problem; their names are in lower case.
    pub headers: &'static [(&'static str, &'static str)],
}

impl WritePath {
    /// The part of a path that varies, if there is nothing in it that the app would have to decode or refuse: letters, digits,
    /// `-` and `_`.
    pub(crate) fn part_of(self, path: &str) -> Option<&str> {
        let part = path.strip_prefix(self.before)?.strip_suffix(self.after)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (!part.is_empty() && part.bytes().all(is_plain)).then_some(part)
    }

    /// The answer as the routes give it.
    #[must_use]
    pub fn answer(self, written: Written) -> HttpResponse {
        let mut response = HttpResponse::build(written.status);
        for (name, value) in self.headers {
            let name = HeaderName::from_static(name);
            response.insert_header((name, HeaderValue::from_static(value)));
        }
        response.body(written.body)
    }
}

/// What such an operation looks at beside path and body.
#[derive(Debug, Clone, Copy)]
pub struct WriteHead<'a> {
    /// The media type of the body, as it was sent, if it is text.
    pub content_type: Option<&'a str>,
    /// The `Idempotency-Key`.
    pub key: SentHeader<'a>,
    /// The `Authorization`: who votes, where that is asked for.
    pub authorization: SentHeader<'a>,
    /// The `User-Agent`: what every browser and every app sends.
    pub user_agent: SentHeader<'a>,
    /// Whose request it is, as far as its connection and the proxies that are trusted say.
    pub client: Option<IpAddr>,
}

impl WriteHead<'_> {
    /// The same of that client.
    #[must_use]
    pub const fn of(self, client: Option<IpAddr>) -> Self {
        Self { client, ..self }
    }
}

/// A header that is to be there once, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentHeader<'a> {
    /// There is none.
    Missing,
    /// There is one.
    Once(&'a str),
    /// There is one that is no text.
    NoText,
    /// There is more than one.
    Repeated,
}

impl<'a> From<&'a HeaderMap> for WriteHead<'a> {
    fn from(headers: &'a HeaderMap) -> Self {
        let sent = |name: HeaderName| {
            let mut values = headers.get_all(name);
            match (values.next(), values.next()) {
                (None, _) => SentHeader::Missing,
                (Some(_), Some(_)) => SentHeader::Repeated,
                (Some(value), None) => value.to_str().map_or(SentHeader::NoText, SentHeader::Once),
            }
        };
        let content_type = headers.get(CONTENT_TYPE);
        Self {
            content_type: content_type.and_then(|value| value.to_str().ok()),
            key: sent(IDEMPOTENCY_KEY),
            authorization: sent(AUTHORIZATION),
            user_agent: sent(USER_AGENT),
            client: None,
        }
    }
}

impl<'a> From<&'a HttpRequest> for WriteHead<'a> {
    fn from(request: &'a HttpRequest) -> Self {
        Self::from(request.headers()).of(client_address(request))
    }
}

/// That it was done.
#[derive(Debug)]
pub struct Written {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Vec<u8>,
}
