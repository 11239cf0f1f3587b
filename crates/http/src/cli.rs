//! The command line of both binaries, and the process around a service: runtime, signals, exit code.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::BoxError;
use crate::openapi;
use crate::run::{Service, launch};
use vote_runtime::SystemClock;
use vote_runtime::settings::{Settings, schema_json};
use vote_runtime::telemetry::Telemetry;

const EXIT_SUCCESS: u8 = 0;
const EXIT_FAILURE: u8 = 1;

/// Exit code of wrong settings, as of wrong arguments.
const EXIT_USAGE: u8 = 2;

/// Exit code of a process that a second signal has ended before it had drained: 128 + SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Longest time for `healthcheck` to get its answer.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest time for what is left in the runtime to end.
const RUNTIME_STOP_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
struct Arguments {
    /// Settings file (.toml, .yaml, .yml or .json); VOTE__… variables go over it.
    #[arg(long, value_name = "FILE", env = "VOTE__CONFIG_FILE")]
    config: Option<PathBuf>,

    /// Check the settings and exit.
    #[arg(long, conflicts_with_all = ["print_openapi", "print_settings_schema"])]
    check_config: bool,

    /// Print the OpenAPI document and exit.
    #[arg(long)]
    print_openapi: bool,

    /// Print the JSON Schema of the settings and exit.
    #[arg(long, conflicts_with = "print_openapi")]
    print_settings_schema: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the running service's /readyz; exit 0 if it is ready, 1 if not.
    Healthcheck {
        /// Ask /healthz instead: exit 0 as long as the process answers, whether or not Redis does.
        #[arg(long)]
        live: bool,
    },
}

/// The whole of a binary: `fn main() -> ExitCode { vote_http::main::<Ingest>() }`.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    main_from::<S>(std::env::args_os()).into()
}

/// [`main`] with arguments of the caller's, the program's name first; returns the exit code: 0, 1 for a
/// failure, 2 for wrong settings. Wrong arguments, `--help` and `--version` end the process themselves.
#[must_use]
pub fn main_from<S: Service>(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = Arguments::command()
        .name(S::NAME.as_str())
        .bin_name(S::NAME.as_str())
        .version(S::VERSION)
        .about(S::ABOUT)
        .after_help("Settings: VOTE__… variables and a file; docs/settings.md has them all.");
    let arguments = Arguments::from_arg_matches(&command.get_matches_from(arguments))
        .unwrap_or_else(|error| error.exit());
    if arguments.print_openapi {
        let document = openapi::complete(S::openapi());
        return print(&openapi::to_json(&document));
    }
    if arguments.print_settings_schema {
        return schema_json()
            .map_or_else(|error| fail(&error.to_string()), |schema| print(&schema));
    }
    let env = environment();
    let settings = match Settings::load(S::NAME, arguments.config.as_deref(), env.iter().cloned()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error),
    };
    if arguments.check_config {
        return print("The settings are right.\n");
    }
    if let Some(Command::Healthcheck { live }) = arguments.command {
        let path = if live { "/healthz" } else { "/readyz" };
        return healthcheck(settings.admin.bind, path);
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    let code = run::<S>(&runtime, settings, &env);
    runtime.shutdown_timeout(RUNTIME_STOP_TIMEOUT);
    code
}

/// Sets up telemetry, and flushes it however the service has ended.
fn run<S: Service>(runtime: &Runtime, settings: Settings, env: &[(String, String)]) -> u8 {
    let telemetry = {
        // The exporter over gRPC starts a task of its own.
        let _within = runtime.enter();
        Telemetry::init(
            S::NAME,
            S::VERSION,
            &settings.log,
            Arc::new(SystemClock),
            env,
        )
    };
    let telemetry = match telemetry {
        Ok(telemetry) => telemetry,
        Err(error) => return usage(&error),
    };
    let result = runtime.block_on(serve::<S>(settings, telemetry.has_traces()));
    let code = match &result {
        Ok(()) => EXIT_SUCCESS,
        Err(error) => {
            tracing::error!(
                error = error.as_ref() as &dyn std::error::Error,
                "stopped with an error"
            );
            EXIT_FAILURE
        }
    };
    telemetry.shutdown();
    code
}

/// Serves until a signal, then drains.
async fn serve<S: Service>(settings: Settings, has_traces: bool) -> Result<(), BoxError> {
    // Before anything else, so that an early signal is not the default's sudden end.
    let mut signals = Signals::new()?;
    tracing::info!(
        version = S::VERSION,
        redis.url = %settings.redis.url,
        workers = settings.http.worker_count(),
        traces = has_traces,
        "starting"
    );
    let mut running = launch::<S>(settings, Arc::new(SystemClock), has_traces).await?;
    let skip_grace = CancellationToken::new();
    let failure = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            None
        }
        // Nothing is served any more, but what was accepted is still to be finished.
        failure = running.failed() => {
            skip_grace.cancel();
            Some(failure)
        }
    };
    let shutdown = running.shutdown(skip_grace.clone());
    tokio::pin!(shutdown);
    let mut signals_more = 0;
    loop {
        tokio::select! {
            result = &mut shutdown => {
                let result = failure.map_or(Ok(()), Err).and(result);
                return result.map_err(Into::into);
            }
            name = signals.next() => {
                signals_more += 1;
                if signals_more > 1 {
                    tracing::error!(signal = name, "stopped at once, without having drained");
                    std::process::exit(EXIT_INTERRUPTED);
                }
                // The second signal is somebody who waits: the grace is for load balancers.
                skip_grace.cancel();
            }
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The process' environment. Variables that are not Unicode are left out, but for ours, of which the
/// settings shall see that something is wrong.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let value = value
                .into_string()
                .unwrap_or_else(|value| value.to_string_lossy().into_owned());
            Some((name, value))
        })
        .collect()
}

fn healthcheck(bind: SocketAddr, path: &str) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    let address = local(bind);
    let answer = async { tokio::time::timeout(HEALTHCHECK_TIMEOUT, ask(address, path)).await };
    match runtime.block_on(answer) {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => EXIT_SUCCESS,
        Ok(Ok(answer)) => fail(answer.split("\r\n\r\n").nth(1).unwrap_or("no answer")),
        Ok(Err(error)) => fail(&format!("no answer from {address}: {error}")),
        Err(_) => fail(&format!(
            "no answer from {address} within {} s",
            HEALTHCHECK_TIMEOUT.as_secs()
        )),
    }
}

/// Where a service bound to that address is reached from its own machine.
fn local(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    // The report is small; whatever else answers there is not read for ever.
    stream.take(64 * 1024).read_to_string(&mut answer).await?;
    Ok(answer)
}

fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => EXIT_SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(text: &str) -> u8 {
    // Nobody is left to tell when standard error is closed.
    let _nobody = writeln!(io::stderr(), "{text}");
    EXIT_FAILURE
}

fn usage(error: &dyn std::error::Error) -> u8 {
    fail(&error.to_string());
    EXIT_USAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_health_check_asks_this_machine() {
        for (bind, asked) in [
            ("0.0.0.0:9080", "127.0.0.1:9080"),
            ("[::]:9080", "[::1]:9080"),
            ("10.1.2.3:9080", "10.1.2.3:9080"),
        ] {
            assert_eq!(local(bind.parse().expect("an address")).to_string(), asked);
        }
    }
}
