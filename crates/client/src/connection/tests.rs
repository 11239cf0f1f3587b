//! Answers of every framing; and those that are none, are too long, or were changed on their way.

use super::{Broken, Connection, MOST};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A server that reads a little and answers each connection with these bytes, in pieces, then closes.
async fn answering<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Connection {
    let pieces: Vec<Vec<u8>> = pieces
        .into_iter()
        .map(|piece| piece.as_ref().to_vec())
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        stream.read_exact(&mut [0; 2]).await.expect("a request");
        for piece in pieces {
            // Who has read enough hangs up.
            if stream.write_all(&piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let _ended = stream.shutdown().await;
        let mut rest = [0; 1024];
        let _read = stream.read(&mut rest).await;
    });
    Connection::open(&address.into())
        .await
        .expect("the server takes connections")
}

#[tokio::test]
async fn answers_of_every_framing_are_read() {
    let cases: [(&[&str], u16, &str, bool); 5] = [
        (
            &[
                "HTTP/1.1 201 Created\r\nContent-Le",
                "ngth: 5\r\n\r\nhe",
                "llo",
            ],
            201,
            "hello",
            true,
        ),
        (
            &[
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            ],
            200,
            "abcde",
            true,
        ),
        (&["HTTP/1.1 204 No Content\r\n\r\n"], 204, "", true),
        (
            &[
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
            ],
            200,
            "x",
            false,
        ),
        (
            &["HTTP/1.0 200 OK\r\n\r\nuntil the end"],
            200,
            "until the end",
            false,
        ),
    ];
    for (pieces, status, body, reusable) in cases {
        let mut connection = answering(pieces).await;
        let answer = connection
            .exchange(b"xy")
            .await
            .expect("there is an answer");
        assert_eq!(
            (answer.status, answer.body),
            (status, body.as_bytes()),
            "{pieces:?}"
        );
        assert_eq!(connection.reusable, reusable, "{pieces:?}");
    }
}

#[tokio::test]
async fn retry_after_is_read_and_broken_answers_are_told_apart() {
    let mut connection =
        answering(&["HTTP/1.1 503 No\r\nRetry-After: 2\r\ncontent-length: 0\r\n\r\n"]).await;
    let answer = connection
        .exchange(b"xy")
        .await
        .expect("there is an answer");
    assert_eq!(
        (answer.status, answer.retry_after),
        (503, Some(Duration::from_secs(2)))
    );
    let mut cut = answering(&["HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhe"]).await;
    assert_eq!(
        cut.exchange(b"xy").await.expect_err("it is refused"),
        Broken::Cut
    );
    assert!(!cut.is_reusable());
    let mut garbled = answering(&["SSH-2.0 hello\r\n\r\n"]).await;
    assert_eq!(
        garbled.exchange(b"xy").await.expect_err("it is refused"),
        Broken::Garbled
    );
}

/// One worker for all cases.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    runtime.expect("a runtime")
});

/// Status, body, and whether the connection is used again, of an answer that comes in these pieces.
type Told = (u16, Vec<u8>, bool);

fn exchanged<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Result<Told, Broken> {
    let exchange = async {
        let mut connection = answering(pieces).await;
        let answer = connection.exchange(b"xy").await?;
        let (status, body) = (answer.status, answer.body.to_vec());
        Ok((status, body, connection.reusable))
    };
    let ended = async { tokio::time::timeout(Duration::from_secs(60), exchange).await };
    RUNTIME.block_on(ended).expect("it ends")
}

#[test]
fn what_is_longer_than_an_answer_of_ours_is_not_read() {
    let long = "x".repeat(MOST + 1);
    let chunk = format!("{:x}\r\n{}\r\n", MOST / 2, "x".repeat(MOST / 2));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for answer in [
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}",
            long.len()
        ),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", usize::MAX),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 9{}\r\n\r\n", usize::MAX),
        format!("{chunked}{:x}\r\n{long}\r\n0\r\n\r\n", long.len()),
        format!("{chunked}{}1\r\nx\r\n0\r\n\r\n", chunk.repeat(2)),
        format!("{chunked}{:x}\r\n", usize::MAX),
        format!("{chunked}{}", "1\r\nx\r\n".repeat(MOST)),
        format!("{chunked}0\r\n{}", "a: b\r\n".repeat(MOST)),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\na: {long}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(MOST)),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(MOST),
    ] {
        assert_eq!(exchanged([&answer]), Err(Broken::Garbled), "{answer:.80}");
    }
    // As long as it may be.
    let most = "x".repeat(MOST);
    for answer in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {MOST}\r\n\r\n{most}"),
        format!("{chunked}{}0\r\n\r\n", chunk.repeat(2)),
        format!("HTTP/1.1 200 OK\r\n\r\n{most}"),
    ] {
        let (_, body, _) = exchanged([&answer]).expect("an answer");
        assert_eq!(body.len(), MOST, "{answer:.80}");
    }
}

