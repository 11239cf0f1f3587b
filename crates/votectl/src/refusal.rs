//! What clap says of a wrong command line, made fit for a terminal: it repeats what was typed as it is.

use clap::error::{ContextKind, ContextValue, Error};
use std::error::Error as _;
use vote_domain::escaped;

/// The same error, in which nothing that was typed breaks a line, moves the cursor or turns the text.
#[must_use]
pub fn fit(mut error: Error) -> Error {
    // Help and version are our own text.
    if !error.use_stderr() {
        return error;
    }
    let typed: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, fit_value(value)?)))
        .collect();
    if !typed.is_empty() {
        // What is suggested repeats it once more, among codes of colours.
        error.insert(ContextKind::Suggested, ContextValue::None);
    }
    for (kind, value) in typed {
        error.insert(kind, value);
    }
    let said = error.source().map(ToString::to_string);
    match said {
        // Clap has no way to give an error another cause.
        Some(said) if escaped(&said) != said => {
            let text = |kind| error.get(kind).map_or(String::new(), ToString::to_string);
            let (value, option) = (
                text(ContextKind::InvalidValue),
                text(ContextKind::InvalidArg),
            );
            Error::raw(
                error.kind(),
                format!(
                    "invalid value '{value}' for '{option}': {}\n\nFor more information, try '--help'.\n",
                    escaped(&said)
                ),
            )
        }
        _ => error,
    }
}

/// The value escaped; `None` where there is nothing to escape.
fn fit_value(value: &ContextValue) -> Option<ContextValue> {
    let fit = match value {
        ContextValue::String(text) => ContextValue::String(escaped(text)),
        ContextValue::Strings(texts) => {
            ContextValue::Strings(texts.iter().map(|text| escaped(text)).collect())
        }
        // Numbers, and what clap has written itself.
        _ => return None,
    };
    (fit != *value).then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::fit;
    use crate::cli::Cli;
    use clap::Parser;

    #[test]
    fn what_was_typed_is_repeated_escaped_whatever_the_argument() {
        let bad = "a\u{202e}b\nerror: c\u{1b}[2Jd";
        for words in [
            vec!["poll", "open", "x-01", "--reason", bad],
            vec!["--by", bad, "poll", "list"],
            vec!["--output", bad, "poll", "list"],
            vec!["poll", "open", bad],
            vec!["load", "--duration", bad],
            vec!["load", "--stages", bad],
            vec!["load", "--rate", bad],
            vec!["load", "--max-errors", bad],
            vec!["poll", bad],
            vec!["poll", "list", bad],
        ] {
            let line = ["votectl"].into_iter().chain(words.iter().copied());
            let error = Cli::try_parse_from(line).expect_err("it is refused");
            let error = fit(error);
            assert_eq!(error.exit_code(), 2);
            let text = error.render().ansi().to_string();
            assert!(text.contains("a\\u{202e}b\\nerror: c\\u{1b}[2Jd"), "{text}");
            for raw in ["\u{202e}", "\u{1b}[2J", "\nerror: c"] {
                assert!(!text.contains(raw), "{words:?}: {text:?}");
            }
        }
        let option = format!("--{bad}");
        let line = ["votectl", "poll", "list", &option];
        let error = fit(Cli::try_parse_from(line).expect_err("it is refused"));
        let text = error.render().ansi().to_string();
        assert!(
            !text.contains('\u{202e}') && !text.contains("\u{1b}[2J"),
            "{text:?}"
        );
    }

    #[test]
    fn what_needs_no_escape_is_said_as_clap_says_it() {
        for line in [
            "votectl load --rate 0",
            "votectl poll lst",
            "votectl load --duration 1d",
        ] {
            let error = || Cli::try_parse_from(line.split(' ')).expect_err("it is refused");
            assert_eq!(fit(error()).to_string(), error().to_string());
        }
    }
}
