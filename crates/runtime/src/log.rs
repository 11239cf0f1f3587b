//! Log lines as JSON: one object a line, with trace ids where a span is sampled.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use opentelemetry::trace::TraceContextExt as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use vote_domain::Clock;

/// Formats an event as `{"timestamp", "level", "service", "target", "message", …fields, "trace_id", "span_id"}`.
pub(crate) struct JsonFormat {
    service: &'static str,
    clock: Arc<dyn Clock>,
}

impl JsonFormat {
    pub(crate) fn new(service: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self { service, clock }
    }
}

impl<S, N> FormatEvent<S, N> for JsonFormat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = JsonFields {
            text: String::with_capacity(160),
            target: None,
        };
        event.record(&mut fields);
        let metadata = event.metadata();
        write!(
            writer,
            r#"{{"timestamp":"{:.3}","level":"{}","service":"#,
            self.clock.now(),
            metadata.level()
        )?;
        writer.write_str(&json(self.service))?;
        writer.write_str(r#","target":"#)?;
        writer.write_str(&json(
            fields
                .target
                .as_deref()
                .unwrap_or_else(|| metadata.target()),
        ))?;
        writer.write_str(&fields.text)?;
        // The layer that exports traces keeps the entered span as the current context.
        let context = opentelemetry::Context::current();
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() && span.is_sampled() {
            write!(
                writer,
                r#","trace_id":"{}","span_id":"{}""#,
                span.trace_id(),
                span.span_id()
            )?;
        }
        writer.write_str("}\n")
    }
}

/// Collects fields as `,"name":value…`.
struct JsonFields {
    text: String,
    /// The target of a record that came from the `log` crate.
    target: Option<String>,
}

impl JsonFields {
    fn push(&mut self, field: &Field, value: &str) {
        self.text.push(',');
        self.text.push_str(&json(field.name()));
        self.text.push(':');
        self.text.push_str(value);
    }

    fn push_text(&mut self, field: &Field, value: &str) {
        match field.name() {
            "log.target" => self.target = Some(value.to_owned()),
            // Where in a library's source a record was made is noise.
            "log.module_path" | "log.file" | "log.line" => {}
            _ => self.push(field, &json(value)),
        }
    }
}

impl Visit for JsonFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _infallible = write!(text, ": {cause}");
            source = cause.source();
        }
        self.push_text(field, &text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() != "log.line" {
            self.push(field, &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities.
        match serde_json::to_string(&value) {
            Ok(number) => self.push(field, &number),
            Err(_) => self.push(field, "null"),
        }
    }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use vote_domain::Secret;
    use vote_store::Address;

    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> jiff::Timestamp {
            "2026-11-24T01:02:03.25Z".parse().expect("a timestamp")
        }
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Buffer {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(JsonFormat::new("vote-test", Arc::new(Fixed)))
            .with_writer(buffer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = buffer.0.lock().expect("lock").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn a_line_is_an_object_with_dotted_names_and_typed_values() {
        let broken = io::Error::other("broken\nline");
        let broken: &dyn std::error::Error = &broken;
        let line = logged(|| {
            tracing::warn!(
                poll.id = "p\"1\"",
                batch.votes = 17_u64,
                delta = -1_i64,
                late = false,
                ratio = 0.5,
                nan = f64::NAN,
                error = broken,
                "batch lost"
            );
        });
        assert_eq!(
            line,
            concat!(
                r#"{"timestamp":"2026-11-24T01:02:03.250Z","level":"WARN","service":"vote-test","#,
                r#""target":"vote_runtime::log::tests","message":"batch lost","poll.id":"p\"1\"","batch.votes":17,"#,
                r#""delta":-1,"late":false,"ratio":0.5,"nan":null,"error":"broken\nline"}"#,
                "\n"
            )
        );
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    }

    #[test]
    fn no_secret_shows_in_a_line() {
        let line = logged(|| {
            let url: Address = "redis://vote:hunter2@h".parse().expect("a URL");
            tracing::info!(redis.url = %url, secret = ?Secret::new("hunter2"), "starting");
        });
        assert!(line.contains("redis://[secret]@h"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}
