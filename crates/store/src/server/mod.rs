//! What a server must be: asked of it, compared with what we need, and said to whoever runs it.

mod clock;
mod clocks;
mod commands;
mod facts;
mod findings;
mod greeting;
mod inspect;
mod judge;
mod stamp;
mod watch;

pub use self::clock::{Difference, longest_apart};
pub use self::clocks::Clocks;
pub use self::commands::{Program, Rights, ask_for_user, try_commands};
pub(crate) use self::facts::Facts;
pub use self::findings::{Finding, Problem};
pub(crate) use self::greeting::Greeting;
pub use self::inspect::{Inspection, Measured, inspect};
pub(crate) use self::stamp::Stamp;
pub use self::watch::{Watched, watch};
