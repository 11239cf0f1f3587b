//! Logs, and traces by OTLP where an endpoint is configured.
//!
//! The OpenTelemetry SDK itself reads `OTEL_TRACES_SAMPLER(_ARG)`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, and the exporter `OTEL_EXPORTER_OTLP_(TRACES_)*`:
//! headers and timeout included. Of resource attributes it takes values as they stand, without decoding percents
//! (`findings/otel-resource-attributes.sh`). Here it is only decided whether there are traces at all, and by which protocol:
//! an endpoint takes one of the two, and the exporter would not say that it speaks the other one.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use vote_domain::Clock;

use crate::log::JsonFormat;
use crate::sampling::{Sampling, TraceIds};
use crate::settings::{LogFormat, LogSettings, ServiceName, targets};

/// Longest time that spans still in memory may take to be exported at exit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The library whose events are of what clients do: lines only where `log.level` names it.
const CLIENTS_FAULTS: &str = "actix_http";

/// Why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is no filter.
    #[error("log.level (VOTE__LOG__LEVEL): {0}")]
    Level(String),
    /// The OTLP exporter refused its `OTEL_…` variables.
    #[error("OTLP export of traces: {0}")]
    Exporter(String),
    /// `OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL` is none that there is.
    #[error("{name} is {value:?}: it takes grpc or http/protobuf")]
    Protocol {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// Something else has taken the process' logs already.
    #[error("logs are set up already: {0}")]
    Taken(String),
}

/// The process' telemetry; flushed by [`Telemetry::shutdown`].
#[must_use = "spans still in memory are lost unless it is shut down"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    sampling: Option<Sampling>,
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
        let filter = events(&settings.level)?;
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
        let export = Export::wanted(env)?;
        let sampling = export.as_ref().map(|_| Sampling::configured());
        let provider = match (&export, &sampling) {
            (Some(export), Some(sampling)) => {
                let resource = resource(service, version, env);
                Some(provider(resource, export.protocol, sampling.clone())?)
            }
            _ => None,
        };
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
        if let Some(export) = &export {
            export.log(env);
        }
        Ok(Self { provider, sampling })
    }

    /// Which spans are exported; `None` where none are.
    #[must_use]
    pub fn sampling(&self) -> Option<&Sampling> {
        self.sampling.as_ref()
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

/// Which events are lines: those that `level` lets through.
///
/// Lines show no spans, so without traces a span shall cost nothing: not even be made. Both filters have to say how far they go:
/// if one does not, the libraries' events of all levels are made and asked for, several at each request.
fn events<S>(level: &str) -> Result<impl Filter<S> + use<S>, TelemetryError> {
    let filter = targets(level).map_err(|error| TelemetryError::Level(error.to_string()))?;
    // actix-http has an error for each request that is none: whoever sends such ones would fill the disk.
    let is_asked_for = level.contains(CLIENTS_FAULTS);
    let is_event = filter_fn(move |metadata| {
        metadata.is_event() && (is_asked_for || !metadata.target().starts_with(CLIENTS_FAULTS))
    });
    Ok(filter.and(is_event.with_max_level_hint(LevelFilter::TRACE)))
}

/// How spans travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    fn parse(name: &'static str, value: &str) -> Result<Self, TelemetryError> {
        match value.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::Http),
            _ => Err(TelemetryError::Protocol {
                name,
                value: value.to_owned(),
            }),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

/// Where spans go and how.
#[derive(Debug, PartialEq, Eq)]
struct Export {
    endpoint: String,
    protocol: Protocol,
}

