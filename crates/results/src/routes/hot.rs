//! What nearly all readers ask for, answered before the routes: the public's view of a poll that is there.

use std::sync::Arc;

use actix_http::Request;
use actix_web::HttpResponse;
use actix_web::http::header::AUTHORIZATION;
use vote_domain::PollId;
use vote_http::{HotRead, HotRoutes};

use crate::api::Api;
use crate::formats::feeds::format::FeedFormat;
use crate::formats::feeds::{CSV, FLAT, ROWS, XML};
use crate::pages::board::PollPages;
use crate::pages::page::Subject;
use crate::routes::feeds::for_address;
use crate::serve::access::Audience;
use crate::serve::respond::{respond, respond_with};

/// Answers them from the board.
#[derive(Clone)]
pub(crate) struct HotReads(pub(crate) Arc<Api>);

/// An operation: what the address ends with behind the poll's id, its path, and what it shows.
type Operation = (&'static str, &'static str, What);

#[derive(Clone, Copy)]
enum What {
    Poll,
    Standing,
    Feed(&'static FeedFormat),
}

const OPERATIONS: [Operation; 6] = [
    ("/results", "/v1/polls/{poll}/results", What::Standing),
    (
        "/results.rows.json",
        "/v1/polls/{poll}/results.rows.json",
        What::Feed(ROWS),
    ),
    (
        "/results.csv",
        "/v1/polls/{poll}/results.csv",
        What::Feed(CSV),
    ),
    (
        "/results.flat.json",
        "/v1/polls/{poll}/results.flat.json",
        What::Feed(FLAT),
    ),
    (
        "/results.xml",
        "/v1/polls/{poll}/results.xml",
        What::Feed(XML),
    ),
    ("", "/v1/polls/{poll}", What::Poll),
];

impl HotRoutes for HotReads {
    fn read(&self, request: &Request) -> Option<HotRead> {
        let behind = request.path().strip_prefix("/v1/polls/")?;
        let (poll, rest) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
        let (_, pattern, what) = OPERATIONS.iter().find(|(end, ..)| *end == rest)?;
        // Who has a token, and who asks for the poll that is on now, is told more.
        if poll == PollId::CURRENT || request.head().headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let board = self.0.board.load().ok()?;
        let pages = board.polls.get(poll)?;
        if !pages.snapshot.poll.is_announced() {
            return None;
        }
        let answer = answer(request, pages, *what)?;
        Some(HotRead { pattern, answer })
    }
}

fn answer(request: &Request, poll: &PollPages, what: What) -> Option<HttpResponse> {
    let public = Audience::Public;
    let (pages, reads, confirmed) = (&poll.pages, &poll.reads, &poll.confirmed);
    match what {
        What::Poll => respond(
            request,
            pages,
            Subject::Poll,
            public,
            &reads.poll,
            confirmed,
        )
        .ok(),
        What::Standing => {
            let sight = public.standing(poll.visibility()).ok()?;
            let subject = Subject::Standing(sight);
            respond(request, pages, subject, public, &reads.results, confirmed).ok()
        }
        What::Feed(format) => {
            let sight = public.standing(poll.visibility()).ok()?;
            let body = poll.feeds.seen(sight)?.ahead(format)?;
            let answer = respond_with(request, body, public, &reads.feeds, confirmed);
            Some(for_address(answer))
        }
    }
}