#[test]
fn where_an_answer_ends_is_said_in_one_way_or_it_is_none() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.10 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1\u{a0}200 OK\r\n\r\n",
    ] {
        assert_eq!(exchanged([answer]), Err(Broken::Garbled), "{answer}");
    }
    for (answer, body, reusable) in [
        // Said twice alike; and what has no body, whatever is said of one.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
            "x",
            true,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            "",
            true,
        ),
        // Chunks count, whatever else is said, and the fields after them are none of the body.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\n\r\n",
            "x",
            true,
        ),
        // What comes unasked would be taken for the next answer.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK",
            "x",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK",
            "",
            false,
        ),
    ] {
        let told = exchanged([answer]).expect(answer);
        assert_eq!(
            (told.1.as_slice(), told.2),
            (body.as_bytes(), reusable),
            "{answer}"
        );
    }
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Length,
    Chunked,
    Close,
}

/// A right answer.
#[derive(Debug, Clone)]
struct Right {
    bytes: Vec<u8>,
    told: Told,
    ends: Ends,
    /// Where its body begins.
    start: usize,
}

prop_compose! {
    fn right_answers()(
        status in 200_u16..600,
        body in prop::collection::vec(any::<u8>(), 0..300),
        ends in prop_oneof![Just(Ends::Length), Just(Ends::Chunked), Just(Ends::Close)],
        fields in prop::collection::vec(("x-[a-z]{1,8}", "[ -~]{0,20}"), 0..4),
        (has_interim, closes, is_loud, has_more) in any::<(bool, bool, bool, bool)>(),
        size in 1_usize..100,
    ) -> Right {
        let body = if matches!(status, 204 | 304) { Vec::new() } else { body };
        let ends = if matches!(status, 204 | 304) { Ends::Length } else { ends };
        let mut head = String::new();
        if has_interim {
            head += "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        }
        let _infallible = write!(head, "HTTP/1.1 {status} Some Words\r\n");
        for (name, value) in fields {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        let mut field = match ends {
            Ends::Length => format!("content-length: {}\r\n", body.len()),
            Ends::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
            Ends::Close => String::new(),
        };
        if closes {
            field += "connection: close\r\n";
        }
        head += &if is_loud { field.to_uppercase() } else { field };
        head += "\r\n";
        let mut bytes = head.into_bytes();
        let start = bytes.len();
        if ends == Ends::Chunked {
            let more = if has_more { " ; a=b" } else { "" };
            for chunk in body.chunks(size) {
                bytes.extend_from_slice(format!("{:X}{more}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(if has_more { b"0\r\ntrailer: x\r\n\r\n" } else { b"0\r\n\r\n" });
        } else {
            bytes.extend_from_slice(&body);
        }
        let reusable = ends != Ends::Close && !closes;
        Right { bytes, told: (status, body, reusable), ends, start }
    }
}

/// The bytes in pieces.
fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn is_bounded(told: &Result<Told, Broken>) -> bool {
    told.as_ref()
        .is_ok_and(|told| told.1.len() <= MOST && told.0 >= 200)
        || told.is_err()
}

proptest! {
    #[test]
    fn right_answers_come_as_they_were_sent_in_whichever_pieces(
        right in right_answers(), cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        prop_assert_eq!(exchanged(pieces(&right.bytes, &cuts)), Ok(right.told));
    }

    /// What was cut is no answer, or, where only its end says how long it is, the beginning of it.
    #[test]
    fn an_answer_that_was_cut_is_none(right in right_answers(), cut in any::<Index>()) {
        let cut = cut.index(right.bytes.len());
        let told = exchanged([&right.bytes[..cut]]);
        if right.ends == Ends::Close && cut >= right.start {
            let body = right.bytes[right.start..cut].to_vec();
            prop_assert_eq!(told, Ok((right.told.0, body, false)));
        } else {
            prop_assert_eq!(told, Err(Broken::Cut));
        }
    }

    #[test]
    fn an_answer_that_was_changed_does_no_harm(
        right in right_answers(), place in any::<Index>(), byte in any::<u8>(), cuts in prop::collection::vec(any::<Index>(), 0..3),
    ) {
        let mut bytes = right.bytes;
        let place = place.index(bytes.len());
        bytes[place] = byte;
        prop_assert!(is_bounded(&exchanged(pieces(&bytes, &cuts))));
    }

    #[test]
    fn any_bytes_do_no_harm(
        begins in prop_oneof![
            Just(""), Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.1 200 OK\r\ncontent-length: "),
            Just("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ],
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0')], 0..200),
    ) {
        prop_assert!(is_bounded(&exchanged([begins.as_bytes(), &bytes])));
    }
}
