//! The server that feeds are measured against: the same web server, with bodies that never change.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{Bytes, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use utoipa::openapi::OpenApi as Document;
use vote_http::{BoxError, Context, HotRoutes, NoHotRoutes, Service, StopError};
use vote_runtime::ServiceName;

/// What names the folder with the bodies.
pub(crate) const BODIES: &str = "BENCH_BODIES";

/// Answers each feed with the bytes of a file.
pub(crate) struct Floor(Data<Bodies>);

struct Bodies {
    rows: Bytes,
    csv: Bytes,
}

#[get("/v1/polls/{poll}/results.rows.json")]
async fn rows(bodies: Data<Bodies>) -> HttpResponse {
    constant("application/json", &bodies.rows)
}

#[get("/v1/polls/{poll}/results.csv")]
async fn csv(bodies: Data<Bodies>) -> HttpResponse {
    constant("text/csv; charset=utf-8; header=present", &bodies.csv)
}

fn constant(content_type: &'static str, body: &Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(content_type)))
        .body(body.clone())
}

impl Service for Floor {
    const NAME: ServiceName = ServiceName::Results;
    const VERSION: &'static str = "bench";
    const ABOUT: &'static str = "answers feeds with constant bodies";

    fn openapi() -> Document {
        vote_results::Results::openapi()
    }

    async fn start(_context: &mut Context) -> Result<Self, BoxError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the benchmark's own, and no setting of a service"
        )]
        let folder = std::path::PathBuf::from(std::env::var(BODIES)?);
        let read = |name: &str| std::fs::read(folder.join(name)).map(Bytes::from);
        let bodies = Bodies {
            rows: read("rows.json")?,
            csv: read("csv")?,
        };
        Ok(Self(Data::from(Arc::new(bodies))))
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        let bodies = self.0.clone();
        move |app| {
            app.app_data(bodies.clone()).service(rows).service(csv);
        }
    }

    fn hot_routes(&self) -> impl HotRoutes {
        NoHotRoutes
    }

    async fn drain(self, _patience: Duration) -> Result<(), StopError> {
        Ok(())
    }
}
