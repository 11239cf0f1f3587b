//! For tests only: a real `redis-server` per test, also under Sentinel and as a cluster, a proxy that cuts its
//! connections, an HTTP proxy, binaries as child processes, a receiver of OTLP traces, and waiting for conditions instead of for time.
//!
//! Everything here panics with a message that says what was missing: a test has nobody to hand an error to.
//! Everything that was started is gone when its value is dropped, also when the test panics.

mod ask;
mod certificates;
mod child;
mod cluster;
mod eventually;
pub mod fixtures;
pub mod hostile;
mod http_proxy;
mod newer;
mod otlp;
mod port;
pub mod proxy;
mod redis_server;
pub mod resp;
mod sentinel;

pub use certificates::Certificates;
pub use child::{ChildProcess, ChildProcessBuilder, Exit, OutputLine, Stream};
pub use cluster::slot_move::SlotMove;
pub use cluster::{RedisCluster, RedisClusterBuilder};
pub use eventually::{Condition, eventually};
pub use http_proxy::HttpProxy;
pub use newer::{newer_redis_server, redis_server_8_4, valkey_server_9};
pub use otlp::{CollectedSpan, OtlpReceiver};
pub use port::free_port;
pub use proxy::{Fault, FaultCounts, FaultProxy, RandomFaults};
pub use redis_server::{RedisServer, RedisServerBuilder};
pub use sentinel::{RedisSentinels, RedisSentinelsBuilder};
