//! The process around a service: its runtime, its telemetry, its signals.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vote_runtime::SystemClock;
use vote_runtime::sampling::Sampling;
use vote_runtime::settings::{ServiceName, Settings};
use vote_runtime::telemetry::Telemetry;

use crate::error::{BoxError, StopError};
use crate::exit::{self, fail, usage};
use crate::run::launch;
use crate::service::Service;

/// Longest time for what is left in the runtime to end.
const RUNTIME_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// So many threads of `vote-ingest` that answer have one beside them: by the processor time of a vote, lanes take less than a
/// quarter of what answering takes.
const ANSWERING_FOR_ONE_BESIDE: usize = 4;

/// Runs a service to its end; the exit code says what that was.
pub(crate) fn run<S: Service>(settings: Settings, env: &[(String, String)]) -> u8 {
    let runtime = Builder::new_multi_thread()
        .worker_threads(beside(S::NAME, settings.http.worker_count()))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    let code = with_telemetry::<S>(&runtime, settings, env);
    runtime.shutdown_timeout(RUNTIME_STOP_TIMEOUT);
    code
}

/// Threads of the runtime beside those that answer: lanes, connections to Redis, and whatever else is nobody's request.
///
/// A runtime of several threads wakes another one for each piece of work that it puts off, by a system call: on two cores
/// `vote-ingest` takes some 5 % less processor time for a vote with one thread beside two than with two.
const fn beside(service: ServiceName, answering: usize) -> usize {
    match service {
        ServiceName::Ingest => answering.div_ceil(ANSWERING_FOR_ONE_BESIDE),
        // Revisions of several polls are made at once, and readers come in between.
        ServiceName::Results => answering,
    }
}

/// Sets up telemetry, and flushes it however the service has ended.
fn with_telemetry<S: Service>(
    runtime: &Runtime,
    settings: Settings,
    env: &[(String, String)],
) -> u8 {
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
    let result = runtime.block_on(serve::<S>(settings, telemetry.sampling()));
    let code = match &result {
        Ok(()) => exit::SUCCESS,
        Err(error) => {
            tracing::error!(
                error = error.as_ref() as &dyn Error,
                "stopped with an error"
            );
            match error.downcast_ref() {
                Some(StopError::Unrecorded { .. }) => exit::UNRECORDED,
                _ => exit::FAILURE,
            }
        }
    };
    telemetry.shutdown();
    code
}

/// Serves until a signal, then drains.
async fn serve<S: Service>(
    settings: Settings,
    sampling: Option<&Sampling>,
) -> Result<(), BoxError> {
    // Before anything else, so that an early signal is not the default's sudden end.
    let mut signals = Signals::new()?;
    tracing::info!(
        version = S::VERSION,
        redis.url = %settings.redis.url,
        workers = settings.http.worker_count(),
        traces = sampling.is_some(),
        "starting"
    );
    let mut running = launch::<S>(settings, Arc::new(SystemClock), sampling.cloned()).await?;
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
                let result = match result {
                    Err(StopError::Unrecorded { .. }) => result,
                    _ => failure.map_or(Ok(()), Err).and(result),
                };
                return result.map_err(Into::into);
            }
            name = signals.next() => {
                signals_more += 1;
                if signals_more > 1 {
                    tracing::error!(signal = name, "stopped at once, without having drained");
                    std::process::exit(exit::INTERRUPTED);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_threads_carry_lanes_and_revisions_have_as_many_as_readers() {
        for (answering, lanes) in [(1, 1), (2, 1), (4, 1), (5, 2), (64, 16)] {
            assert_eq!(beside(ServiceName::Ingest, answering), lanes);
            assert_eq!(beside(ServiceName::Results, answering), answering);
        }
    }
}
