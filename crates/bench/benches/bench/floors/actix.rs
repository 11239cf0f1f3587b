//! actix-http alone, and actix-web with one route: a body is read, and the answer is constant.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, Request, Response, StatusCode};
use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::rt::System;
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, post};
use futures_util::StreamExt as _;

use super::answer::BODY;
use super::threads;

/// As our own servers have it.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

pub(super) fn serve_http(listener: TcpListener) -> io::Result<()> {
    System::new().block_on(async {
        let service = || {
            HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .tcp_nodelay(true)
                .finish(answer)
                .tcp()
        };
        Server::build()
            .workers(threads())
            .listen("bench", listener, service)?
            .run()
            .await
    })
}

async fn answer(mut request: Request) -> Result<Response<&'static str>, actix_http::Error> {
    let mut body = request.take_payload();
    while let Some(read) = body.next().await {
        let _part = read?;
    }
    Response::build(StatusCode::CREATED)
        .insert_header((CONTENT_TYPE, JSON))
        .insert_header((CACHE_CONTROL, NO_STORE))
        .message_body(BODY)
}

pub(super) fn serve_web(listener: TcpListener) -> io::Result<()> {
    System::new().block_on(async {
        HttpServer::new(|| App::new().service(vote))
            .workers(threads())
            .keep_alive(KEEP_ALIVE)
            .tcp_nodelay(true)
            .listen(listener)?
            .run()
            .await
    })
}

#[post("/v1/polls/{poll}/votes")]
async fn vote(_body: Bytes) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((CONTENT_TYPE, JSON))
        .insert_header((CACHE_CONTROL, NO_STORE))
        .body(BODY)
}
