//! `GET /production/{poll}`: production's desk. It is no operation of the API; `docs/desk.md` has it.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};

use crate::api::Api;
use crate::serve::find::named_poll;
use crate::site::answer::{answer, protect};
use crate::site::desk::POLICY;
use crate::site::error::page_of;

/// The desk of a poll. It is the same whether or not there is one, which only staff is to know.
#[get("/production/{poll}")]
pub(crate) async fn desk_page(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    if let Err(problem) = named_poll(&request) {
        return page_of(&request, problem);
    }
    let mut response = answer(&request, &api.site.desk);
    protect(response.headers_mut(), POLICY);
    response
}
