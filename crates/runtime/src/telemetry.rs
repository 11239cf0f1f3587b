//! Logs, and traces by OTLP where an endpoint is configured.
//!
//! The OpenTelemetry SDK itself reads `OTEL_TRACES_SAMPLER(_ARG)`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, and the exporter `OTEL_EXPORTER_OTLP_(TRACES_)*`: protocol
//! (`grpc` or `http/protobuf`), headers and timeout included. Here it is only decided whether there are
//! traces at all.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};
use vote_domain::Clock;

use crate::log::JsonFormat;
use crate::settings::{LogFormat, LogSettings, ServiceName};

/// Longest time that spans still in memory may take to be exported at exit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is no filter.
    #[error("log.level (VOTE__LOG__LEVEL): {0}")]
    Level(String),
    /// The OTLP exporter refused its `OTEL_…` variables.
    #[error("OTLP export of traces: {0}")]
    Exporter(String),
    /// Something else has taken the process' logs already.
    #[error("logs are set up already: {0}")]
    Taken(String),
}

/// The process' telemetry; flushed by [`Telemetry::shutdown`].
#[must_use = "spans still in memory are lost unless it is shut down"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up the process' logs, on standard output, and its traces, if `env` asks for them.
    ///
    /// Must be called within a tokio runtime when traces go over gRPC, and the runtime must live until
    /// [`Self::shutdown`].
    ///
    /// # Errors
    /// A wrong filter, a wrong `OTEL_…` variable, or a second call in the process.
    pub fn init(
        service: ServiceName,
        version: &'static str,
        settings: &LogSettings,
        clock: Arc<dyn Clock>,
        env: &[(String, String)],
    ) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::builder()
            .parse(&settings.level)
            .map_err(|error| TelemetryError::Level(error.to_string()))?;
        // Lines show no spans, so without traces a span shall cost nothing: not even be made.
        let filter = filter.and(filter_fn(|metadata| metadata.is_event()));
        let is_json = match settings.format {
            LogFormat::Json => true,
            LogFormat::Pretty => false,
            LogFormat::Auto => !std::io::stdout().is_terminal(),
        };
        let logs = if is_json {
            tracing_subscriber::fmt::layer()
                .event_format(JsonFormat::new(service.as_str(), clock))
                .with_filter(filter)
                .boxed()
        } else {
            tracing_subscriber::fmt::layer()
                .compact()
                .with_ansi(std::io::stdout().is_terminal())
                .with_filter(filter)
                .boxed()
        };
        let provider = traces_wanted(env)
            .then(|| provider(service, version, env))
            .transpose()?;
        let traces = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(service.as_str()))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(LevelFilter::INFO)
        });
        tracing_subscriber::registry()
            .with(logs)
            .with(traces)
            .try_init()
            .map_err(|error| TelemetryError::Taken(error.to_string()))?;
        log_panics();
        Ok(Self { provider })
    }

    /// Whether spans are exported.
    #[must_use]
    pub fn has_traces(&self) -> bool {
        self.provider.is_some()
    }

    /// Exports the spans that are still in memory, in bounded time. Blocks: not for an async task.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
            tracing::warn!(error = %error, "not all spans could be exported");
        }
    }
}

/// Whether the standard variables ask for traces: an endpoint is set, and nothing turns it off.
fn traces_wanted(env: &[(String, String)]) -> bool {
    let endpoint = variable(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| variable(env, "OTEL_EXPORTER_OTLP_ENDPOINT"));
    let is_disabled =
        variable(env, "OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_none = variable(env, "OTEL_TRACES_EXPORTER") == Some("none");
    endpoint.is_some() && !is_disabled && !is_none
}

/// A variable that is set; by OpenTelemetry's rule an empty one is not.
fn variable<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let value = env
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.trim());
    value.filter(|value| !value.is_empty())
}

fn provider(
    service: ServiceName,
    version: &'static str,
    env: &[(String, String)],
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .build()
        .map_err(|error| TelemetryError::Exporter(error.to_string()))?;
    // What is added later goes over what was there.
    let mut resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service.as_str()),
            KeyValue::new("service.version", version),
        ])
        .with_detectors(&[
            Box::new(TelemetryResourceDetector),
            Box::new(EnvResourceDetector::new()),
        ]);
    // The SDK's own detector of the name would go over ours with `unknown_service` where it is not set.
    if let Some(name) = variable(env, "OTEL_SERVICE_NAME") {
        resource = resource.with_service_name(name.to_owned());
    }
    let resource = resource.build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}

/// A panic is a log line like any other, so that it reaches where logs are read.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(
            panic.location = location.as_deref().unwrap_or("unknown"),
            panic.message = panic.payload_as_str().unwrap_or("not a text"),
            "panicked"
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_on_only_with_an_endpoint_and_nothing_against_it() {
        let wanted = |pairs: &[(&str, &str)]| {
            let env: Vec<(String, String)> = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            traces_wanted(&env)
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        assert!(!wanted(&[]));
        assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://127.0.0.1:4318/v1/traces"
        )]));
        assert!(wanted(&[endpoint, ("OTEL_SDK_DISABLED", "false")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }
}
