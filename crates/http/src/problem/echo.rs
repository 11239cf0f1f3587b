//! Texts of the client's in a `detail`.

/// A text of the client's is repeated in a `detail` only up to this many characters.
const ECHO_CHARACTERS: usize = 64;

/// A text of the client's for a `detail`: in quotes, escaped, and cut where it is long.
#[must_use]
pub fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARACTERS) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}
