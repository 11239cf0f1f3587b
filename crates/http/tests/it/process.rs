//! The whole process: signals, exit codes, log lines, traces. The process is this test binary itself,
//! told by its environment to be a service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Sample, ask_with};

/// Longest time that any step of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// By itself, it checks the defaults as `--check-config` does. With arguments in its environment it is
/// the service that the other tests start as their child.
#[test]
fn sample_service() {
    let arguments = std::env::vars()
        .find(|(name, _)| name == "SAMPLE_ARGUMENTS")
        .map(|(_, value)| value);
    let is_child = arguments.is_some();
    let arguments = arguments.unwrap_or_else(|| "--check-config".to_owned());
    let arguments = std::iter::once("vote-ingest")
        .chain(arguments.split_whitespace())
        .map(Into::into);
    let code = vote_http::main_from::<Sample>(arguments);
    if is_child {
        std::process::exit(code.into());
    }
    assert_eq!(code, 0, "the defaults are right by themselves");
}

pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<Value>,
    seen: Vec<Value>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

fn command(arguments: &str, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args([
            "--exact",
            "process::sample_service",
            "--nocapture",
            "--quiet",
        ])
        .env("SAMPLE_ARGUMENTS", arguments)
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Process {
    pub(crate) fn start(env: &[(&str, &str)]) -> Self {
        let mut child = command("", env).spawn().expect("a process");
        let stdout = child.stdout.take().expect("its output");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || forward(stdout, &sender));
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// The first line with that message, from now on.
    pub(crate) fn line(&mut self, message: &str) -> Value {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no {message:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line["message"] == message {
                return line;
            }
        }
    }

    /// The address of the public server.
    pub(crate) fn address(&mut self) -> SocketAddr {
        loop {
            let line = self.line("listening");
            if line["server"] == "public" {
                return line["address"]
                    .as_str()
                    .expect("an address")
                    .parse()
                    .expect("an address");
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("signalled");
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }
}

fn forward(stdout: ChildStdout, lines: &mpsc::Sender<Value>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        // The test harness prints its own.
        if line.starts_with('{') {
            let line = serde_json::from_str(&line).expect("a line is JSON");
            if lines.send(line).is_err() {
                return;
            }
        }
    }
}

/// Runs to its end; exit code and standard error.
fn end(arguments: &str, env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = command(arguments, env).output().expect("a process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn sigterm_drains_and_exits_0() {
    let mut process = Process::start(&[("VOTE__SHUTDOWN__GRACE_MS", "100")]);
    process.address();
    process.signal(Signal::TERM);
    assert_eq!(process.line("stopping")["signal"], "SIGTERM");
    process.line("drained");
    assert_eq!(process.exit_code(), Some(0));
    let starting = &process.seen[0];
    assert_eq!(starting["message"], "starting");
    assert_eq!(starting["service"], "vote-ingest");
    assert_eq!(starting["level"], "INFO");
}

#[test]
fn a_second_signal_cuts_the_grace_and_a_third_ends_at_once() {
    let mut process = Process::start(&[("VOTE__SHUTDOWN__GRACE_MS", "300000")]);
    process.address();
    process.signal(Signal::TERM);
    process.line("draining: not ready any more, still serving");
    process.signal(Signal::INT);
    process.line("grace cut short");
    assert_eq!(process.exit_code(), Some(0));

    let mut process = Process::start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "300000"),
        ("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "300000"),
        ("VOTE__COMMIT__QUEUE_CAPACITY", "7"),
    ]);
    process.address();
    process.signal(Signal::INT);
    process.line("draining: not ready any more, still serving");
    process.signal(Signal::INT);
    process.line("public server stopped");
    process.signal(Signal::INT);
    process.line("stopped at once, without having drained");
    assert_eq!(process.exit_code(), Some(130));
}

#[test]
fn a_bound_that_is_passed_is_an_error() {
    let mut process = Process::start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("VOTE__SHUTDOWN__DRAIN_TIMEOUT_MS", "200"),
        ("VOTE__COMMIT__QUEUE_CAPACITY", "7"),
    ]);
    process.address();
    process.signal(Signal::TERM);
    let line = process.line("stopped with an error");
    assert_eq!(line["level"], "ERROR");
    assert!(
        line["error"]
            .as_str()
            .expect("an error")
            .contains("shutdown.drain_timeout_ms (200 ms)")
    );
    assert_eq!(process.exit_code(), Some(1));
}

