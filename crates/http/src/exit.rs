//! Exit codes, and what is said on standard error before them.

use std::error::Error;
use std::io::{self, Write as _};

pub(crate) const SUCCESS: u8 = 0;

pub(crate) const FAILURE: u8 = 1;

/// Of wrong settings, as of wrong arguments.
const USAGE: u8 = 2;

/// Of a process that has ended with accepted votes that Redis may not have.
pub(crate) const UNRECORDED: u8 = 3;

/// Of a process that a second signal has ended before it had drained: 128 + SIGINT.
pub(crate) const INTERRUPTED: i32 = 130;

/// Says it, and is a failure.
pub(crate) fn fail(text: &str) -> u8 {
    // Nobody is left to tell when standard error is closed.
    let _nobody = writeln!(io::stderr(), "{text}");
    FAILURE
}

/// Says it, and is a wrong use: of arguments, of settings.
pub(crate) fn usage(error: &dyn Error) -> u8 {
    fail(&error.to_string());
    USAGE
}
