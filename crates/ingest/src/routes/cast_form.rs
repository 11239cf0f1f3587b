//! `POST /polls/{poll}/votes`: one vote, from a page without scripts.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::web::{Data, Path};
use actix_web::{Error, HttpRequest, HttpResponse, get, post};
use serde::Deserialize;
use utoipa::ToSchema;
use vote_domain::{Direction, Language};
use vote_http::form::{self, Field};
use vote_http::{Problem, ProblemCode, SentHeader, TimelyBody, WriteHead, client_address};
use vote_runtime::Settings;
use vote_site::words::Words;
use vote_store::VoteWriter;

use crate::form::origin;
use crate::form::page::{Place, already_accepted, of_problem};
use crate::judge::FORM_FIELDS;
use crate::routes::cast_vote::Votes;
use crate::suspicion::Signs;
use crate::vote::{ReadVote, Received, find_poll, read_form, vote_accepted};

/// The fields of the form.
const FIELDS: [&str; 9] = [
    "altcha",
    "candidate",
    "channel",
    "direction",
    "key",
    "lang",
    FORM_FIELDS[0],
    FORM_FIELDS[1],
    FORM_FIELDS[2],
];

/// The fields of a vote's form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "candidate": "ana", "channel": "torcida", "direction": "eliminate", "key": "AAECAwQFBgcICQoLDA0ODw", "lang": "pt"
}))]
#[expect(dead_code, reason = "describes the fields, which are read one by one")]
pub(crate) struct VoteForm {
    /// The candidate's id.
    #[schema(min_length = 1, max_length = 64)]
    candidate: String,
    /// The channel's id; the poll's first channel where it is left out.
    #[schema(required = false, min_length = 1, max_length = 64)]
    channel: String,
    /// What the page shows that a vote means.
    #[schema(value_type = Direction, required = false)]
    direction: String,
    /// The proof of work that some channels ask for: the hidden field of the official ALTCHA widget.
    #[schema(required = false)]
    altcha: String,
    /// The vote's key, as an `Idempotency-Key` is: sent twice, it counts once. May be left out with a proof whose challenge was
    /// asked for without a key, which stands for it then.
    #[schema(required = false, pattern = "^[\\x21-\\x7e]{1,255}$")]
    key: String,
    /// The language of the answer, `pt`, `en` or `es`.
    #[schema(required = false)]
    lang: String,
    /// What the widget of Turnstile has left in the form, where that is the service's external judge. It is only looked at where the
    /// vote is suspect otherwise; the answer is the same with it and without.
    #[serde(rename = "cf-turnstile-response")]
    #[schema(required = false, max_length = 8192)]
    cf_turnstile_response: String,
    /// The same of hCaptcha.
    #[serde(rename = "h-captcha-response")]
    #[schema(required = false, max_length = 8192)]
    h_captcha_response: String,
    /// The same of reCAPTCHA.
    #[serde(rename = "g-recaptcha-response")]
    #[schema(required = false, max_length = 8192)]
    g_recaptcha_response: String,
}

