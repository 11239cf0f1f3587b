//! A theme and what lies beside it, for a package.

use crate::failure::Failure;
use serde_json::Value;
use std::path::Path;

/// What the theme is called in the package.
pub(super) const NAME: &str = "theme.json";

/// A logo and two fonts; what is larger is a mistake.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a theme: itself, and the files that it names.
///
/// # Errors
/// [`Failure::Usage`] where it is no JSON object, or a file that it names is not beside it.
pub(super) fn read(file: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let wrong = |reason: String| Failure::usage(format!("--theme: {reason}"));
    let text = part(file).map_err(wrong)?;
    let theme: Value = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("{}: {error}", file.display())))?;
    if !theme.is_object() {
        return Err(wrong(format!(
            "{}: it must be a JSON object",
            file.display()
        )));
    }
    let mut files = vec![(NAME.to_owned(), text)];
    for pointer in ["/logo", "/fonts/text/file", "/fonts/figures/file"] {
        let Some(name) = theme.pointer(pointer).and_then(Value::as_str) else {
            continue;
        };
        if name.is_empty() || files.iter().any(|(other, _)| other == name) {
            continue;
        }
        if !is_name(name) {
            let named = pointer.trim_start_matches('/').replace('/', ".");
            return Err(wrong(format!(
                "{named}: must be the name of a file beside the theme"
            )));
        }
        let content = part(&file.with_file_name(name)).map_err(wrong)?;
        files.push((name.to_owned(), content));
    }
    Ok(files)
}

/// As the page takes it: no path, no other host.
fn is_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn part(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let size = std::fs::metadata(file).map_err(|error| format!("{name}: {error}"))?;
    if size.len() > MOST_BYTES {
        return Err(format!(
            "{name}: is larger than {} MiB",
            MOST_BYTES / 1024 / 1024
        ));
    }
    std::fs::read(file).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_brings_what_it_names_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("season.json");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("logo.png", "png");
        write("other.png", "other");
        write(
            "season.json",
            r#"{"logo":"logo.png","fonts":{"text":{"family":"Arial"}}}"#,
        );
        let files = read(&file).expect("good");
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [NAME, "logo.png"]);
        for (text, said) in [
            ("{", "season.json: EOF"),
            ("[]", "must be a JSON object"),
            (
                r#"{"logo":"../secret.png"}"#,
                "logo: must be the name of a file",
            ),
            (
                r#"{"logo":"https://x.example/a.png"}"#,
                "logo: must be the name of a file",
            ),
            (
                r#"{"fonts":{"figures":{"file":"missing.woff2"}}}"#,
                "missing.woff2: No such file",
            ),
        ] {
            write("season.json", text);
            let refused = read(&file).expect_err(text);
            assert_eq!(refused.code(), 2);
            assert!(refused.to_string().contains(said), "{refused}");
        }
    }
}
