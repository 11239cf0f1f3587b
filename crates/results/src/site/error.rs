//! What went wrong, as a page: with the problem's status and fields, for whoever is not a program.

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use vote_domain::Language;
use vote_http::{Problem, ProblemCode};
use vote_site::words::Words;

use crate::site::answer::{HTML, protect};
use crate::site::frame::Frame;
use crate::site::language::asked;
use crate::site::policy::{Reach, policy};

#[derive(Debug, Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: &'static str,
    what: &'static str,
}

/// Makes the answer of a page's problem: a page.
pub(crate) fn page_of(request: &HttpRequest, problem: Problem) -> HttpResponse {
    let language = asked(request).unwrap_or(Language::DEFAULT);
    page_in(language, problem)
}

/// The same in a language.
pub(crate) fn page_in(language: Language, problem: Problem) -> HttpResponse {
    let words = Words::of(language);
    let (title, what) = texts(words, problem.code());
    let page = ErrorPage {
        frame: Frame::new(language, title.to_owned(), "").alone(),
        title,
        what,
    };
    // It keeps the problem, so that its cause is logged.
    let mut answer = HttpResponse::from_error(problem);
    let Ok(text) = page.render() else {
        return answer;
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    protect(headers, policy(Reach::default()));
    answer.set_body(text).map_into_boxed_body()
}

/// Whether a request is a browser's, which wants a page: it names HTML.
pub(crate) fn wants_page(request: &HttpRequest) -> bool {
    let mut accepted = request.headers().get_all(ACCEPT);
    accepted.any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.to_ascii_lowercase().contains("text/html"))
    })
}

fn texts(words: &Words, code: ProblemCode) -> (&'static str, &'static str) {
    match code {
        ProblemCode::UnknownPoll
        | ProblemCode::MalformedPollId
        | ProblemCode::NotFound
        | ProblemCode::InvalidPath => (words.missing_title, words.missing),
        ProblemCode::InvalidReceipt => (words.no_receipt_title, words.no_receipt),
        ProblemCode::SnapshotUnavailable => (words.unread_title, words.unread),
        ProblemCode::UnknownCandidate
        | ProblemCode::UnknownChannel
        | ProblemCode::CandidateWithdrawn
        | ProblemCode::EligibilityNotAvailable => {
            let advice = words.advice(code.as_str());
            (advice.title, advice.what)
        }
        _ => (words.wrong_title, words.wrong),
    }
}
