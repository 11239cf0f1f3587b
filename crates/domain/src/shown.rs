//! Text from outside, made fit for a message.

use crate::line::belongs_into_a_line;

/// The longest piece of someone else's text that a message repeats, in characters.
const SHOWN_CHARS: usize = 40;

/// Text from outside, escaped: nothing in it breaks a line, moves a cursor or turns the direction of the text.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut out, c);
    }
    out
}

fn push(out: &mut String, c: char) {
    if belongs_into_a_line(c) {
        out.push(c);
    } else {
        out.extend(c.escape_default());
    }
}

/// Text from outside, made fit for a message: escaped, and cut to forty characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(SHOWN_CHARS) {
        push(&mut out, c);
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
