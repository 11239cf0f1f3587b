//! Where and of what something was measured.

use std::process::{Command, Stdio};

use serde::Serialize;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;

/// What a figure depends on beside the code.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    date: String,
    commit: String,
    cpu: String,
    cores: usize,
    kernel: String,
    redis: String,
    wrk: String,
    rustc: String,
}

impl Machine {
    /// This one, now.
    pub(crate) fn of_now() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let commit = first_line("git", &["rev-parse", "--short=12", "HEAD"]);
        let is_changed = !first_line("git", &["status", "--porcelain", "-uno"]).is_empty();
        let redis = first_line("redis-server", &["--version"]);
        // Between "v=" and the next space.
        let version = redis.split_once("v=").map(|(_, rest)| rest);
        Self {
            date: SystemClock.now().strftime("%-d %B %Y").to_string(),
            commit: commit + if is_changed { " with changes" } else { "" },
            cpu: model.map_or_else(String::new, |(_, model)| model.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: first_line("uname", &["-sr"]),
            redis: version.map_or(redis.clone(), |rest| {
                rest.split(' ').next().unwrap_or_default().to_owned()
            }),
            wrk: first_line("wrk", &["-v"]),
            rustc: first_line("rustc", &["--version"]),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            date,
            commit,
            cpu,
            cores,
            kernel,
            redis,
            rustc,
            ..
        } = self;
        write!(
            f,
            "{date}, commit {commit}; {cpu}, {cores} cores, {kernel}; Redis {redis}, {rustc}"
        )
    }
}

/// What a program says first; nothing where it is not there.
fn first_line(program: &str, args: &[&str]) -> String {
    let said = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = said.unwrap_or_default();
    let line = said.lines().next().unwrap_or_default();
    // wrk says who wrote it as well.
    line.split(" Copyright").next().unwrap_or(line).to_owned()
}
