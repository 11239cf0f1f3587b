//! What is printed: results on standard output, progress on standard error.

use std::io::Write as _;

/// A result.
pub(crate) fn say(text: &str) {
    // Who reads nothing misses nothing.
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// How far it is.
pub(crate) fn progress(text: &str) {
    let _closed = writeln!(std::io::stderr(), "{text}");
}
