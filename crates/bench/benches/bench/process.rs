//! What the system tells of a process.

use anyhow::Context as _;

/// Ticks a second, on every Linux that people run.
const TICKS: f64 = 100.0;

/// Seconds of processor time so far, its ended children's among them.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<f64> {
    let stat = read(pid, "stat")?;
    // The name may have any character in it.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks: Vec<u32> = fields
        .split_whitespace()
        // utime, stime, cutime and cstime are fields 14 to 17; the first here is the third.
        .skip(11)
        .take(4)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS)
}

/// Seconds of processor time that the machine has spent so far, on whatever it was; what its host took away as well.
pub(crate) fn machine() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("this is no Linux")?;
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks: Vec<f64> = all
        .context("no processors")?
        .split_whitespace()
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let busy = ticks
        .iter()
        .enumerate()
        .filter(|(place, _)| ![3, 4].contains(place));
    Ok(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

/// Bytes that are resident.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    of_status(pid, "VmRSS:")
}

/// Bytes that are resident and from no file: what the process has taken for itself.
pub(crate) fn anonymous(pid: u32) -> anyhow::Result<u64> {
    of_status(pid, "RssAnon:")
}

fn of_status(pid: u32, name: &str) -> anyhow::Result<u64> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib = kib.with_context(|| format!("no {name}"))?;
    Ok(kib.parse::<u64>()? * 1024)
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}"))
        .with_context(|| format!("process {pid} has ended, or this is no Linux"))
}
