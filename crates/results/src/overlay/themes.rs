//! Themes of the overlay: the files of a folder, read once at the start.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use actix_web::http::header::HeaderValue;

use crate::pages::body::{Body, Effort};

/// A theme is changed by a start of the service, and all sources are to see it soon.
const SOON: HeaderValue = HeaderValue::from_static("public, no-cache");
/// A theme is a small JSON file, its logo and its fonts. What is more is a mistake in the setting.
const MOST_FILES: usize = 200;
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// What a theme may be made of.
const MEDIA_TYPES: [(&str, &str); 9] = [
    ("json", "application/json"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("svg", "image/svg+xml"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("ttf", "font/ttf"),
];

/// The files of a folder, by their names.
#[derive(Debug, Default)]
pub(crate) struct Themes(BTreeMap<String, Body>);

impl Themes {
    /// Reads a folder. What is no part of a theme is left out, with a warning.
    ///
    /// # Errors
    /// Where the folder can't be read, or holds more than themes do.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut bytes = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            // Hidden, as what Kubernetes keeps beside the files of a ConfigMap.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let metadata = fs::metadata(&path)?;
            let Some(media_type) = media_type(name).filter(|_| metadata.is_file()) else {
                tracing::warn!(file = name, "not part of a theme, and not served");
                continue;
            };
            bytes += metadata.len();
            if bytes > MOST_BYTES || files.len() == MOST_FILES {
                return Err(io::Error::other(format!(
                    "holds more than {MOST_FILES} files or {} MiB",
                    MOST_BYTES / 1024 / 1024
                )));
            }
            let body = Body::new(fs::read(&path)?, media_type, SOON, Effort::Ahead)?;
            files.insert(name.to_owned(), body);
        }
        Ok(Self(files))
    }

    /// A file of a theme.
    pub(crate) fn file(&self, name: &str) -> Option<&Body> {
        self.0.get(name)
    }
}

fn media_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let mut known = MEDIA_TYPES.iter();
    known
        .find(|(of, _)| extension.eq_ignore_ascii_case(of))
        .map(|(_, media_type)| *media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_without_what_is_no_theme() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("season.json", "{}"),
            ("Logo.PNG", "png"),
            (".hidden.json", "{}"),
            ("notes.txt", "text"),
            ("page.html", "<p>"),
            ("none", ""),
        ] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        fs::create_dir(folder.path().join("folder.json")).expect("made");
        let themes = Themes::read(folder.path()).expect("readable");
        let names: Vec<&str> = themes.0.keys().map(String::as_str).collect();
        assert_eq!(names, ["Logo.PNG", "season.json"]);
        assert!(themes.file("../season.json").is_none());
        let missing = Themes::read(&folder.path().join("missing"));
        assert_eq!(
            missing.expect_err("it is not there").kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for index in 0..=MOST_FILES {
            fs::write(folder.path().join(format!("{index}.json")), "{}").expect("written");
        }
        let refused = Themes::read(folder.path()).expect_err("too many");
        assert!(
            refused.to_string().contains("more than 200 files"),
            "{refused}"
        );
    }
}
