//! Problem details (RFC 9457): the one shape of every error answer of both services.
//!
//! A body has `type`, `title`, `status`, `detail` and `code`, and may have members of its own. Bodies of
//! 5xx problems say nothing about the inside; what belongs in the log is attached with
//! [`Problem::because`], and the edge logs it once.

mod body;
mod code;
mod document;
mod echo;
mod error;
pub(crate) mod members;
mod responses;

pub use self::code::ProblemCode;
pub use self::document::ProblemDocument;
pub(crate) use self::document::ProblemEntry;
pub use self::echo::echo;
pub(crate) use self::error::PROBLEM_JSON;
pub use self::error::{Problem, RateFields};
pub use self::responses::{ProblemGroup, ProblemResponses, responses};