/// Cast a vote by a form
///
/// For pages without scripts, which the results service makes: the vote is recorded as by `castVote`, and the answer leads to the
/// page of its receipt. Sent twice, by a second click or because there was no answer, it counts once. What goes wrong is
/// answered with a page that says what to do, with the status of the problem.
///
/// A form from a page of another origin is refused (`403`), by `Sec-Fetch-Site` and `Origin`, unless `site.url` or
/// `http.cors_allowed_origins` names that origin.
#[utoipa::path(
    operation_id = "castForm",
    tag = "forms",
    params(
        ("poll" = String, Path, description = "The poll's id", example = "paredao-01",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
    ),
    request_body(content = VoteForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Recorded, now or before: to the page of its receipt.",
            headers(("Location" = String, description = "The page of the receipt."))),
        (status = 200, description = "Recorded before, and there is no receipt any more: a page that says so.",
            body = String, content_type = "text/html"),
        (status = 400, description = "A field is missing, unknown, given twice or wrong.", body = String, content_type = "text/html"),
        (status = 403, description = "`cross-site-form`, `eligibility-not-available`, `proof-required` or `vote-limit-reached`, as a page.",
            body = String, content_type = "text/html"),
        (status = 404, description = "There is no poll of that id.", body = String, content_type = "text/html"),
        (status = 408, description = "The form took too long to arrive.", body = String, content_type = "text/html"),
        (status = 409, description = "The poll is not open yet, or paused.", body = String, content_type = "text/html"),
        (status = 410, description = "The poll is closed or void.", body = String, content_type = "text/html"),
        (status = 413, description = "The form is larger than this service reads.", body = String, content_type = "text/html"),
        (status = 415, description = "The body is no form, or is compressed.", body = String, content_type = "text/html"),
        (status = 422, description = "No such candidate or channel, the other direction, a key of another vote, or no good proof.",
            body = String, content_type = "text/html"),
        (status = 429, description = "Votes come faster than is allowed; not recorded: a page that offers to send it again.", body = String,
            content_type = "text/html", headers(
                ("Retry-After" = u32, description = "Seconds to wait before it is sent again."),
                ("RateLimit-Policy" = String, description = "The limit that is reached."),
                ("RateLimit" = String, description = "What is left of it."),
            )),
        (status = 503, description = "Not recorded, for now: a page that offers to send it again.", body = String, content_type = "text/html",
            headers(("Retry-After" = u32, description = "Seconds to wait before it is sent again."))),
        (status = 504, description = "Whether it is recorded is not known: a page that offers to send it again, under the same key.",
            body = String, content_type = "text/html"),
    )
)]
#[post("/polls/{poll}/votes")]
pub(crate) async fn cast_form(
    request: HttpRequest,
    poll: Path<String>,
    body: Result<TimelyBody, Error>,
    votes: Data<Votes>,
    settings: Data<Settings>,
) -> HttpResponse {
    let mut place = place(&settings, &poll);
    let body = match body {
        Ok(TimelyBody(body)) => body,
        Err(error) => return of_problem(place, form::unread(&error), &[]),
    };
    let fields = match form::fields(request.headers(), &body, &FIELDS) {
        Ok(fields) => fields,
        Err(problem) => return of_problem(place, problem, &[]),
    };
    if let Some(language) = form::value(&fields, "lang").and_then(Language::of_tag) {
        place.words = Words::of(language);
    }
    if let Err(problem) = origin::check(request.headers(), &settings) {
        // What a stranger's page has filled in is not offered again.
        return of_problem(place, problem, &[]);
    }
    let ended = match votes.limits.admit(client_address(&request)) {
        Ok(()) => vote(place, &fields, &votes, &WriteHead::from(&request)).await,
        Err(problem) => Err(problem),
    };
    ended.unwrap_or_else(|problem| of_problem(place, problem, &fields))
}

/// Go to a poll's page
///
/// For whoever asks for the form's address, such as by loading the answer to it again from the address bar.
#[utoipa::path(
    operation_id = "seePoll",
    tag = "forms",
    params(
        ("poll" = String, Path, description = "The poll's id", example = "paredao-01",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
    ),
    responses(
        (status = 303, description = "To the poll's page.",
            headers(("Location" = String, description = "The poll's page."))),
        (status = 400, description = "The poll's id is none.", body = String, content_type = "text/html"),
        (status = 404, description = "There is no poll of that id.", body = String, content_type = "text/html"),
        (status = 503, description = "Whether there is such a poll is not known.", body = String, content_type = "text/html"),
    )
)]
#[get("/polls/{poll}/votes")]
pub(crate) async fn see_poll(
    poll: Path<String>,
    writer: Data<VoteWriter>,
    settings: Data<Settings>,
) -> HttpResponse {
    let place = place(&settings, &poll);
    match find_poll(&writer, &poll) {
        Ok(_) => see(place.poll_page()),
        Err(problem) => of_problem(place, problem, &[]),
    }
}

fn place<'p>(settings: &'p Settings, poll: &'p str) -> Place<'p> {
    Place {
        words: Words::of(Language::DEFAULT),
        site: settings.site.url.as_deref().unwrap_or_default(),
        poll,
    }
}

async fn vote(
    place: Place<'_>,
    fields: &[Field<'_>],
    votes: &Votes,
    head: &WriteHead<'_>,
) -> Result<HttpResponse, Problem> {
    let writer = &votes.writer;
    let open = find_poll(writer, place.poll)?;
    let receipt_key = writer.receipt_key().ok_or(ProblemCode::StoreUnavailable)?;
    let arrival = votes.now()?;
    let received_at = arrival.at;
    let signs = Signs::default();
    let checks = votes.checks(&receipt_key, &signs);
    let ReadVote { vote, response, .. } = read_form(fields, open.poll(), received_at, checks)?;
    let key = form::value(fields, "key");
    let has_key = key.is_some();
    let head = WriteHead {
        key: key.map_or(SentHeader::Missing, SentHeader::Once),
        ..*head
    };
    let received = Received::of(&vote, has_key, received_at);
    let response = response.as_deref();
    let outcome = votes
        .cast(&open, vote, &signs, response, &head, arrival)
        .await;
    let accepted = vote_accepted(open.poll(), received, &outcome, &receipt_key)?;
    Ok(match &accepted.receipt {
        Some(receipt) => see(place.receipt_page(receipt)),
        None => already_accepted(place),
    })
}

fn see(location: String) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, location))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .finish()
}
