//! One supervised process.

use crate::error::DevError;
use crate::names::REDIS;
use crate::pidfile::{PidFiles, Recorded};
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// How many lines of its log are shown when a process has ended by itself.
const LAST_LINES: usize = 15;

/// What to start.
pub(crate) struct Spec {
    /// The executable's name, which also names log and pid file.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'static str, String)>,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    log: PathBuf,
    recorded: Recorded,
    files: PidFiles,
}

impl Child {
    /// Starts a process whose output goes to `<data_dir>/logs/<name>.log`.
    pub(crate) fn start(spec: Spec, data_dir: &Path) -> Result<Self, DevError> {
        let Spec {
            name,
            program,
            args,
            env,
        } = spec;
        let log = data_dir.join("logs").join(format!("{name}.log"));
        let create = || -> std::io::Result<(File, File)> {
            std::fs::create_dir_all(data_dir.join("logs"))?;
            let out = File::create(&log)?;
            Ok((out.try_clone()?, out))
        };
        let (out, err) = create().with_context(|| format!("can't write {}", log.display()))?;
        let process = Command::new(&program)
            .args(args)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            // A group of its own: Ctrl-C reaches the supervisor alone, which stops its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => DevError::Usage(missing(name, &program)),
                _ => DevError::from(
                    anyhow::Error::from(error)
                        .context(format!("can't start {}", program.display())),
                ),
            })?;
        let recorded = Recorded {
            name: name.to_owned(),
            pid: process.id().unwrap_or_default(),
            supervisor: std::process::id(),
        };
        let files = PidFiles::new(data_dir);
        files
            .write(&recorded)
            .context("can't record the processes that were started")?;
        Ok(Self {
            name,
            process,
            log,
            recorded,
            files,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        // An error says that there is no such child any more.
        self.process.wait().await.unwrap_or_default()
    }

    /// The status of a process that has ended.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Asks the process to stop and waits; kills it when it takes longer than `patience`. Whether it stopped by itself.
    pub(crate) async fn stop(mut self, patience: Duration) -> bool {
        if let Some(pid) = self
            .process
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
        {
            let _sent = kill_process(pid, Signal::TERM);
        }
        let stopped = tokio::time::timeout(patience, self.process.wait())
            .await
            .is_ok();
        if !stopped {
            let _killed = self.process.kill().await;
        }
        self.files.forget(&self.recorded);
        stopped
    }

    /// What it wrote last, and where all of it is.
    pub(crate) fn last_words(&self) -> String {
        let lines = tail(&self.log).unwrap_or_default();
        format!("{lines}(all of it: {})", self.log.display())
    }
}

fn missing(name: &str, program: &Path) -> String {
    if name == REDIS {
        return "redis-server is not installed: `make setup` installs it (apt-get install redis-server, or \
                brew install redis)"
            .to_owned();
    }
    format!(
        "{} is missing: `cargo build --release` builds it, or --bin-dir says where it is",
        program.display()
    )
}

fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(16 * 1024)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    Ok(lines[first..]
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{Child, Spec};
    use crate::error::DevError;
    use std::time::Duration;

    fn shell(script: &str, dir: &std::path::Path) -> Child {
        let args = vec!["-c".into(), script.into()];
        Child::start(
            Spec {
                name: "sh",
                program: "/bin/sh".into(),
                args,
                env: vec![("WORD", "hello".to_owned())],
            },
            dir,
        )
        .expect("it starts")
    }

    #[tokio::test]
    async fn a_child_that_ends_leaves_its_last_words() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut child = shell(
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo $WORD $i; done; exit 3",
            dir.path(),
        );
        assert_eq!(child.ended().await.code(), Some(3));
        let words = child.last_words();
        assert!(
            words.starts_with("  hello 2\n")
                && words.contains("  hello 16\n")
                && words.contains("sh.log"),
            "{words}"
        );
    }

    #[tokio::test]
    async fn a_child_that_does_not_stop_is_killed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut stubborn = shell(
            "trap '' TERM; echo ready; while :; do sleep 0.01; done",
            dir.path(),
        );
        vote_testkit::eventually(Duration::from_secs(5), || {
            let ready = stubborn.last_words().contains("ready");
            async move { ready }
        })
        .await;
        assert!(stubborn.has_ended().is_none());
        assert!(!stubborn.stop(Duration::from_millis(50)).await);
        assert!(
            shell("exec sleep 600", dir.path())
                .stop(Duration::from_secs(10))
                .await
        );
    }

    #[test]
    fn a_missing_program_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let _entered = runtime.enter();
        let spec = |name| Spec {
            name,
            program: "/nowhere/x".into(),
            args: Vec::new(),
            env: Vec::new(),
        };
        let ingest = Child::start(spec("vote-ingest"), dir.path()).expect_err("it is refused");
        assert!(matches!(&ingest, DevError::Usage(text) if text.contains("cargo build --release")));
        let redis = Child::start(spec("redis-server"), dir.path()).expect_err("it is refused");
        assert!(redis.to_string().contains("make setup"));
    }
}
