//! The tokens of feeds: a name and the SHA-256 of each, from the settings or from a file that is read again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;

/// The largest file, in bytes: some hundreds of tokens.
const MAX_BYTES: u64 = 64 * 1024;

/// The longest name.
const MAX_NAME: usize = 64;

/// A token of a feed: its digest, and the name that it is known and revoked by. The token itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedToken {
    /// Names it.
    pub name: String,
    /// The SHA-256 of the token's bytes.
    pub digest: [u8; 32],
}

/// Why a file gives no tokens.
#[derive(Debug, thiserror::Error)]
pub enum FeedTokensError {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is larger than any list of tokens.
    #[error("the file has more than {MAX_BYTES} bytes: it is no list of tokens")]
    TooLong,
    /// A line of it is wrong.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl FeedToken {
    /// Reads `NAME:DIGEST`.
    ///
    /// # Errors
    /// What is wrong, without what was given: it may be a token by mistake.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, digest) = text.split_once(':').ok_or_else(|| {
            "is no NAME:SHA-256 (`votectl feed-token NAME` makes one); it is not shown".to_owned()
        })?;
        let is_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_named) {
            return Err(format!(
                "the name before `:` must have 1 to {MAX_NAME} of A-Z, a-z, 0-9, `-`, `_` and `.`; it is not shown"
            ));
        }
        let bytes = HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok();
        let digest = bytes.and_then(|bytes| bytes.try_into().ok());
        let digest = digest.ok_or_else(|| {
            format!("what is behind `{name}:` must be the 64 hexadecimal digits of a SHA-256")
        })?;
        let name = name.to_owned();
        Ok(Self { name, digest })
    }
}

/// Reads several, of which no two have the same name or are of the same token.
///
/// # Errors
/// The place of the first that is wrong, from 0, and why.
pub(super) fn parse_all<'t>(
    texts: impl Iterator<Item = &'t str>,
) -> Result<Vec<FeedToken>, (usize, String)> {
    let (mut names, mut digests) = (BTreeSet::new(), BTreeSet::new());
    let read = texts.enumerate().map(|(place, text)| {
        let token = FeedToken::parse(text).map_err(|reason| (place, reason))?;
        if !names.insert(token.name.clone()) {
            return Err((place, format!("the name {} is there twice", token.name)));
        }
        if !digests.insert(token.digest) {
            let reason = format!("{} is the same token as an earlier one", token.name);
            return Err((place, reason));
        }
        Ok(token)
    });
    read.collect()
}

/// Reads the tokens of a file: one a line; blank lines, and those that begin with `#`, are none.
///
/// # Errors
/// The file can't be read, is too long, or a line of it is wrong.
pub fn read_feed_tokens(path: &Path) -> Result<Vec<FeedToken>, FeedTokensError> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FeedTokensError::TooLong);
    }
    let text =
        String::from_utf8(bytes).map_err(|_error| io::Error::from(io::ErrorKind::InvalidData))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().map(str::trim).enumerate();
    let lines: Vec<(usize, &str)> = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    parse_all(lines.iter().map(|(_, line)| *line)).map_err(|(place, reason)| {
        let line = lines.get(place).map_or(0, |(index, _)| index + 1);
        FeedTokensError::Line { line, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "obs:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn a_token_is_a_name_and_a_digest() {
        let token = FeedToken::parse(ONE).expect("right");
        assert_eq!((token.name.as_str(), token.digest[0]), ("obs", 0x9f));
        assert_eq!(
            FeedToken::parse(&ONE.to_uppercase().replace("OBS", "obs")),
            Ok(token)
        );
    }

    #[test]
    fn what_is_no_digest_is_refused_and_never_shown() {
        let long = "x".repeat(100_000);
        for secret in [
            "",
            "the-token-itself",
            &long,
            &ONE[..ONE.len() - 1],
            &format!("{ONE}0"),
            &ONE.replace("obs", ""),
            &ONE.replace("obs", "a b"),
            &ONE.replace("obs", &long),
            &ONE.replace("9f86", "the-"),
            &format!("{ONE}:{ONE}"),
        ] {
            let reason = FeedToken::parse(secret).expect_err(secret);
            assert!(reason.len() < 200, "{reason}");
            assert!(
                !reason.contains("the-") && !reason.contains("d081884c"),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_file_has_one_a_line_and_says_which_line_is_wrong() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tokens");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read_feed_tokens(&path).map_err(|error| error.to_string())
        };
        let other = ONE.replace("obs:9f", "vmix:0f");
        let tokens =
            read(&format!("\u{feff}# studio 1\r\n\r\n  {ONE}  \n{other}\n")).expect("right");
        let names: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
        assert_eq!(names, ["obs", "vmix"]);
        assert_eq!(read(""), Ok(Vec::new()));
        for (text, said) in [
            (
                format!("#\n{ONE}\n{ONE}"),
                "line 3: the name obs is there twice",
            ),
            (
                format!("{ONE}\n{}", ONE.replace("obs", "vmix")),
                "line 2: vmix is the same token",
            ),
            (format!("{ONE}\nsecret"), "line 2: is no NAME:SHA-256"),
            ("#".repeat(70_000), "more than 65536 bytes"),
        ] {
            let error = read(&text).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
        std::fs::write(&path, b"\xff\xfe").expect("written");
        assert!(read_feed_tokens(&path).is_err());
        assert!(read_feed_tokens(&dir.path().join("none")).is_err());
    }
}
