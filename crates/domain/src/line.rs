//! What may be in one line of text that people read on screens and terminals.

use unicode_normalization::char::is_combining_mark;

/// Whether a character is neither a control, nor an end of line or paragraph, nor a mark that turns the direction of
/// what follows (Unicode Standard Annex 9).
pub(crate) fn belongs_into_a_line(c: char) -> bool {
    let ends_line = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(
        c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !c.is_control() && !ends_line && !turns
}

/// Whether a text has a character that shows by itself: no blank, and none that Unicode has programs leave out where
/// they have nothing to show for it (`Default_Ignorable_Code_Point`, such as a joiner or a variation selector). The
/// blank of Braille is one of the blanks, and a mark that is put on the letter before it shows on nothing without one.
pub(crate) fn is_visible(text: &str) -> bool {
    text.chars().any(|c| {
        let blank = c.is_whitespace() || c.is_control() || c == '\u{2800}';
        !blank && !is_ignorable(c) && !is_combining_mark(c)
    })
}

fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::is_visible;

    #[test]
    fn a_text_of_blanks_and_ignorable_characters_is_not_visible() {
        for text in [
            "",
            " ",
            "\u{a0}",
            "\u{200b}\u{200d}",
            "\u{3164}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{ad} \u{feff}",
            "\u{301}",
            "\u{301} \u{20dd}\u{93f}",
        ] {
            assert!(!is_visible(text), "{text:?}");
        }
        for text in [
            "A",
            "1",
            "?",
            "é",
            "e\u{301}",
            "李",
            "❤\u{fe0f}",
            "👩\u{200d}🚀",
            "\u{200b}A",
        ] {
            assert!(is_visible(text), "{text:?}");
        }
    }
}
