//! For tests only: a real `redis-server` per test, a proxy that cuts its connections, binaries as child
//! processes, a receiver of OTLP traces, and waiting for conditions instead of for time.
//!
//! Everything here panics with a message that says what was missing: a test has nobody to hand an error to.
//! Everything that was started is gone when its value is dropped, also when the test panics.

mod child;
mod eventually;
mod otlp;
mod port;
pub mod proxy;
mod redis_server;
pub mod resp;

pub use child::{ChildProcess, ChildProcessBuilder, Exit, OutputLine, Stream};
pub use eventually::{Condition, eventually};
pub use otlp::{CollectedSpan, OtlpReceiver};
pub use port::free_port;
pub use proxy::{Fault, FaultCounts, FaultProxy, RandomFaults};
pub use redis_server::{RedisServer, RedisServerBuilder};
