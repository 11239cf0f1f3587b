//! How large a request's head may be, how long it may take, and how much may be sent ahead: of connections that actix-http serves.
//!
//! actix-http bounds the time of the first head of a connection alone: whoever has sent one request, and then a byte of another,
//! would hold the connection for ever. It reads up to 128 KiB before it refuses a head, and as much of what is sent ahead while a
//! request is answered: with thousands of connections that is more memory than there is. So what it reads goes through
//! [`Watched`], which knows by [`Heads`] whether a request is being answered, and lets go of a connection in time.

mod refusal;
mod replayed;
mod state;
mod watched;

pub(crate) use self::refusal::{Refusal, bare};
pub(crate) use self::replayed::Replayed;
pub(crate) use self::state::{Answering, HeadBounds, Heads};
pub(crate) use self::watched::Watched;