#[test]
fn wrong_settings_and_a_taken_port_say_what_to_set() {
    let (code, _, stderr) = end(
        "",
        &[
            ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "x"),
            ("VOTE__REDIS__URL", "rediss://u:hunter2@h"),
        ],
    );
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("commit.accept_timeout_ms (VOTE__COMMIT__ACCEPT_TIMEOUT_MS)"),
        "{stderr}"
    );
    assert!(!stderr.contains("hunter2"), "{stderr}");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (variable, setting) in [
        ("VOTE__HTTP__BIND", "http.bind"),
        ("VOTE__ADMIN__BIND", "admin.bind"),
    ] {
        let (code, stdout, _) = end("", &[(variable, &address)]);
        assert_eq!(code, Some(1), "{stdout}");
        let port = taken.local_addr().expect("an address").port();
        let says = format!(
            "{setting}: {address} can't be used, port {port} is taken: set {variable} to another address"
        );
        assert!(stdout.contains(&says), "{stdout}");
    }
}

#[test]
fn arguments_check_and_print() {
    let (code, stdout, _) = end("--check-config", &[]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("The settings are right."), "{stdout}");
    let (code, _, stderr) = end("--check-config --config /nowhere.toml", &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/nowhere.toml"), "{stderr}");
    // Printed even where settings are wrong: it depends on none.
    let (code, stdout, _) = end("--print-openapi", &[("VOTE__NONE", "1")]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("\"/v1/polls/{poll}\""), "{stdout}");
    let (code, stdout, _) = end("--print-settings-schema", &[("VOTE__NONE", "1")]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.contains("\"x-env\": \"VOTE__REDIS__URL\""),
        "{stdout}"
    );
    let (code, stdout, _) = end("--version", &[]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("vote-ingest 1.2.3"), "{stdout}");
    assert_eq!(end("--nonsense", &[]).0, Some(2));
}

#[test]
fn the_health_check_tells_by_its_exit_code() {
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let admin = free.to_string();
    for asks in ["healthcheck", "healthcheck --live"] {
        let (code, _, stderr) = end(asks, &[("VOTE__ADMIN__BIND", &admin)]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("no answer from"), "{stderr}");
    }
    let mut process = Process::start(&[
        ("VOTE__ADMIN__BIND", &admin),
        ("VOTE__SHUTDOWN__GRACE_MS", "300000"),
    ]);
    process.address();
    assert_eq!(
        end("healthcheck", &[("VOTE__ADMIN__BIND", &admin)]).0,
        Some(0)
    );
    process.signal(Signal::TERM);
    process.line("draining: not ready any more, still serving");
    let (code, _, stderr) = end("healthcheck", &[("VOTE__ADMIN__BIND", &admin)]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("draining"), "{stderr}");
    // Not ready is no reason to be killed: what restarts a process by its health must ask for its life alone.
    assert_eq!(
        end("healthcheck --live", &[("VOTE__ADMIN__BIND", &admin)]).0,
        Some(0)
    );
}

#[tokio::test]
async fn a_cause_is_logged_once_and_traces_join_those_of_the_caller() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", collector.local_addr().expect("an address"));
    let (sender, exported) = mpsc::channel();
    std::thread::spawn(move || collect(&collector, &sender));
    let mut process = Process::start(&[
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_SERVICE_NAME", "renamed-service"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test-place",
        ),
    ]);
    let traces = process.line("traces are exported by OTLP");
    assert_eq!(traces["otlp.endpoint"], endpoint.as_str());
    assert_eq!(traces["otlp.protocol"], "http/protobuf");
    let address = process.address();
    for probe in ["GET /readyz", "GET /healthz"] {
        assert_eq!(ask_with(address, probe, "", "").await.status, 200);
    }
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n");
    let answer = ask_with(address, "GET /v1/boom", &parent, "").await;
    assert_eq!(answer.status, 500);
    let request_id = answer.header("x-request-id").expect("an id");

    let within = process.line("about to fail");
    assert_eq!(within["trace_id"], trace);
    assert_eq!(within["span_id"].as_str().map(str::len), Some(16));
    let failed = process.line("request failed");
    assert_eq!(failed["error"], "the-inner-cause");
    assert_eq!(failed["http.route"], "/v1/boom");
    assert_eq!(failed["request.id"], request_id);
    // Logged within the request's span, so that the line leads to its trace.
    assert_eq!(failed["trace_id"], trace);
    assert_eq!(failed["span_id"], within["span_id"]);
    process.signal(Signal::TERM);
    process.line("drained");
    assert_eq!(process.exit_code(), Some(0));
    assert_eq!(
        process
            .seen
            .iter()
            .filter(|line| line.to_string().contains("the-inner-cause"))
            .count(),
        1
    );

    // Flushed at the end, although the batch was not due yet.
    let body = exported.recv_timeout(PATIENCE).expect("an export");
    let id: Vec<u8> = (0..16)
        .map(|i| u8::from_str_radix(&trace[2 * i..2 * i + 2], 16).expect("hex"))
        .collect();
    let contains = |needle: &[u8]| body.windows(needle.len()).any(|window| window == needle);
    assert!(contains(&id), "the caller's trace id");
    assert!(contains(b"GET /v1/boom"), "the span's name");
    assert!(contains(request_id.as_bytes()), "what the client was told");
    assert!(
        !contains(b"/readyz") && !contains(b"/healthz"),
        "probes make no spans"
    );
    assert!(
        contains(b"renamed-service") && contains(b"test-place"),
        "the standard variables"
    );
    assert!(contains(b"1.2.3"), "the service's version");
}

