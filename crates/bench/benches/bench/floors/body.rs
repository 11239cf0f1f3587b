//! Constant bodies for readers: by actix-web with one route, and by a route of the web server that our own services have.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::rt::System;
use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, get};
use utoipa::openapi::OpenApi as Document;
use vote_http::{BoxError, Context, HotRoutes, NoHotRoutes, Service, StopError};
use vote_runtime::ServiceName;

use super::threads;

/// What names the file with the body.
pub(crate) const BODY: &str = "BENCH_BODY";

#[derive(Clone)]
struct Body(Bytes);

#[get("/v1/polls/{poll}/results")]
async fn results(body: Data<Body>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body.0.clone())
}

fn body() -> io::Result<Data<Body>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the benchmark's own, and no setting of a service"
    )]
    let path = std::env::var_os(BODY).unwrap_or_default();
    Ok(Data::from(Arc::new(Body(std::fs::read(path)?.into()))))
}

/// actix-web with that route alone.
pub(super) fn serve_web(listener: TcpListener) -> io::Result<()> {
    let body = body()?;
    System::new().block_on(async {
        HttpServer::new(move || App::new().app_data(body.clone()).service(results))
            .workers(threads())
            .keep_alive(Duration::from_secs(75))
            .tcp_nodelay(true)
            .listen(listener)?
            .run()
            .await
    })
}

/// Our own web server with that route alone.
pub(crate) struct ConstantBody(Data<Body>);

impl Service for ConstantBody {
    const NAME: ServiceName = ServiceName::Results;
    const VERSION: &'static str = "bench";
    const ABOUT: &'static str = "answers readers with a constant body";

    fn openapi() -> Document {
        vote_results::Results::openapi()
    }

    async fn start(_context: &mut Context) -> Result<Self, BoxError> {
        Ok(Self(body()?))
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        let body = self.0.clone();
        move |app| {
            app.app_data(body.clone()).service(results);
        }
    }

    fn hot_routes(&self) -> impl HotRoutes {
        NoHotRoutes
    }

    async fn drain(self, _patience: Duration) -> Result<(), StopError> {
        Ok(())
    }
}
