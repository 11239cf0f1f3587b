//! The pages of the site, and their assets.
//!
//! These are no operations of the API: their queries are the pages' own, and they are documented in `docs/pages.md`.
//! Whatever goes wrong is answered with a page as well.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use actix_web::web::{Data, Path};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, get, post};
use data_encoding::BASE64URL_NOPAD;
use tokio::time::{Instant, timeout_at};
use vote_domain::{Eligibility, Language, Receipt};
use vote_http::{Problem, ProblemCode, TimelyBody, form};
use vote_runtime::entropy;

use crate::api::Api;
use crate::metrics::ReadCounters;
use crate::pages::board::PollPages;
use crate::pages::confirmation::Confirmation;
use crate::routes::receipt::{in_tally, verify};
use crate::serve::access::Audience;
use crate::serve::find::{located, poll_of_request};
use crate::serve::respond::respond_with;
use crate::site::answer::{HTML, answer, protect};
use crate::site::confirm::{self, Choice};
use crate::site::error::{page_in, page_of, wants_page};
use crate::site::language::{LANG, asked};
use crate::site::pages::SitePages;
use crate::site::policy::{Reach, policy};
use crate::site::poll::state_name;
use crate::site::receipt::{self, Verdict};

/// How long the page of a receipt waits for its vote to be in the figures, which are read four times a second: who comes
/// from voting is to read that the vote is counted, and not that it will be.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Bytes of a key under which a vote is cast: as many as a UUID has.
const KEY_BYTES: usize = 16;

/// A script or a style sheet.
#[get("/assets/{file}")]
pub(crate) async fn asset(
    request: HttpRequest,
    name: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let body = api.site.assets.get(&name);
    Ok(answer(&request, body.ok_or(ProblemCode::NotFound)?))
}

/// The polls, the current one first.
#[get("/")]
pub(crate) async fn home(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let found = api.board.load().and_then(|board| {
        let home = board.home.as_ref();
        let home = home.ok_or(ProblemCode::SnapshotUnavailable)?;
        page(&request, home, &api.site.home_reads, &board.list_confirmed)
    });
    found.unwrap_or_else(|problem| page_of(&request, problem))
}

/// A poll.
#[get("/polls/{poll}")]
pub(crate) async fn poll_page(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let found = api.board.load().and_then(|board| {
        let poll = poll_of_request(&board, &request, Audience::Public)?;
        let response = page(&request, &poll.site, &poll.reads.site, &poll.confirmed)?;
        Ok(located(&request, poll, response))
    });
    found.unwrap_or_else(|problem| page_of(&request, problem))
}

fn page(
    request: &HttpRequest,
    pages: &SitePages,
    reads: &ReadCounters,
    confirmed: &Confirmation,
) -> Result<HttpResponse, Problem> {
    page_as(request, pages, asked(request), reads, confirmed)
}

/// A page in a language, or in its own.
pub(super) fn page_as(
    request: &impl HttpMessage,
    pages: &SitePages,
    language: Option<Language>,
    reads: &ReadCounters,
    confirmed: &Confirmation,
) -> Result<HttpResponse, Problem> {
    let body = pages.body(language);
    let body = body.ok_or(ProblemCode::SnapshotUnavailable)?;
    let mut response = respond_with(request, body, Audience::Public, reads, confirmed);
    protect(response.headers_mut(), pages.policy().clone());
    Ok(response)
}

/// What a vote is for, once more: for browsers without scripts. Nothing is recorded yet, and the candidate is in no address.
#[post("/polls/{poll}/confirm")]
pub(crate) async fn ask_to_confirm(
    request: HttpRequest,
    body: Result<TimelyBody, Error>,
    api: Data<Api>,
) -> HttpResponse {
    let body = match body {
        Ok(TimelyBody(body)) => body,
        Err(error) => return page_of(&request, form::unread(&error)),
    };
    let fields = form::fields(request.headers(), &body, &["candidate", "channel", LANG]);
    let fields = match fields {
        Ok(fields) => fields,
        Err(problem) => return page_of(&request, problem),
    };
    let language = form::value(&fields, LANG).and_then(Language::of_tag);
    confirmation(&request, &api, &fields, language)
        .unwrap_or_else(|problem| page_in(language.unwrap_or(Language::DEFAULT), problem))
}

/// Who has come here by its address: the poll's page is where one begins.
#[get("/polls/{poll}/confirm")]
pub(crate) async fn begin(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let found = api.board.load().and_then(|board| {
        let poll = poll_of_request(&board, &request, Audience::Public)?;
        Ok(see(poll, asked(&request)))
    });
    found.unwrap_or_else(|problem| page_of(&request, problem))
}

