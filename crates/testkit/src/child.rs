//! Binaries under test as child processes.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::eventually::eventually;

/// Where a line of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line that the child wrote, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Which stream it was written to.
    pub stream: Stream,
    /// The text, lossily decoded as UTF-8.
    pub text: String,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Exit {
    /// Its status, with the code or the signal.
    pub status: ExitStatus,
    /// All that it wrote, in the order in which it was read.
    pub output: Vec<OutputLine>,
}

impl Exit {
    /// The exit code; `None` when a signal ended the process.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as one text.
    #[must_use]
    pub fn stdout(&self) -> String {
        joined(&self.output, Stream::Out)
    }

    /// Standard error as one text.
    #[must_use]
    pub fn stderr(&self) -> String {
        joined(&self.output, Stream::Err)
    }
}

fn joined(lines: &[OutputLine], stream: Stream) -> String {
    lines
        .iter()
        .filter(|line| line.stream == stream)
        .map(|line| format!("{}\n", line.text))
        .collect()
}

/// What to start; made by [`ChildProcess::builder`].
#[derive(Debug)]
pub struct ChildProcessBuilder {
    command: Command,
    name: String,
}

impl ChildProcessBuilder {
    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Hides a variable of the test's own environment.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// The child's working directory.
    #[must_use]
    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Starts the process. Its standard input is empty.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn spawn(mut self) -> ChildProcess {
        let name = self.name;
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {name}: {error}"));
        let output = Arc::new(Mutex::new(Output::default()));
        if let Some(stdout) = child.stdout.take() {
            collect(stdout, Stream::Out, &output);
        }
        if let Some(stderr) = child.stderr.take() {
            collect(stderr, Stream::Err, &output);
        }
        ChildProcess {
            name,
            child,
            output,
        }
    }
}

#[derive(Debug, Default)]
struct Output {
    lines: Vec<OutputLine>,
    /// How many of the two streams are still open.
    open: usize,
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(
    stream: impl AsyncRead + Unpin + Send + 'static,
    which: Stream,
    output: &Arc<Mutex<Output>>,
) {
    lock(output).open += 1;
    let output = Arc::clone(output);
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\n', '\r'])
                .to_owned();
            lock(&output).lines.push(OutputLine {
                stream: which,
                text,
            });
            line.clear();
        }
        lock(&output).open -= 1;
    });
}

/// A running binary under test; killed when dropped. Needs a tokio runtime for as long as it lives.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
    output: Arc<Mutex<Output>>,
}

impl ChildProcess {
    /// Describes the process to start: `program` is a path, or a name that is looked up in `PATH`.
    #[must_use]
    pub fn builder(program: impl AsRef<OsStr>) -> ChildProcessBuilder {
        let program = program.as_ref();
        let name = Path::new(program)
            .file_name()
            .unwrap_or(program)
            .to_string_lossy()
            .into_owned();
        ChildProcessBuilder {
            command: Command::new(program),
            name,
        }
    }

    /// The process id; `None` once its end was seen.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// All lines written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<OutputLine> {
        lock(&self.output).lines.clone()
    }

    /// Waits for a line (of either stream, also one that was written before) that `matches`, and returns its text.
    ///
    /// # Panics
    /// When there is none within `deadline`, or once the process has ended without it; the message holds its output.
    pub async fn wait_for_line(
        &mut self,
        deadline: Duration,
        matches: impl Fn(&str) -> bool,
    ) -> String {
        let until = tokio::time::Instant::now() + deadline;
        let mut seen = 0;
        loop {
            let (found, ended) = {
                let output = lock(&self.output);
                let found = output
                    .lines
                    .iter()
                    .skip(seen)
                    .find(|line| matches(&line.text))
                    .cloned();
                seen = output.lines.len();
                (found, output.open == 0)
            };
            if let Some(line) = found {
                return line.text;
            }
            let late = tokio::time::Instant::now() >= until;
            if ended || late {
                let why = if ended {
                    "ended without"
                } else {
                    "did not write"
                };
                panic!(
                    "{} {why} the expected line within {deadline:?}; it wrote:\n{}",
                    self.name,
                    self.transcript()
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends a signal: `Signal::TERM`, `Signal::INT`, `Signal::KILL` and so on. None is sent to a process that ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
        {
            let _sent = kill_process(pid, signal);
        }
    }

    /// Sends `SIGTERM`.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends `SIGKILL`.
    pub fn kill9(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits for the process to end and for its output to be complete.
    ///
    /// # Panics
    /// When it still runs after `deadline`; the message holds its output.
    pub async fn wait(&mut self, deadline: Duration) -> Exit {
        let status = match tokio::time::timeout(deadline, self.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => panic!("can't wait for {}: {error}", self.name),
            Err(_) => panic!(
                "{} still ran after {deadline:?}; it wrote:\n{}",
                self.name,
                self.transcript()
            ),
        };
        // A grandchild that holds the pipe open must not hold up the test for long.
        let output = Arc::clone(&self.output);
        let complete = eventually(Duration::from_secs(5), move || {
            let open = lock(&output).open;
            async move { open == 0 }
        });
        complete.await;
        Exit {
            status,
            output: self.lines(),
        }
    }

    /// Sends `SIGTERM` and waits for the end.
    ///
    /// # Panics
    /// As [`ChildProcess::wait`].
    pub async fn stop(&mut self, deadline: Duration) -> Exit {
        self.terminate();
        self.wait(deadline).await
    }

    fn transcript(&self) -> String {
        self.lines()
            .iter()
            .map(|line| format!("  {}\n", line.text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::ChildProcess;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn lines_are_collected_and_the_exit_code_is_seen() {
        let script = "echo one; echo two >&2; read nothing; echo $GREETING; exit 3";
        let mut child = ChildProcess::builder("sh")
            .args(["-c", script])
            .env("GREETING", "hello")
            .spawn();
        assert_eq!(
            child
                .wait_for_line(PATIENCE, |line| line.starts_with("tw"))
                .await,
            "two"
        );
        let exit = child.wait(PATIENCE).await;
        assert_eq!(exit.code(), Some(3));
        assert_eq!(exit.stdout(), "one\nhello\n");
        assert_eq!(exit.stderr(), "two\n");
    }

    #[tokio::test]
    async fn a_signal_reaches_the_child() {
        let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let mut child = ChildProcess::builder("sh").args(["-c", script]).spawn();
        child.wait_for_line(PATIENCE, |line| line == "ready").await;
        let exit = child.stop(PATIENCE).await;
        assert_eq!(
            (exit.code(), exit.stdout().as_str()),
            (Some(0), "ready\nbye\n")
        );
    }

    #[tokio::test]
    #[should_panic(expected = "ended without the expected line")]
    async fn a_child_that_ends_without_the_line_is_not_waited_for() {
        let mut child = ChildProcess::builder("sh")
            .args(["-c", "echo nothing of use"])
            .spawn();
        child
            .wait_for_line(Duration::from_secs(600), |line| line == "ready")
            .await;
    }
}
