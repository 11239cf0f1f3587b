//! Answers as bytes, as actix-http would write them.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use actix_web::HttpResponse;
use actix_web::body::MessageBody as _;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderValue, HttpDate};
use vote_domain::Clock as _;
use vote_runtime::SystemClock;

use crate::cors::Cors;
use crate::edge::{WritePath, Written};

/// The date of answers is made anew after so long, as actix-http's is.
const DATE_LASTS: Duration = Duration::from_millis(500);

/// Makes the answers of one worker.
pub(super) struct Answers {
    path: WritePath,
    cors: Cors,
    /// The headers of answers with that status, as lines.
    lines: RefCell<Vec<(StatusCode, Vec<u8>)>>,
    date: RefCell<Vec<u8>>,
    dated: Cell<Option<Instant>>,
}

impl Answers {
    pub(super) fn new(path: WritePath, cors: Cors) -> Self {
        Self {
            path,
            cors,
            lines: RefCell::default(),
            date: RefCell::default(),
            dated: Cell::new(None),
        }
    }

    /// Appends the answer to a request that was done.
    pub(super) fn written(
        &self,
        written: Written,
        origin: Option<&[u8]>,
        close: bool,
        out: &mut Vec<u8>,
    ) {
        let Written { status, body } = written;
        if self.cors.depends_on_origin() {
            let response = self.path.answer(Written { status, body });
            return self.response(response, origin, close, out);
        }
        let mut known = self.lines.borrow_mut();
        let place = known.iter().position(|(of, _)| *of == status);
        let place = place.unwrap_or_else(|| {
            let body = Vec::new();
            let mut response = self.path.answer(Written { status, body });
            self.cors.apply(None, response.headers_mut());
            let mut lines = Vec::new();
            write_lines(response.headers(), &mut lines);
            known.push((status, lines));
            known.len() - 1
        });
        let lines = known.get(place).map(|(_, lines)| lines.as_slice());
        self.write(status, close, lines.unwrap_or_default(), &body, out);
    }

    /// Appends any answer whose body is there.
    pub(super) fn response(
        &self,
        mut response: HttpResponse,
        origin: Option<&[u8]>,
        close: bool,
        out: &mut Vec<u8>,
    ) {
        let origin = origin.and_then(|origin| HeaderValue::from_bytes(origin).ok());
        self.cors.apply(origin.as_ref(), response.headers_mut());
        let mut lines = Vec::with_capacity(256);
        write_lines(response.headers(), &mut lines);
        let status = response.status();
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        self.write(status, close, &lines, &body, out);
    }

    fn write(&self, status: StatusCode, close: bool, lines: &[u8], body: &[u8], out: &mut Vec<u8>) {
        out.reserve(192 + lines.len() + body.len());
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        let _infallible = write!(out, "\r\ncontent-length: {}\r\n", body.len());
        if close {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(lines);
        out.extend_from_slice(b"x-content-type-options: nosniff\r\ndate: ");
        self.write_date(out);
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }

    fn write_date(&self, out: &mut Vec<u8>) {
        let mut date = self.date.borrow_mut();
        let now = Instant::now();
        let is_fresh = |made: Instant| now.duration_since(made) < DATE_LASTS;
        if !self.dated.get().is_some_and(is_fresh) {
            date.clear();
            // No clock is from before 1970.
            let since = u64::try_from(SystemClock.now().as_second()).unwrap_or_default();
            let wall = HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(since));
            let _infallible = write!(date, "{wall}");
            self.dated.set(Some(now));
        }
        out.extend_from_slice(&date);
    }
}

fn write_lines(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