#[tokio::test]
async fn what_is_no_request_is_logged_only_if_that_is_asked_for() {
    for (level, is_logged) in [("info", false), ("info,actix_http=info", true)] {
        let mut process = Process::start(&[
            ("VOTE__SHUTDOWN__GRACE_MS", "0"),
            ("VOTE__LOG__LEVEL", level),
        ]);
        let address = process.address();
        for _ in 0..20 {
            let none = ask_with(address, "GET /healthz", "Content-Length: x\r\n", "").await;
            assert_eq!(none.status, 400);
        }
        process.signal(Signal::TERM);
        process.line("drained");
        assert_eq!(process.exit_code(), Some(0));
        let of_library = |line: &&Value| {
            let target = line["target"].as_str();
            target.is_some_and(|target| target.starts_with("actix_http"))
        };
        let lines = process.seen.iter().filter(of_library).count();
        assert_eq!(lines > 0, is_logged, "{level}: {lines}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_neither_requests_nor_the_exit() {
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    for protocol in ["grpc", "http/protobuf"] {
        let mut process = Process::start(&[
            ("VOTE__SHUTDOWN__GRACE_MS", "0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{free}")),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ]);
        let address = process.address();
        assert_eq!(
            ask_with(address, "GET /v1/polls/known", "", "")
                .await
                .status,
            200
        );
        process.signal(Signal::TERM);
        process.line("drained");
        let drained = std::time::Instant::now();
        assert_eq!(process.exit_code(), Some(0));
        assert!(
            drained.elapsed() < Duration::from_secs(8),
            "{protocol}: {:?}",
            drained.elapsed()
        );
    }
}

/// Takes one export over HTTP and hands its bytes on.
fn collect(listener: &TcpListener, exported: &mpsc::Sender<Vec<u8>>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head.lines().find_map(|line| {
                    line.strip_prefix("content-length:")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                });
                if bytes.len() >= end + 4 + length.unwrap_or(0) {
                    break;
                }
            }
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        let _closed =
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        if exported.send(bytes).is_err() {
            return;
        }
    }
}

#[test]
fn a_refused_preflight_is_in_the_log_of_who_looks_for_it() {
    let mut process = Process::start(&[
        ("VOTE__LOG__LEVEL", "info,vote_http=debug"),
        ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "https://a.example"),
    ]);
    let address = process.address();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let fields = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    let refused = runtime.block_on(ask_with(address, "OPTIONS /v1/slow", fields, ""));
    assert_eq!(refused.status, 403);
    let line = process.line("preflight refused");
    assert_eq!(line["level"], "DEBUG");
    assert_eq!(line["origin"], "\"https://evil.example\"");
    assert!(
        line["reason"]
            .as_str()
            .expect("a reason")
            .contains("http.cors_allowed_origins"),
        "{line}"
    );
}
