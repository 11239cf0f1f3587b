//! Lists what `make web` has built into `web/dist`, by its manifest: the Rust build needs no Node.js.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("cargo::error={reason}");
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<(), String> {
    let folder = path("CARGO_MANIFEST_DIR")?.join("../../web/dist");
    println!("cargo::rerun-if-changed={}", folder.display());
    let assets = manifest(&folder)?;
    let mut code = String::new();
    let mut list = String::new();
    for (entry, name) in &assets {
        let file = folder.join(name);
        if !file.is_file() {
            return Err(format!(
                "web/dist/{name} is missing, which web/dist/manifest.json names: run `make web` (it needs Node.js), or check \
                 web/dist out again"
            ));
        }
        let constant = entry.replace(['.', '-'], "_").to_uppercase();
        let path = file.display().to_string();
        let written = writeln!(
            code,
            "/// The path of `{entry}`.\npub const {constant}: &str = {:?};",
            format!("/assets/{name}")
        )
        .and_then(|()| {
            writeln!(
                list,
                "    Asset {{ name: {name:?}, text: include_str!({path:?}) }},"
            )
        });
        written.map_err(|error| error.to_string())?;
    }
    code.push_str("/// All of them.\npub const ASSETS: &[Asset] = &[\n");
    code.push_str(&list);
    code.push_str("];\n");
    let out = path("OUT_DIR")?.join("assets.rs");
    fs::write(&out, code).map_err(|error| format!("{}: {error}", out.display()))
}

/// The names of the built files, by those of what they were built from.
fn manifest(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = fs::read(folder.join("manifest.json")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            "the pages' assets are missing: run `make web` (it needs Node.js), or check web/dist out again".to_owned()
        }
        _ => format!("web/dist/manifest.json: {error}"),
    })?;
    let read: Result<BTreeMap<String, String>, _> = serde_json::from_slice(&text);
    read.map_err(|error| {
        format!("web/dist/manifest.json is not what `make web` writes, run that: {error}")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by its environment alone; it is no setting"
)]
fn path(variable: &str) -> Result<PathBuf, String> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{variable} is not set: cargo sets it"))
}
