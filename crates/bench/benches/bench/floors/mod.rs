//! Servers that ours are compared with, each as fast as it can be made.

mod actix;
mod answer;
mod body;
mod epoll;
mod no_redis;
mod per_vote;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::ValueEnum;
use socket2::{Domain, Socket, Type};

pub(crate) use self::body::BODY;
use self::body::ConstantBody;
pub(crate) use self::no_redis::NoRedis;
use self::per_vote::PerVote;
use crate::say::progress;

/// As our own servers have it: a thousand connections come at once.
const BACKLOG: i32 = 4096;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Floor {
    Epoll,
    ActixHttp,
    ActixWeb,
    PerVote,
    NoRedis,
    /// For readers.
    BodyWeb,
    BodyRoute,
}

impl Floor {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Serves until it is killed. Our own read their settings from the environment, as services do.
pub(crate) fn serve(floor: Floor, bind: SocketAddr) -> ExitCode {
    let ended = match floor {
        Floor::NoRedis => return vote_http::main_from::<NoRedis>(["bench".into()]).into(),
        Floor::PerVote => return vote_http::main_from::<PerVote>(["bench".into()]).into(),
        Floor::BodyRoute => {
            return vote_http::main_from::<ConstantBody>(["bench".into()]).into();
        }
        Floor::BodyWeb => listen(bind).and_then(body::serve_web),
        Floor::Epoll => listen(bind).and_then(|listener| epoll::serve(&listener)),
        Floor::ActixHttp => listen(bind).and_then(actix::serve_http),
        Floor::ActixWeb => listen(bind).and_then(actix::serve_web),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("{}: {error}", floor.name()));
            ExitCode::FAILURE
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One per core, as our own servers have it.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
