//! What Linux knows of this process, by the names that all Prometheus clients use.
//!
//! Read when it is asked for. What can't be read is left out, as where `/proc` is not mounted.

use std::fmt;

use procfs::process::{LimitValue, Process, Stat};
use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// Registers `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`,
/// `process_max_fds` and `process_start_time_seconds`.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessMetrics {
        start_time_s: start_time_s()
            .inspect_err(|error| tracing::warn!(%error, "no start time of this process"))
            .ok(),
    }));
}

#[derive(Debug)]
struct ProcessMetrics {
    /// Read once: when the system booted is computed from a clock that is set now and then, and a start
    /// that moves looks like a restart.
    start_time_s: Option<f64>,
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(start_time_s) = self.start_time_s {
            write(
                &mut encoder,
                "process_start_time",
                "Start of this process, since the Unix epoch.",
                Some(&Unit::Seconds),
                &ConstGauge::new(start_time_s),
            )?;
        }
        let Ok(process) = Process::myself() else {
            return Ok(());
        };
        if let Ok(stat) = process.stat() {
            write(
                &mut encoder,
                "process_cpu",
                "Processor time that this process has used, its own and the system's for it.",
                Some(&Unit::Seconds),
                &ConstCounter::new(cpu_s(&stat)),
            )?;
            write(
                &mut encoder,
                "process_resident_memory",
                "Memory of this process that is in RAM.",
                Some(&Unit::Bytes),
                &ConstGauge::new(stat.rss.saturating_mul(page_size())),
            )?;
        }
        if let Some(open) = process.fd_count().ok().and_then(|n| u64::try_from(n).ok()) {
            let help = "File descriptors that are open.";
            write(
                &mut encoder,
                "process_open_fds",
                help,
                None,
                &ConstGauge::new(open),
            )?;
        }
        if let Some(max) = max_fds(&process) {
            let help = "File descriptors that may be open at most.";
            write(
                &mut encoder,
                "process_max_fds",
                help,
                None,
                &ConstGauge::new(max),
            )?;
        }
        Ok(())
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

fn start_time_s() -> ProcResult<f64> {
    let after_boot_s = seconds(Process::myself()?.stat()?.starttime);
    Ok(float(boot_time_secs()?) + after_boot_s)
}

fn cpu_s(stat: &Stat) -> f64 {
    seconds(stat.utime.saturating_add(stat.stime))
}

/// The soft limit: at this the system refuses. Without any there is nothing to be near to.
fn max_fds(process: &Process) -> Option<u64> {
    match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(max) => Some(max),
        LimitValue::Unlimited => None,
    }
}

fn seconds(ticks: u64) -> f64 {
    float(ticks) / float(ticks_per_second())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, which ticks and seconds never reach"
)]
fn float(number: u64) -> f64 {
    number as f64
}
