//! A connection whose server tells what has changed of all that was read over it (`CLIENT TRACKING`, Redis 6.0): each key
//! that was read is named once, as soon as it is written, removed or expires, before anything that is answered later.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, PushInfo, PushKind, Value};

use super::servers::Nodes;
use crate::address::Node;
use crate::error::StoreError;

/// What a server has told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Keys that have changed.
    pub(crate) keys: HashSet<String>,
    /// Any key may have.
    pub(crate) all: bool,
}

impl Told {
    fn hear(&mut self, said: PushInfo) {
        match said.kind {
            PushKind::Invalidate => {}
            PushKind::Disconnection => self.all = true,
            _ => return,
        }
        let keys = said.data.into_iter().next().unwrap_or(Value::Nil);
        match Option::<Vec<Vec<u8>>>::from_redis_value(keys) {
            Ok(Some(keys)) => {
                let keys = keys
                    .iter()
                    .map(|key| String::from_utf8_lossy(key).into_owned());
                self.keys.extend(keys);
            }
            // None: all keys are gone.
            Ok(None) | Err(_) => self.all = true,
        }
    }
}

/// Such a connection.
pub(crate) struct Watch {
    connection: MultiplexedConnection,
    told: Arc<Mutex<Told>>,
}

impl Watch {
    /// To read over. What is read is watched until it has changed once.
    pub(crate) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// What was told since this was called last.
    pub(crate) fn take_told(&self) -> Told {
        std::mem::take(&mut *self.told.lock())
    }
}

impl Nodes {
    /// A connection to `node` that watches what is read over it.
    ///
    /// # Errors
    /// [`StoreError`] where there is no connection, or the server does not do that, or not for our user.
    pub(crate) async fn watch(&self, node: &Node) -> Result<Watch, StoreError> {
        let told = Arc::<Mutex<Told>>::default();
        let heard = Arc::clone(&told);
        let hearing = move |said| heard.lock().hear(said);
        let connection = self.dialer().hear(node, hearing).await;
        let mut connection = connection.inspect_err(|_| self.suspect())?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON");
        tracking.exec_async(&mut connection).await?;
        Ok(Watch { connection, told })
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::{RedisServer, eventually, newer_redis_server};

    use super::*;
    use crate::config::RedisConfig;

    async fn done(server: &RedisServer, command: &str) {
        let mut words = command.split(' ');
        let mut call = redis::cmd(words.next().expect("a command"));
        call.arg(words.collect::<Vec<_>>());
        let mut connection = server.connection().await;
        call.exec_async(&mut connection).await.expect("done");
    }

    /// What is told by the time of an answer.
    async fn told(watch: &Watch) -> Told {
        let mut connection = watch.connection();
        let answer = redis::cmd("PING").exec_async(&mut connection).await;
        answer.expect("it is there");
        watch.take_told()
    }

    fn only(keys: &[&str]) -> Told {
        Told {
            keys: keys.iter().map(ToString::to_string).collect(),
            all: false,
        }
    }

    #[tokio::test]
    async fn each_change_of_what_was_read_is_told_once_and_nothing_else() {
        let mut servers = vec![RedisServer::start().await];
        match newer_redis_server() {
            Some(newer) => servers.push(RedisServer::builder().binary(&newer).start().await),
            None => println!("without a newer server, see `make setup`"),
        }
        for mut server in servers {
            let config = RedisConfig::new(server.url()).expect("an address");
            let nodes = Nodes::new(&config).expect("nothing to refuse");
            let node = nodes.masters().await.expect("one")[0].clone();
            let watch = nodes.watch(&node).await.expect("it watches");
            let mut connection = watch.connection();
            let mut reading = redis::pipe();
            reading.get("vote:poll:p").get("vote:poll:q");
            reading.hget("vote:{p/0}:state", "state");
            reading.exec_async(&mut connection).await.expect("read");
            assert_eq!(told(&watch).await, only(&[]));
            done(&server, "SET vote:poll:other 1").await;
            assert_eq!(told(&watch).await, only(&[]), "nobody has read it");
            done(&server, "SET vote:poll:p 1").await;
            done(&server, "SET vote:poll:p 2").await;
            done(
                &server,
                "EVAL return(redis.call('HSET',KEYS[1],'a','1')) 1 vote:{p/0}:state",
            )
            .await;
            assert_eq!(
                told(&watch).await,
                only(&["vote:poll:p", "vote:{p/0}:state"])
            );
            done(&server, "SET vote:poll:p 3").await;
            assert_eq!(told(&watch).await, only(&[]), "it was not read again");
            done(&server, "FLUSHALL").await;
            assert!(told(&watch).await.all);
            server.kill9();
            eventually(std::time::Duration::from_secs(60), || async {
                watch.take_told().all
            })
            .await;
        }
    }
}
