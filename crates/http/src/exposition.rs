//! `/metrics`: in the format that `Accept` asks for, and compressed for who takes that.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use actix_web::http::header::{
    Accept, AcceptEncoding, CONTENT_ENCODING, ContentEncoding, Encoding, Header as _, Preference,
    Quality, VARY,
};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus_client::registry::Registry;

use crate::problem::Problem;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics: as OpenMetrics 1.0 to who asks for that, in Prometheus' text format 0.0.4 to everybody else.
#[get("/metrics")]
pub(crate) async fn metrics(
    request: HttpRequest,
    registry: Data<Registry>,
) -> Result<HttpResponse, Problem> {
    let (is_openmetrics, is_gzip) = (wants_openmetrics(&request), takes_gzip(&request));
    // Of hundreds of polls it is megabytes, and probes come to the same thread.
    let rendering = web::block(move || render(&registry, is_openmetrics, is_gzip));
    let body = rendering
        .await
        .map_err(Problem::internal)?
        .map_err(Problem::internal)?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(if is_openmetrics { OPENMETRICS } else { TEXT })
        .insert_header((VARY, "Accept, Accept-Encoding"));
    if is_gzip {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.body(body))
}

/// The body.
///
/// # Errors
/// A metric can't be encoded.
fn render(registry: &Registry, is_openmetrics: bool, is_gzip: bool) -> io::Result<Vec<u8>> {
    let mut text = String::with_capacity(32 * 1024);
    prometheus_client::encoding::text::encode(&mut text, registry).map_err(io::Error::other)?;
    if !is_openmetrics {
        text = to_text(&text);
    }
    if !is_gzip {
        return Ok(text.into_bytes());
    }
    let mut gzip = GzEncoder::new(Vec::with_capacity(8 * 1024), Compression::fast());
    gzip.write_all(text.as_bytes())?;
    gzip.finish()
}

/// Whether OpenMetrics is named, and liked no less than text.
fn wants_openmetrics(request: &HttpRequest) -> bool {
    let Ok(Accept(listed)) = Accept::parse(request) else {
        return false;
    };
    let (mut openmetrics, mut text) = (Quality::ZERO, Quality::ZERO);
    for range in listed {
        let version = range.item.get_param("version").map(|name| name.as_str());
        match (range.item.essence_str(), version) {
            ("application/openmetrics-text", None | Some("1.0.0")) => {
                openmetrics = openmetrics.max(range.quality);
            }
            ("text/plain", None | Some("0.0.4")) => text = text.max(range.quality),
            _ => {}
        }
    }
    openmetrics > Quality::ZERO && openmetrics >= text
}

/// Whether a body may come compressed by gzip (RFC 9110, 12.5.3).
pub(crate) fn takes_gzip(request: &HttpRequest) -> bool {
    AcceptEncoding::parse(request).is_ok_and(|AcceptEncoding(listed)| {
        let gzip = Preference::Specific(Encoding::Known(ContentEncoding::Gzip));
        let named = listed.iter().find(|range| range.item == gzip);
        named.is_some_and(|range| range.quality > Quality::ZERO)
    })
}

/// The same in text format 0.0.4: families have the names of their samples, and there are fewer kinds.
fn to_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                let _infallible = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _infallible = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{ACCEPT, ACCEPT_ENCODING};
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn openmetrics_is_for_who_names_it_and_text_for_everybody_else() {
        let wants = |accept: &str| {
            let request = TestRequest::default().insert_header((ACCEPT, accept));
            wants_openmetrics(&request.to_http_request())
        };
        assert!(!wants_openmetrics(
            &TestRequest::default().to_http_request()
        ));
        assert!(!wants("*/*"));
        assert!(!wants("text/plain"));
        assert!(wants("application/openmetrics-text"));
        assert!(!wants("application/openmetrics-text;q=0, */*"));
        assert!(!wants("application/openmetrics-text;version=0.0.1"));
        assert!(!wants(
            "application/openmetrics-text;version=1.0.0;q=0.3, text/plain;version=0.0.4;q=0.5"
        ));
        // Prometheus 2 and 3, as they are without a setting.
        assert!(wants(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ));
        assert!(wants(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        ));
    }

    #[test]
    fn gzip_is_for_who_names_it() {
        let takes = |codings: &str| {
            let request = TestRequest::default().insert_header((ACCEPT_ENCODING, codings));
            takes_gzip(&request.to_http_request())
        };
        assert!(takes("gzip"));
        assert!(takes("br, gzip;q=0.1"));
        assert!(!takes("identity"));
        assert!(!takes("gzip;q=0"));
        assert!(!takes_gzip(&TestRequest::default().to_http_request()));
    }

    #[test]
    fn families_are_named_as_their_samples_in_the_text_format() {
        let openmetrics = "# HELP votes Votes.\n# TYPE votes counter\nvotes_total{poll=\"#1\"} 2\n\
            # HELP build Which.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n\
            # TYPE wait_seconds histogram\n# UNIT wait_seconds seconds\nwait_seconds_bucket{le=\"1.0\"} 1\n\
            # HELP odd Odd.\n# TYPE odd unknown\nodd 3\n# EOF\n";
        assert_eq!(
            to_text(openmetrics),
            "# HELP votes_total Votes.\n# TYPE votes_total counter\nvotes_total{poll=\"#1\"} 2\n\
             # HELP build_info Which.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
             # TYPE wait_seconds histogram\nwait_seconds_bucket{le=\"1.0\"} 1\n\
             # HELP odd Odd.\n# TYPE odd untyped\nodd 3\n"
        );
    }
}
