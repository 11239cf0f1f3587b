//! Text from outside, made fit for a message.

/// The longest piece of someone else's text that a message repeats, in characters.
const SHOWN_CHARS: usize = 40;

/// Text from outside, made fit for a message: escaped, and cut to forty characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(SHOWN_CHARS) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
