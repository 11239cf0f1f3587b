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
use crate::routes::site::page_as;
use crate::serve::access::Audience;
use crate::serve::respond::{respond, respond_with};

/// Answers them from the board.
#[derive(Clone)]
pub(crate) struct HotReads(pub(crate) Arc<Api>);

/// An operation: its path with the poll's id cut out, and what it shows.
struct Operation {
    before: &'static str,
    behind: &'static str,
    pattern: &'static str,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Poll,
    Standing,
    Feed(&'static FeedFormat),
    Page,
}

const API: &str = "/v1/polls/";

const fn of_api(behind: &'static str, pattern: &'static str, what: What) -> Operation {
    Operation {
        before: API,
        behind,
        pattern,
        what,
    }
}

static OPERATIONS: [Operation; 7] = [
    of_api("/results", "/v1/polls/{poll}/results", What::Standing),
    of_api(
        "/results.rows.json",
        "/v1/polls/{poll}/results.rows.json",
        What::Feed(ROWS),
    ),
    of_api(
        "/results.csv",
        "/v1/polls/{poll}/results.csv",
        What::Feed(CSV),
    ),
    of_api(
        "/results.flat.json",
        "/v1/polls/{poll}/results.flat.json",
        What::Feed(FLAT),
    ),
    of_api(
        "/results.xml",
        "/v1/polls/{poll}/results.xml",
        What::Feed(XML),
    ),
    of_api("", "/v1/polls/{poll}", What::Poll),
    Operation {
        before: "/polls/",
        behind: "",
        pattern: "/polls/{poll}",
        what: What::Page,
    },
];

/// The poll that a path names, and the operation.
fn find(path: &str) -> Option<(&str, &'static Operation)> {
    let (before, named) = match path.strip_prefix(API) {
        Some(named) => (API, named),
        None => ("/polls/", path.strip_prefix("/polls/")?),
    };
    let (poll, behind) = named.split_at(named.find('/').unwrap_or(named.len()));
    let mut operations = OPERATIONS.iter();
    let found = operations.find(|known| known.behind == behind && known.before == before)?;
    Some((poll, found))
}

impl HotRoutes for HotReads {
    fn read(&self, request: &Request) -> Option<HotRead> {
        let (poll, operation) = find(request.path())?;
        // Who has a token, and who asks for the poll that is on now, is told more.
        if poll == PollId::CURRENT || request.head().headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let board = self.0.board.load().ok()?;
        let pages = board.polls.get(poll)?;
        if !pages.snapshot.poll.is_announced() {
            return None;
        }
        Some(HotRead {
            pattern: operation.pattern,
            answer: answer(request, pages, operation.what)?,
        })
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
        What::Page => page_as(request, &poll.site, None, &reads.site, confirmed).ok(),
    }
}
