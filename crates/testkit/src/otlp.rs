//! A receiver of OTLP traces (`POST /v1/traces`, `http/protobuf`), for tests of what a service exports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::eventually::eventually;

/// One exported span with the resource that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectedSpan {
    /// Attributes of the resource, `service.name` among them, as text.
    pub resource: BTreeMap<String, String>,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// The span as it was sent.
    pub span: Span,
}

impl CollectedSpan {
    /// The span's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.span.name
    }

    /// `service.name` of the resource, or the empty text.
    #[must_use]
    pub fn service(&self) -> &str {
        self.resource.get("service.name").map_or("", String::as_str)
    }

    /// The trace id in lower-case hexadecimal, 32 digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// The span id in lower-case hexadecimal, 16 digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// The parent's span id in lower-case hexadecimal; empty for a root.
    #[must_use]
    pub fn parent_span_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// Trace and span ids that this span links to, in hexadecimal.
    #[must_use]
    pub fn links(&self) -> Vec<(String, String)> {
        self.span
            .links
            .iter()
            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
            .collect()
    }

    /// The span's attributes as text.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        attributes(&self.span.attributes)
    }
}

/// The receiver; closed when dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    port: u16,
    spans: Arc<Mutex<Vec<CollectedSpan>>>,
    accepting: JoinHandle<()>,
}

impl OtlpReceiver {
    /// Starts a receiver on an ephemeral port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start() -> Self {
        let listener = match TcpListener::bind(("127.0.0.1", 0)).await {
            Ok(listener) => listener,
            Err(error) => panic!("no port for the OTLP receiver: {error}"),
        };
        let port = listener.local_addr().map_or(0, |address| address.port());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&spans);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let collected = Arc::clone(&collected);
                // A client that goes away in mid-request has sent nothing that counts.
                tokio::spawn(async move { drop(serve(stream, &collected).await) });
            }
        });
        Self {
            port,
            spans,
            accepting,
        }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`: `http/protobuf` is spoken where no other protocol is named.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All spans received so far, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until `find` gives a value for the spans received so far, and returns it.
    ///
    /// # Panics
    /// When it doesn't within `deadline`; the message names the spans that were received.
    pub async fn wait_for<T>(
        &self,
        deadline: Duration,
        find: impl Fn(&[CollectedSpan]) -> Option<T>,
    ) -> T {
        eventually(deadline, || {
            let spans = self.spans();
            let found = find(&spans).ok_or_else(|| {
                let names: Vec<&str> = spans.iter().map(CollectedSpan::name).collect();
                format!("received the spans {names:?}")
            });
            async move { found }
        })
        .await
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves the requests of one connection, one after the other.
async fn serve(stream: TcpStream, spans: &Mutex<Vec<CollectedSpan>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request).await? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header).await? == 0 {
                return Ok(());
            }
            let header = header.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let status = if request.starts_with("POST /v1/traces ") {
            match ExportTraceServiceRequest::decode(body.as_slice()) {
                Ok(export) => {
                    spans
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(collected(export));
                    "200 OK"
                }
                Err(_) => "400 Bad Request",
            }
        } else {
            "404 Not Found"
        };
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&answer).await?;
    }
}

fn collected(export: ExportTraceServiceRequest) -> impl Iterator<Item = CollectedSpan> {
    export
        .resource_spans
        .into_iter()
        .flat_map(|resource_spans| {
            let resource = resource_spans
                .resource
                .map(|resource| attributes(&resource.attributes))
                .unwrap_or_default();
            resource_spans
                .scope_spans
                .into_iter()
                .flat_map(move |scope_spans| {
                    let resource = resource.clone();
                    let scope = scope_spans
                        .scope
                        .map(|scope| scope.name)
                        .unwrap_or_default();
                    scope_spans
                        .spans
                        .into_iter()
                        .map(move |span| CollectedSpan {
                            resource: resource.clone(),
                            scope: scope.clone(),
                            span,
                        })
                })
        })
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair.value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::BytesValue(bytes)) => hex(bytes),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::OtlpReceiver;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::span::Link;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    fn export(name: &str) -> Vec<u8> {
        let attribute = |key: &str, value| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        };
        let link = Link {
            trace_id: vec![7; 16],
            span_id: vec![8; 8],
            ..Link::default()
        };
        let span = Span {
            name: name.to_owned(),
            trace_id: vec![0xab; 16],
            span_id: vec![1; 8],
            attributes: vec![attribute("vote.count", Value::IntValue(3))],
            links: vec![link],
            ..Span::default()
        };
        let service = attribute("service.name", Value::StringValue("vote-ingest".to_owned()));
        let spans = ResourceSpans {
            resource: Some(Resource {
                attributes: vec![service],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![spans],
        }
        .encode_to_vec()
    }

    #[tokio::test]
    async fn spans_of_several_requests_on_one_connection_are_collected() {
        let receiver = OtlpReceiver::start().await;
        let mut stream = TcpStream::connect(receiver.endpoint().trim_start_matches("http://"))
            .await
            .expect("the receiver accepts");
        for name in ["vote", "batch"] {
            let body = export(name);
            let head = format!(
                "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream
                .write_all(head.as_bytes())
                .await
                .expect("the receiver reads");
            stream.write_all(&body).await.expect("the receiver reads");
            let mut answer = [0; 15];
            stream
                .read_exact(&mut answer)
                .await
                .expect("the receiver answers");
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            // The rest of the head: the answer's body is empty.
            let mut rest = Vec::new();
            while !rest.ends_with(b"\r\n\r\n") {
                rest.push(stream.read_u8().await.expect("the receiver answers"));
            }
        }
        let span = receiver
            .wait_for(Duration::from_secs(5), |spans| {
                spans.iter().find(|span| span.name() == "batch").cloned()
            })
            .await;
        assert_eq!(span.service(), "vote-ingest");
        assert_eq!(span.trace_id(), "ab".repeat(16));
        assert_eq!(span.parent_span_id(), "");
        assert_eq!(span.links(), [("07".repeat(16), "08".repeat(8))]);
        assert_eq!(span.attributes()["vote.count"], "3");
        assert_eq!(receiver.spans().len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_trace_is_refused() {
        let receiver = OtlpReceiver::start().await;
        for (request, status) in [
            (
                "POST /v1/traces HTTP/1.1\r\ncontent-length: 3\r\n\r\n\u{7f}\u{7f}\u{7f}",
                "400",
            ),
            (
                "POST /v1/metrics HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
                "404",
            ),
        ] {
            let mut stream = TcpStream::connect(receiver.endpoint().trim_start_matches("http://"))
                .await
                .expect("the receiver accepts");
            stream
                .write_all(request.as_bytes())
                .await
                .expect("the receiver reads");
            let mut answer = [0; 12];
            stream
                .read_exact(&mut answer)
                .await
                .expect("the receiver answers");
            assert_eq!(&answer[9..], status.as_bytes());
        }
        assert!(receiver.spans().is_empty());
    }
}
