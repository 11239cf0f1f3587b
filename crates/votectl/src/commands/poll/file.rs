//! Poll files, as commands take them.

use crate::failure::Failure;
use crate::input;
use std::path::Path;
use vote_domain::{MAX_FILE_BYTES, PollFile};

/// Reads a poll file; `-` is standard input.
///
/// # Errors
/// [`Failure::Usage`] where it can't be read, or with every rule that it breaks.
pub(crate) fn read(file: &Path) -> Result<PollFile, Failure> {
    let name = input::name(file);
    let unreadable = |error: std::io::Error| {
        let kind = error.kind();
        let hint = if kind == std::io::ErrorKind::NotFound {
            "; give the path of a poll file, in YAML or JSON"
        } else {
            ""
        };
        Failure::usage(format!("can't read {name}: {error}{hint}"))
    };
    let bytes = input::read(file, MAX_FILE_BYTES).map_err(unreadable)?;
    parse(&name, &bytes)
}

/// Reads the text of a poll file of this name, in YAML or JSON.
///
/// # Errors
/// [`Failure::Usage`] with every rule that it breaks.
pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<PollFile, Failure> {
    // Whoever looks at the first byte would take it for a part of the text.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_json = match Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'),
    };
    let parsed = match std::str::from_utf8(bytes) {
        Ok(text) if !is_json => PollFile::parse_yaml(text),
        // It says where text that isn't UTF-8 breaks, whatever else it is.
        _ => PollFile::parse_json(bytes),
    };
    parsed.map_err(|violations| {
        let count = match violations.as_slice().len() {
            1 => "1 mistake".to_owned(),
            count => format!("{count} mistakes"),
        };
        let lines: String = violations
            .as_slice()
            .iter()
            .map(|violation| format!("\n  {violation}"))
            .collect();
        Failure::usage(format!(
            "{name} is no poll file, {count}; nothing was written:{lines}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::built_in::DEMO_FILE;

    #[test]
    fn example_polls_are_right() {
        let demo = parse("demo.yaml", DEMO_FILE.as_bytes()).expect("the file is right");
        assert_eq!(
            (
                demo.definition().candidates().len(),
                demo.definition().channels().len()
            ),
            (4, 2)
        );
        parse(
            "rehearsal.yaml",
            include_bytes!("../../../../../deploy/polls/rehearsal.yaml"),
        )
        .expect("the file is right");
    }

    #[test]
    fn a_byte_order_mark_is_ignored_whatever_the_ending() {
        let demo = parse("demo.yaml", DEMO_FILE.as_bytes()).expect("the file is right");
        let json = serde_json::to_string(demo.definition()).expect("JSON");
        for (name, text) in [
            ("x.yaml", DEMO_FILE),
            ("x", DEMO_FILE),
            ("x.json", &json),
            ("x", &json),
        ] {
            let marked = format!("\u{feff}{text}");
            let read = parse(name, marked.as_bytes()).expect(name);
            assert_eq!(read.definition(), demo.definition(), "{name}");
        }
    }

    #[test]
    fn what_is_no_poll_file_is_named() {
        assert!(
            parse("x.json", b"{")
                .expect_err("it is refused")
                .to_string()
                .contains("x.json")
        );
        assert_eq!(
            parse("x", b"\xff\xfe").expect_err("it is refused").code(),
            2
        );
    }
}
