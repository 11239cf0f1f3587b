//! Servers that are started with options, killed, frozen and started again.

use std::time::Duration;

use redis::AsyncCommands;
use rustix::process::{Pid, test_kill_process};

use super::RedisServer;
use crate::eventually::eventually;

#[tokio::test]
async fn a_server_keeps_its_port_and_data_across_kill9_and_restart() {
    let mut server = RedisServer::start_lasting().await;
    let (port, url) = (server.port(), server.url());
    let _: () = server
        .connection()
        .await
        .set("vote", 7)
        .await
        .expect("Redis answers");
    server.kill9();
    assert!(
        server
            .client()
            .get_multiplexed_async_connection()
            .await
            .is_err()
    );
    server.restart().await;
    assert_eq!((server.port(), server.url()), (port, url));
    let vote: u32 = server
        .connection()
        .await
        .get("vote")
        .await
        .expect("Redis answers");
    assert_eq!(vote, 7);
}

#[tokio::test]
async fn a_server_without_append_only_file_forgets() {
    let mut server = RedisServer::start().await;
    let _: () = server
        .connection()
        .await
        .set("vote", 7)
        .await
        .expect("Redis answers");
    server.restart().await;
    let vote: Option<u32> = server
        .connection()
        .await
        .get("vote")
        .await
        .expect("Redis answers");
    assert_eq!(vote, None);
}

#[tokio::test]
async fn a_paused_server_answers_nothing_until_it_is_resumed() {
    let server = RedisServer::start().await;
    let mut connection = server.connection().await;
    connection.set_response_timeout(Duration::from_millis(50));
    server.pause();
    assert!(connection.get::<_, Option<u32>>("vote").await.is_err());
    server.resume();
    connection.set_response_timeout(Duration::from_secs(10));
    let vote: Option<u32> = connection.get("vote").await.expect("Redis answers");
    assert_eq!(vote, None);
}

#[tokio::test]
async fn a_dropped_server_is_gone_even_when_it_was_paused_or_asks_for_a_password() {
    let server = RedisServer::builder()
        .config("requirepass", "secret")
        .start()
        .await;
    let pid = server.pid().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(Pid::from_raw).expect("it runs");
    server.pause();
    let dir = server.dir().to_owned();
    drop(server);
    eventually(Duration::from_secs(5), || async {
        test_kill_process(pid).is_err() && !dir.exists()
    })
    .await;
}

#[tokio::test]
async fn the_text_of_an_acl_is_enforced_also_after_a_restart() {
    let acl = "user default off\n\
               user writer on >secret ~vote:* +@write +ping";
    let mut server = RedisServer::builder().acl(acl).start().await;
    for _ in 0..2 {
        let client = server.client_as("writer", "secret");
        let mut writer = client
            .get_multiplexed_async_connection()
            .await
            .expect("the user is let in");
        let _: () = writer.set("vote:1", 7).await.expect("Redis answers");
        let other_key = writer
            .set::<_, _, ()>("poll:1", 7)
            .await
            .expect_err("Redis refuses");
        assert_eq!(other_key.code(), Some("NOPERM"));
        let read = writer
            .get::<_, u32>("vote:1")
            .await
            .expect_err("Redis refuses");
        assert_eq!(read.code(), Some("NOPERM"));
        let client = server.client_as("writer", "guess");
        assert!(client.get_multiplexed_async_connection().await.is_err());
        server.restart().await;
    }
}

#[tokio::test]
async fn a_replica_follows_its_master() {
    let master = RedisServer::start().await;
    let replica = master.start_replica().await;
    let _: () = master
        .connection()
        .await
        .set("vote", 7)
        .await
        .expect("Redis answers");
    let mut connection = replica.connection().await;
    let vote = eventually(Duration::from_secs(30), || {
        let mut connection = connection.clone();
        async move {
            connection
                .get::<_, Option<u32>>("vote")
                .await
                .ok()
                .flatten()
        }
    })
    .await;
    assert_eq!(vote, 7);
    let refused = connection
        .set::<_, _, ()>("vote", 8)
        .await
        .expect_err("Redis refuses");
    assert_eq!(refused.code(), Some("READONLY"));
}
