//! The proxy against a real Redis.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};

use super::{Fault, FaultProxy, RandomFaults};
use crate::eventually::eventually;
use crate::redis_server::RedisServer;

async fn proxied() -> (RedisServer, FaultProxy) {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.port()).await;
    proxy.only(["INCR"]);
    (server, proxy)
}

async fn connect(proxy: &FaultProxy) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    Client::open(proxy.url())
        .expect("a right address")
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

async fn incr(connection: &mut MultiplexedConnection) -> RedisResult<u64> {
    redis::cmd("INCR")
        .arg("votes")
        .query_async(connection)
        .await
}

async fn votes(server: &RedisServer) -> u64 {
    let votes: Option<u64> = redis::cmd("GET")
        .arg("votes")
        .query_async(&mut server.connection().await)
        .await
        .expect("Redis answers");
    votes.unwrap_or(0)
}

#[tokio::test]
async fn everything_passes_without_a_script() {
    let (server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    for expected in 1..=100 {
        assert_eq!(
            incr(&mut connection).await.expect("Redis answers"),
            expected
        );
    }
    assert_eq!(votes(&server).await, 100);
    let counts = proxy.counts();
    assert_eq!(
        (counts.targets, counts.cuts(), counts.connections),
        (100, 0, 1)
    );
}

#[tokio::test]
async fn a_cut_before_the_request_leaves_redis_untouched() {
    for fault in [Fault::CutBeforeRequest, Fault::CutMidRequest] {
        let (server, proxy) = proxied().await;
        let mut connection = connect(&proxy).await.expect("the proxy accepts");
        proxy.next(fault);
        assert!(incr(&mut connection).await.is_err());
        assert_eq!(votes(&server).await, 0);
        assert_eq!(proxy.counts().cuts(), 1);
        assert_eq!(
            incr(&mut connect(&proxy).await.expect("the proxy accepts"))
                .await
                .expect("Redis answers"),
            1
        );
    }
}

#[tokio::test]
async fn a_cut_before_the_reply_happens_after_redis_has_counted() {
    for fault in [Fault::CutBeforeReply, Fault::CutMidReply] {
        let (server, proxy) = proxied().await;
        let mut connection = connect(&proxy).await.expect("the proxy accepts");
        proxy.next(fault);
        assert!(incr(&mut connection).await.is_err());
        assert_eq!(votes(&server).await, 1, "{fault:?}");
        assert_eq!(proxy.counts().cuts(), 1);
    }
}

#[tokio::test]
async fn a_schedule_hits_its_frame_inside_a_pipeline() {
    let (server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    proxy.schedule([Fault::Pass, Fault::Pass, Fault::CutBeforeReply, Fault::Pass]);
    let mut pipeline = redis::pipe();
    for _ in 0..2 {
        pipeline
            .cmd("SET")
            .arg("other")
            .arg(1)
            .cmd("INCR")
            .arg("votes");
    }
    let first: Vec<redis::Value> = pipeline
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    assert_eq!(first.len(), 4);
    let second: RedisResult<Vec<redis::Value>> = pipeline.query_async(&mut connection).await;
    assert!(second.is_err());
    // The third increment was counted; the fourth was forwarded behind it or not, and takes the last of the schedule.
    let counted = votes(&server).await;
    assert!((3..=4).contains(&counted), "{counted}");
    assert_eq!(proxy.counts().cut_before_reply, 1);
}

#[tokio::test]
async fn replies_before_a_cut_request_are_returned() {
    let (server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    proxy.schedule([
        Fault::DelayReply(Duration::from_millis(30)),
        Fault::CutBeforeRequest,
    ]);
    let mut second = connection.clone();
    let (first, second) = tokio::join!(incr(&mut connection), incr(&mut second));
    assert_eq!(first.expect("the reply is late, not lost"), 1);
    assert!(second.is_err());
    assert_eq!(votes(&server).await, 1);
}

#[tokio::test]
async fn a_delayed_reply_comes_late() {
    let (_server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    proxy.next(Fault::DelayReply(Duration::from_millis(80)));
    let start = Instant::now();
    assert_eq!(incr(&mut connection).await.expect("Redis answers"), 1);
    assert!(start.elapsed() >= Duration::from_millis(80));
    assert_eq!(proxy.counts().delayed, 1);
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_and_comes_back_on_its_port() {
    let (server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    proxy.down().await;
    assert!(incr(&mut connection).await.is_err());
    assert!(connect(&proxy).await.is_err());
    proxy.up().await;
    let mut connection = eventually(Duration::from_secs(5), || connect(&proxy)).await;
    assert_eq!(incr(&mut connection).await.expect("Redis answers"), 1);
    assert_eq!(votes(&server).await, 1);
}

#[tokio::test]
async fn cut_connections_ends_them_and_accepts_new_ones() {
    let (_server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    incr(&mut connection).await.expect("Redis answers");
    proxy.cut_connections();
    eventually(Duration::from_secs(5), || {
        let mut connection = connection.clone();
        async move { incr(&mut connection).await.is_err() }
    })
    .await;
    connect(&proxy).await.expect("the proxy accepts");
}

#[tokio::test]
async fn random_faults_agree_with_what_redis_has_counted() {
    let (server, proxy) = proxied().await;
    proxy.random(RandomFaults {
        seed: 42,
        cut_before_request: 0.1,
        cut_mid_request: 0.1,
        cut_before_reply: 0.1,
        cut_mid_reply: 0.1,
        delay_reply: 0.1,
        delay: Duration::from_millis(1),
    });
    let mut answered = 0;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    for _ in 0..200 {
        match incr(&mut connection).await {
            Ok(_) => answered += 1,
            Err(_) => connection = connect(&proxy).await.expect("the proxy accepts"),
        }
    }
    let counts = proxy.counts();
    assert!(
        counts.cut_before_reply > 0 && counts.cut_mid_reply > 0 && counts.delayed > 0,
        "{counts:?}"
    );
    assert!(
        counts.cut_before_request > 0 && counts.cut_mid_request > 0,
        "{counts:?}"
    );
    assert_eq!(counts.targets, 200);
    assert_eq!(
        votes(&server).await,
        answered + counts.cut_before_reply + counts.cut_mid_reply
    );
    assert_eq!(answered + counts.cuts(), 200);
}

#[tokio::test]
async fn a_request_that_is_held_back_waits_while_something_else_is_done() {
    let (server, proxy) = proxied().await;
    let mut connection = connect(&proxy).await.expect("the proxy accepts");
    let mut requests = 0;
    proxy.hold(move |words| {
        let is_incr = words.first() == Some(&&b"INCR"[..]);
        requests += u32::from(is_incr);
        is_incr && requests == 2
    });
    let mut both = redis::pipe();
    both.cmd("INCR").arg("votes").cmd("INCR").arg("votes");
    let asking = tokio::spawn(async move { both.query_async::<Vec<u64>>(&mut connection).await });
    eventually(Duration::from_secs(60), || async {
        proxy.counts().held == 1
    })
    .await;
    let mut direct = server.connection().await;
    assert_eq!(incr(&mut direct).await.expect("Redis answers"), 2);
    proxy.go_on();
    let answers = asking.await.expect("it has asked");
    assert_eq!(answers.expect("Redis answers"), [1, 3]);
}
