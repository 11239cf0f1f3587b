//! `votectl graphics package`

mod manifest;
mod theme;

use crate::context::Context;
use crate::failure::Failure;
use crate::replace::replace;
use crate::service_url::ServiceUrl;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{self, Cursor, Write as _};
use std::path::{Path, PathBuf};
use vote_domain::PollId;
use vote_overlay::{FILES, LAYOUTS, Of};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What every module of the package takes its poll from.
const SETTINGS: &str = "settings.js";

/// Commands about graphics.
#[derive(Debug, Subcommand)]
pub enum GraphicsCommand {
    /// Write the overlay as an EBU OGraf package, for renderers that take one
    Package(PackageArgs),
}

/// What the package shows, and where to write it.
#[derive(Debug, Args)]
pub struct PackageArgs {
    /// The poll that its graphics show as long as the controller names no other one; `current` is the one that is on
    #[arg(long, value_name = "POLL", value_parser = PollId::parse)]
    pub poll: PollId,

    /// The results service as the renderer reaches it, such as https://results.example.com
    #[arg(long, value_name = "URL")]
    pub url: ServiceUrl,

    /// File with a feed token; it is written into the package, and whoever has the package has it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Theme in JSON; its logo and fonts lie beside it
    #[arg(long, value_name = "FILE")]
    pub theme: Option<PathBuf>,

    /// Where to write the ZIP; a file that exists is replaced
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs a command about graphics.
///
/// # Errors
/// Where an address, a token or a theme is none, or a file can't be read or written.
pub fn run(command: GraphicsCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        GraphicsCommand::Package(args) => package(&args, context),
    }
}

fn package(args: &PackageArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let url = format!("{}/", args.url.target("--url")?);
    let token = args.token_file.as_deref().map(token).transpose()?;
    let theme = args.theme.as_deref().map(theme::read).transpose()?;
    let mut settings = json!({ "url": url, "poll": args.poll });
    if let Some(token) = &token {
        settings["token"] = json!(token);
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(theme) = theme {
        settings["theme"] = json!(theme::NAME);
        files.extend(theme);
    }
    let settings = format!("export default {};\n", indented(&settings)?);
    files.push((SETTINGS.to_owned(), settings.into_bytes()));
    for (layout, shows) in LAYOUTS {
        let manifest = manifest::manifest(&args.poll, layout, shows);
        let name = format!("{layout}.ograf.json");
        files.push((name, format!("{}\n", indented(&manifest)?).into_bytes()));
        files.push((manifest::main(layout), module(layout).into_bytes()));
    }
    let ours = FILES.iter().filter(|file| file.of != Of::Page);
    files.extend(ours.map(|file| (file.name.to_owned(), file.text.as_bytes().to_vec())));
    let content = zipped(&files).map_err(anyhow::Error::from)?;
    replace(&args.file, &content).map_err(|error| Failure::unwritable(&args.file, error))?;
    tell(args, &url, token.is_some(), context)
}

fn tell(
    args: &PackageArgs,
    url: &str,
    has_token: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let graphics = LAYOUTS.map(|(layout, _)| manifest::id(&args.poll, layout));
    if context.json() {
        return context.write_json(&json!({
            "file": args.file, "poll": args.poll, "url": url, "graphics": graphics, "holds_token": has_token,
        }));
    }
    let file = args.file.display();
    context
        .terminal
        .line(&format!("{file}: {}", graphics.join(", ")))?;
    context.terminal.note(&format!(
        "the renderer's pages ask {url} for the figures: their origin belongs into http.cors_allowed_origins"
    ));
    if has_token {
        context
            .terminal
            .note("the package holds the token: keep it as you keep the token");
    }
    Ok(())
}

/// The module that a manifest names: its class shows this layout, whatever else a renderer says.
fn module(layout: &str) -> String {
    format!(
        "import {{ graphicOf }} from \"./ograf.js\";\nimport settings from \"./{SETTINGS}\";\n\n\
         export default graphicOf(\"{layout}\", settings);\n"
    )
}

fn indented(value: &serde_json::Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?)
}

/// Reads a token as settings take it.
fn token(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("--token-file: {}: {error}", file.display())))?;
    let token = text.trim();
    if (16..=512).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token.to_owned());
    }
    Err(Failure::usage(format!(
        "--token-file: {}: it must hold 16 to 512 visible ASCII characters",
        file.display()
    )))
}

/// A ZIP that is the same whenever it is made of the same files. They are small: stored as they are.
fn zipped(files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in files {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_without_its_line_end_and_refused_where_it_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "a-token-of-graphics\n").expect("written");
        assert_eq!(token(&file).expect("good"), "a-token-of-graphics");
        for text in [
            "",
            "short",
            "a token with spaces in it",
            "tóken-of-graphics-1",
        ] {
            std::fs::write(&file, text).expect("written");
            let refused = token(&file).expect_err(text);
            assert_eq!(refused.code(), 2);
            assert!(text.is_empty() || !refused.to_string().contains(text));
        }
    }

    #[test]
    fn the_same_files_make_the_same_zip() {
        let files = [("a.js".to_owned(), b"a".to_vec())];
        assert_eq!(zipped(&files).expect("made"), zipped(&files).expect("made"));
    }
}
