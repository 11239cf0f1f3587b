//! Which requests have spans, and that those before the routes have them there.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use rustix::process::Signal;
use vote_testkit::{CollectedSpan, OtlpReceiver};

use crate::process::Process;
use crate::support::{Answer, Connection, ask_with};

/// A header that a plain request has once: with it twice, actix-http reads the request.
const NOT_PLAIN: &str = "Content-Type: a\r\nContent-Type: a\r\n";
const NAME: &str = "POST /v1/polls/{poll}/votes";

/// A service whose spans are received.
struct Traced {
    process: Process,
    receiver: OtlpReceiver,
    address: SocketAddr,
}

impl Traced {
    async fn start(sampler: &[(&str, &str)]) -> Self {
        let receiver = OtlpReceiver::start().await;
        let endpoint = receiver.endpoint();
        let mut env = vec![
            ("VOTE__SHUTDOWN__GRACE_MS", "0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ];
        env.extend(sampler);
        let mut process = Process::start(&env);
        let address = process.address();
        Self {
            process,
            receiver,
            address,
        }
    }

    /// Of what no caller has, that share is sampled.
    async fn parent_based(ratio: &str) -> Self {
        Self::start(&[
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", ratio),
        ])
        .await
    }

    /// All its spans, once it has ended.
    async fn spans(mut self) -> Vec<CollectedSpan> {
        self.process.signal(Signal::TERM);
        let ended = tokio::task::spawn_blocking(move || self.process.exit_code());
        assert_eq!(ended.await.expect("an end"), Some(0));
        self.receiver.spans()
    }
}

fn is_hot(answer: &Answer) -> bool {
    answer.header("x-answered-by") == Some("hot-route")
}

/// A header that names the caller's span, by the number of the trace.
fn parent(trace: u32, is_sampled: bool) -> String {
    let flags = u8::from(is_sampled);
    format!("traceparent: 00-{trace:032x}-b7ad6b7169203331-0{flags}\r\n")
}

fn names(spans: &[CollectedSpan]) -> Vec<&str> {
    spans.iter().map(CollectedSpan::name).collect()
}

#[tokio::test]
async fn a_vote_is_answered_before_the_routes_whether_it_is_sampled_or_not() {
    // Each is no parent, as far as anybody knows: the share decides.
    let hostile = [
        "traceparent: \r\n".to_owned(),
        "traceparent: 00-0-0-01\r\n".to_owned(),
        "traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n".to_owned(),
        "traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01\r\n".to_owned(),
        "traceparent: 00-\u{e9}af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n".to_owned(),
        format!("traceparent: {}\r\n", "00-".repeat(400)),
        // Of two the first counts, and it is none.
        format!("traceparent: 00\r\n{}", parent(9, true)),
    ];
    for (ratio, is_all) in [("0", false), ("1", true)] {
        let service = Traced::parent_based(ratio).await;
        let (mut of_callers, mut of_nobody) = (BTreeSet::new(), 0);
        let mut trace = 0;
        for more in ["", NOT_PLAIN] {
            for is_sampled in [false, true] {
                trace += 1;
                let headers = format!("{more}{}", parent(trace, is_sampled));
                let answer = ask_with(service.address, NAME_OF_ONE, &headers, "ana").await;
                assert_eq!((answer.status, answer.body.as_str()), (201, "ana"));
                assert!(is_hot(&answer), "{answer:?}");
                if is_sampled {
                    of_callers.insert(format!("{trace:032x}"));
                }
            }
            for parent in std::iter::once("").chain(hostile.iter().map(String::as_str)) {
                let headers = format!("{more}{parent}");
                let answer = ask_with(service.address, NAME_OF_ONE, &headers, "ana").await;
                assert_eq!(answer.status, 201, "{parent}");
                assert!(is_hot(&answer), "{parent}");
                of_nobody += usize::from(is_all);
            }
        }
        let spans = service.spans().await;
        let called = |span: &&CollectedSpan| !span.parent_span_id().is_empty();
        let callers: Vec<_> = spans.iter().filter(called).collect();
        let traces: BTreeSet<_> = callers.iter().map(|span| span.trace_id()).collect();
        assert_eq!((traces, callers.len()), (of_callers, 2), "{ratio}");
        assert_eq!(spans.len() - callers.len(), of_nobody, "{ratio}");
        for span in &spans {
            assert_eq!(span.name(), NAME);
            let attributes = span.attributes();
            assert_eq!(attributes["http.response.status_code"], "201");
            assert_eq!(attributes["http.request.method"], "POST");
            assert_eq!(attributes["http.route"], "/v1/polls/{poll}/votes");
        }
        for caller in callers {
            assert_eq!(caller.parent_span_id(), "b7ad6b7169203331");
        }
    }
}

const NAME_OF_ONE: &str = "POST /v1/polls/known/votes";

#[tokio::test]
async fn reads_and_all_else_are_sampled_once_on_whatever_way_they_go() {
    for (ratio, is_all) in [("0", false), ("1", true)] {
        let service = Traced::parent_based(ratio).await;
        let address = service.address;
        let mut expected = Vec::new();
        for (place, (request, is_before_routes)) in [
            ("GET /v1/polls/hot", true),
            ("GET /v1/polls/known", false),
            ("GET /v1/polls/known?_=1", false),
            ("POST /v1/polls/known/votes?_=1", false),
        ]
        .into_iter()
        .enumerate()
        {
            let name = match request.split(' ').next() {
                Some("POST") => NAME,
                _ => "GET /v1/polls/{poll}",
            };
            let body = if name == NAME { "ana" } else { "" };
            let place = u32::try_from(place).expect("few");
            for (parent, is_sampled) in [
                (String::new(), is_all),
                (parent(place * 2 + 1, false), false),
                (parent(place * 2 + 2, true), true),
            ] {
                let answer = ask_with(address, request, &parent, body).await;
                // One that is sampled is left to the routes, which make its span.
                let is_hot_one = is_before_routes && !is_sampled;
                assert_eq!(is_hot(&answer), is_hot_one, "{request} {parent}");
                if is_sampled {
                    expected.push(name);
                }
            }
        }
        let spans = service.spans().await;
        let mut seen = names(&spans);
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{ratio}");
    }
}

#[tokio::test]
async fn a_share_of_votes_is_sampled_by_the_trace_that_their_spans_have() {
    const VOTES: usize = 600;
    let service = Traced::parent_based("0.25").await;
    let mut connection = Connection::open(service.address).await.expect("open");
    for _ in 0..VOTES {
        let answer = connection.ask(NAME_OF_ONE, "ana").await.expect("an answer");
        assert!(answer.status == 201 && is_hot(&answer), "{answer:?}");
    }
    let spans = service.spans().await;
    // More than seven standard deviations to either side: a share that is asked for twice would be 37.
    assert!((70..=230).contains(&spans.len()), "{}", spans.len());
    let traces: BTreeSet<_> = spans.iter().map(CollectedSpan::trace_id).collect();
    assert_eq!(traces.len(), spans.len(), "each has a trace of its own");
    for trace in traces {
        // As OpenTelemetry's sampler decides: by the lower half of the id.
        let low = u64::from_str_radix(&trace[16..], 16).expect("hexadecimal");
        assert!(low >> 1 < (1 << 63) / 4, "{trace}");
    }
}

#[tokio::test]
async fn a_vote_that_fails_is_logged_within_its_span() {
    for more in ["", NOT_PLAIN] {
        let mut service = Traced::parent_based("0").await;
        let headers = format!("{more}{}", parent(7, true));
        let request = "POST /v1/polls/broken/votes";
        let answer = ask_with(service.address, request, &headers, "ana").await;
        assert_eq!(answer.status, 500);
        let id = answer.header("x-request-id").expect("an id").to_owned();
        let failed = service.process.line("request failed");
        assert_eq!(failed["error"], "the-hot-cause");
        assert_eq!(failed["request.id"], id);
        assert_eq!(failed["trace_id"], format!("{:032x}", 7));
        // Of one that is not sampled the line names no trace.
        let headers = format!("{more}{}", parent(8, false));
        ask_with(service.address, request, &headers, "ana").await;
        let other = service.process.line("request failed");
        assert!(other.get("trace_id").is_none(), "{other}");

        let spans = service.spans().await;
        assert_eq!(names(&spans), [NAME]);
        assert_eq!(spans[0].span_id(), failed["span_id"]);
        let attributes = spans[0].attributes();
        assert_eq!(attributes["http.response.status_code"], "500");
        assert_eq!(attributes["error.type"], "500");
        assert_eq!(attributes["request.id"], id);
        let status = spans[0].span.status.as_ref().expect("a status");
        assert_eq!(status.code, 2, "an error");
    }
}

#[tokio::test]
async fn a_sampler_that_does_not_ask_the_caller_is_heeded_as_well() {
    for (sampler, is_all) in [("always_off", false), ("always_on", true)] {
        let service = Traced::start(&[("OTEL_TRACES_SAMPLER", sampler)]).await;
        for is_sampled in [false, true] {
            let headers = parent(1, is_sampled);
            let answer = ask_with(service.address, NAME_OF_ONE, &headers, "ana").await;
            assert!(answer.status == 201 && is_hot(&answer), "{answer:?}");
        }
        let spans = service.spans().await;
        assert_eq!(spans.len(), if is_all { 2 } else { 0 }, "{sampler}");
    }
}