impl Export {
    /// What the standard variables ask for: nothing, unless an endpoint is set and nothing turns it off.
    ///
    /// Where no protocol is named it is `http/protobuf`, as OpenTelemetry has it, but for the port that is gRPC's.
    fn wanted(env: &[(String, String)]) -> Result<Option<Self>, TelemetryError> {
        const PROTOCOLS: [&str; 2] = [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ];
        let is_disabled = variable(env, "OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_none = variable(env, "OTEL_TRACES_EXPORTER") == Some("none");
        let endpoint = variable(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| variable(env, "OTEL_EXPORTER_OTLP_ENDPOINT"));
        let Some(endpoint) = endpoint.filter(|_| !is_disabled && !is_none) else {
            return Ok(None);
        };
        let endpoint = without_secrets(endpoint);
        let named = PROTOCOLS
            .into_iter()
            .find_map(|name| Some((name, variable(env, name)?)));
        let protocol = match named {
            Some((name, value)) => Protocol::parse(name, value)?,
            None if endpoint.trim_end_matches('/').ends_with(":4317") => Protocol::Grpc,
            None => Protocol::Http,
        };
        Ok(Some(Self { endpoint, protocol }))
    }

    fn log(&self, env: &[(String, String)]) {
        tracing::info!(
            otlp.endpoint = self.endpoint,
            otlp.protocol = self.protocol.as_str(),
            otlp.sampler = variable(env, "OTEL_TRACES_SAMPLER").unwrap_or("parentbased_always_on"),
            otlp.sampler_arg = variable(env, "OTEL_TRACES_SAMPLER_ARG"),
            "traces are exported by OTLP"
        );
    }
}

/// An endpoint as it may be logged: without a user, a password or a token.
fn without_secrets(endpoint: &str) -> String {
    let endpoint = endpoint.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return endpoint.to_owned();
    };
    let path = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
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
    resource: Resource,
    protocol: Protocol,
    sampling: Sampling,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder();
    let exporter = match protocol {
        Protocol::Grpc => exporter
            .with_tonic()
            .with_protocol(opentelemetry_otlp::Protocol::Grpc)
            .build(),
        Protocol::Http => exporter
            .with_http()
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .build(),
    };
    let exporter = exporter.map_err(|error| TelemetryError::Exporter(error.to_string()))?;
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampling)
        .with_id_generator(TraceIds::default())
        .with_batch_exporter(exporter)
        .build())
}

/// Who exports.
fn resource(service: ServiceName, version: &'static str, env: &[(String, String)]) -> Resource {
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
    resource.build()
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
    use tracing_subscriber::Registry;

    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Result<Option<Export>, TelemetryError> {
        let env: Vec<(String, String)> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Export::wanted(&env)
    }

    #[test]
    fn events_that_are_no_lines_are_not_made() {
        let furthest = |level| {
            let filter = events::<Registry>(level).expect("a filter");
            filter.max_level_hint()
        };
        assert_eq!(furthest("info"), Some(LevelFilter::INFO));
        assert_eq!(furthest("warn,vote_http=debug"), Some(LevelFilter::DEBUG));
    }

    fn protocol(pairs: &[(&str, &str)]) -> Protocol {
        let export = wanted(pairs).expect("a protocol that there is");
        export.expect("traces").protocol
    }

    #[test]
    fn traces_are_on_only_with_an_endpoint_and_nothing_against_it() {
        let is_wanted = |pairs: &[(&str, &str)]| wanted(pairs).expect("no protocol").is_some();
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        assert!(!is_wanted(&[]));
        assert!(!is_wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(is_wanted(&[endpoint]));
        assert!(is_wanted(&[(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://127.0.0.1:4318/v1/traces"
        )]));
        assert!(is_wanted(&[endpoint, ("OTEL_SDK_DISABLED", "false")]));
        assert!(!is_wanted(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!is_wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn the_port_of_grpc_is_asked_by_grpc_unless_a_protocol_is_named() {
        let grpc = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        let http = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(protocol(&[grpc]), Protocol::Grpc);
        assert_eq!(protocol(&[http]), Protocol::Http);
        let named = |value| ("OTEL_EXPORTER_OTLP_PROTOCOL", value);
        let of_traces = |value| ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", value);
        assert_eq!(protocol(&[http, named("grpc")]), Protocol::Grpc);
        assert_eq!(protocol(&[grpc, named("HTTP/protobuf")]), Protocol::Http);
        let both = [http, named("http/protobuf"), of_traces("grpc")];
        assert_eq!(protocol(&both), Protocol::Grpc);
        let error = wanted(&[http, named("http/json")]).expect_err("no such protocol");
        assert!(
            error.to_string().contains("grpc or http/protobuf"),
            "{error}"
        );
    }

    #[test]
    fn where_traces_go_is_logged_without_what_is_secret() {
        for (endpoint, shown) in [
            ("http://collector:4317", "http://collector:4317"),
            ("https://me:key@host/otlp?token=1", "https://host/otlp"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(without_secrets(endpoint), shown);
        }
    }
}
