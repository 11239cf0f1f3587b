//! `GET /v1/polls/{poll}/results/stream`

use actix_web::body::BodyStream;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::PollId;
use vote_http::query::parameters;
use vote_http::{Problem, ProblemCode, is_head};

use crate::api::Api;
use crate::problems::StreamProblems;
use crate::routes::feed_query::layout_of;
use crate::routes::feeds::for_address;
use crate::serve::access::Audience;
use crate::serve::find::named_poll;
use crate::stream::event::Event;
use crate::stream::event_id::EventId;
use crate::stream::line::LineKey;
use crate::stream::query::{KNOWN, StreamQuery};
use crate::stream::reader::Reader;

/// The newest event that the reader has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// nginx and its Ingress keep an answer back until it is whole, unless it says this.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A poll's standing, event by event
///
/// Server-sent events: the newest standing at once, and then each new one, at most four per second. `data` is the
/// body of `/v1/polls/{poll}/results`; `id` grows with it, in whichever process, so that a reader who comes
/// back with `Last-Event-ID` gets nothing older. A reader who is slow gets the newest, and none of those between.
///
/// While production holds a poll (`votectl poll hold`), all readers see the figures at which it is held, and `channels` is
/// empty.
///
/// After the figures of a sealed or void poll the stream ends, and who comes back with their id is answered 204, at
/// which browsers stop asking. An event `problem` says why a stream ends before: its data is a problem document. A
/// stream that can't begin because nothing is known yet says so in such an event and ends, and browsers
/// come back by themselves: at 503 they would not.
#[utoipa::path(
    tag = "results",
    operation_id = "streamResults",
    params(
        ("poll" = PollId, Path, description = "The poll's id.", example = "paredao-01"),
        ("view" = Option<String>, Query, description = "`standing`: each event is whole. `delta`: the first one is, and those after it are events `patch`, with a JSON Patch (RFC 6902) of what has changed; one that skips some is whole again. `rows`: what may go on air, as `results.rows.json` has it.", example = "standing"),
        ("max_rate" = Option<f64>, Query, description = "Most events per second, 0.015 to 4, and 4 without. An event is sent with its snapshot, so two may follow each other sooner: in any t seconds there are at most max_rate × t events, and two more.", example = 1.0),
        ("encoding" = Option<String>, Query, description = "`br`: the answer is one stream of brotli, for readers who say that they take it. Without, it is not compressed.", example = "identity"),
        ("rows" = Option<u8>, Query, description = "With `view=rows`, as of the feed: so many rows exactly, 1 to 64.", example = 4),
        ("sort" = Option<String>, Query, description = "With `view=rows`, as of the feed: `candidate` or `rank`.", example = "rank"),
        ("lang" = Option<String>, Query, description = "With `view=rows`, as of the feed: language of the texts.", example = "pt-BR"),
        ("token" = Option<String>, Query, format = Password, description = "Token of a feed, for readers that send no header, with `view=rows`. It is never logged."),
        ("Last-Event-ID" = Option<String>, Header, description = "`id` of the newest event that the client has."),
    ),
    security((), ("reader_token" = []), ("feed_token" = [])),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream",
            headers(("Cache-Control" = String, description = "`no-store`.")),
            example = json!("retry: 1000\nid: paredao-01:r815-V1StGXR8_Z\ndata: {\"poll\":\"paredao-01\",\"revision\":815}\n\n")),
        (status = 204, description = "The client has the last event that there will be."),
        StreamProblems,
    )
)]
#[get("/v1/polls/{poll}/results/stream")]
pub(crate) async fn stream_results(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    for_address(stream(&request, &api).unwrap_or_else(HttpResponse::from_error))
}

fn stream(request: &HttpRequest, api: &Api) -> Result<HttpResponse, Problem> {
    let audience = api.access.feed_audience(request)?;
    let given = parameters(request.query_string(), &KNOWN)?;
    let query = StreamQuery::of(&given)?;
    let key = LineKey {
        poll: named_poll(request)?,
        audience,
        view: query.view,
        layout: layout_of(&given)?,
    };
    let had = request.headers().get(LAST_EVENT_ID);
    let had = had.and_then(|id| EventId::parse(id.to_str().ok()?));
    let place = match api.streams.enter(&key) {
        Ok(place) => place,
        Err(problem) if problem.code() == ProblemCode::SnapshotUnavailable => {
            let whole = Event::of_problem(0, &problem).whole;
            let mut said = api.streams.next_retry().into_bytes();
            said.extend_from_slice(&whole);
            return Ok(events(audience, false).body(Bytes::from(said)));
        }
        Err(problem) => return Err(problem),
    };
    let reader = Reader::new(place, query, had, &api.streams);
    if reader.has_all() {
        let mut answer = HttpResponse::NoContent();
        answer.insert_header((CACHE_CONTROL, cache_control(audience)));
        return Ok(answer.finish());
    }
    let mut answer = events(audience, query.is_brotli);
    if is_head(request) {
        return Ok(answer.finish());
    }
    Ok(answer.body(BodyStream::new(reader.into_chunks())))
}

fn events(audience: Audience, is_brotli: bool) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((CACHE_CONTROL, cache_control(audience)))
        .insert_header((VARY, HeaderValue::from_static("Authorization")))
        .insert_header((BUFFERING, HeaderValue::from_static("no")));
    if is_brotli {
        answer.insert_header((CONTENT_ENCODING, HeaderValue::from_static("br")));
    }
    answer
}

fn cache_control(audience: Audience) -> HeaderValue {
    HeaderValue::from_static(match audience {
        Audience::Public => "no-store",
        Audience::Staff | Audience::Feed => "private, no-store",
    })
}