fn confirmation(
    request: &HttpRequest,
    api: &Api,
    fields: &[form::Field<'_>],
    language: Option<Language>,
) -> Result<HttpResponse, Problem> {
    let board = api.board.load()?;
    let pages = poll_of_request(&board, request, Audience::Public)?;
    // The page says what the poll is at.
    if state_name(&pages.view) != "open" {
        return Ok(see(pages, language));
    }
    let poll = &pages.snapshot.poll;
    let definition = &poll.definition;
    let candidate = definition.candidate_index(form::required(fields, "candidate")?);
    let candidate = &definition.candidates()[candidate.ok_or(ProblemCode::UnknownCandidate)?];
    if poll.withdrawn_at(&candidate.id).is_some() {
        return Err(ProblemCode::CandidateWithdrawn.into());
    }
    let channel = match form::value(fields, "channel") {
        Some(id) => {
            let index = definition.channel_index(id);
            Some(&definition.channels()[index.ok_or(ProblemCode::UnknownChannel)?])
        }
        None => definition.open_channel(),
    };
    let channel = channel.filter(|channel| channel.eligibility == Eligibility::Open);
    let choice = Choice {
        definition,
        candidate,
        channel: channel.ok_or(ProblemCode::EligibilityNotAvailable)?,
        language: language.unwrap_or(definition.language()),
    };
    let key: [u8; KEY_BYTES] = entropy::random_bytes().map_err(Problem::internal)?;
    let ingest = api.site.ingest.as_deref();
    let text = confirm::page(choice, &BASE64URL_NOPAD.encode(&key), ingest);
    let reach = Reach {
        ingest,
        pictures: &[],
        solves: false,
    };
    Ok(own(text.map_err(Problem::internal)?, reach, "no-store"))
}

/// Sends to a poll's page.
fn see(pages: &PollPages, language: Option<Language>) -> HttpResponse {
    let id = pages.snapshot.poll.definition.id();
    let query = language.map(|language| format!("?lang={language}"));
    HttpResponse::SeeOther()
        .insert_header((
            LOCATION,
            format!("/polls/{id}{}", query.unwrap_or_default()),
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// Whether a vote is in the figures.
#[get("/polls/{poll}/receipts/{receipt}")]
pub(crate) async fn receipt_page(
    request: HttpRequest,
    path: Path<(String, String)>,
    api: Data<Api>,
) -> HttpResponse {
    let (poll, text) = path.into_inner();
    receipt_of(&request, &api, &poll, &text)
        .await
        .unwrap_or_else(|problem| page_of(&request, problem))
}

async fn receipt_of(
    request: &HttpRequest,
    api: &Api,
    poll: &str,
    text: &str,
) -> Result<HttpResponse, Problem> {
    let receipt = {
        let board = api.board.load()?;
        let key = api.receipt_key.as_ref().or(board.receipt_key.as_deref());
        verify(text, key)?
    };
    let (pages, verdict) = verdict(api, &receipt).await?;
    let definition = &pages.snapshot.poll.definition;
    if poll != definition.id().as_str() {
        return Err(ProblemCode::InvalidReceipt.into());
    }
    let language = asked(request).unwrap_or(definition.language());
    let text = receipt::page(text, &receipt, verdict, &pages, language);
    let text = text.map_err(Problem::internal)?;
    Ok(own(text, Reach::default(), "private, no-store"))
}

/// What a receipt proves, once its vote is in the figures, or after a while.
async fn verdict(api: &Api, receipt: &Receipt) -> Result<(Arc<PollPages>, Verdict), Problem> {
    let until = Instant::now() + PATIENCE;
    let mut news = api.board.news();
    loop {
        let pages = Arc::clone(api.board.load()?.poll(&receipt.poll)?);
        let is_in_tally = in_tally(receipt, &pages.snapshot).unwrap_or(false);
        let verdict = Verdict::of(is_in_tally, &pages);
        let is_told = verdict != Verdict::Waiting;
        if is_told || !matches!(timeout_at(until, news.changed()).await, Ok(Ok(()))) {
            return Ok((pages, verdict));
        }
    }
}

/// A page for one reader.
fn own(text: String, reach: Reach<'_>, cache_control: &'static str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static(HTML)));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static(cache_control)));
    let mut response = response.body(text);
    protect(response.headers_mut(), policy(reach));
    response
}

/// The answer to a browser that asks for what is not there.
pub(crate) fn missing(request: &HttpRequest, problem: Problem) -> HttpResponse {
    if wants_page(request) && !request.path().starts_with("/v1/") {
        return page_of(request, problem);
    }
    HttpResponse::from_error(problem)
}
