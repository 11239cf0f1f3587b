//! `votectl graphics package`: what is in the ZIP, and what is refused. How the graphics behave is checked in a browser.

use crate::support::{PATIENCE, votectl};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use vote_testkit::Exit;

async fn package(folder: &Path, more: &str) -> Exit {
    let file = folder.join("out.zip");
    let line = format!(
        "graphics package --poll paredao-01 {more} --file {}",
        file.display()
    );
    votectl()
        .args(line.split_whitespace())
        .spawn()
        .wait(PATIENCE)
        .await
}

fn unpacked(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(folder.join("out.zip")).expect("it is there");
    let mut zip = zip::ZipArchive::new(file).expect("a ZIP");
    (0..zip.len())
        .map(|index| {
            let mut entry = zip.by_index(index).expect("an entry");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("readable");
            let name = entry.name().expect("a name").into_owned();
            (name, content)
        })
        .collect()
}

#[tokio::test]
async fn a_package_has_a_graphic_of_each_layout_and_all_that_they_import() {
    let folder = tempfile::tempdir().expect("a folder");
    // Redis is not asked.
    let exit = package(
        folder.path(),
        "--url http://127.0.0.1:1/base/ --output json",
    )
    .await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    let said: Value = serde_json::from_str(&exit.stdout()).expect("JSON");
    assert_eq!(said["url"], "http://127.0.0.1:1/base/");
    assert_eq!(said["holds_token"], false);
    assert_eq!(said["graphics"].as_array().map(Vec::len), Some(4));
    let files = unpacked(folder.path());
    let text = |name: &str| {
        let content = files.get(name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8(content.clone()).expect("UTF-8")
    };
    for layout in ["bars", "lower-third", "duel", "countdown"] {
        let manifest: Value =
            serde_json::from_str(&text(&format!("{layout}.ograf.json"))).expect("JSON");
        assert_eq!(manifest["main"], format!("{layout}.mjs"));
        assert_eq!(manifest["id"], format!("br.tv.paredao-paredao-01-{layout}"));
        assert!(text(&format!("{layout}.mjs")).contains(&format!("graphicOf(\"{layout}\"")));
    }
    assert!(text("settings.js").contains("\"url\": \"http://127.0.0.1:1/base/\""));
    for (name, content) in &files {
        let content = String::from_utf8_lossy(content).into_owned();
        let imports = content.split("from \"./").skip(1);
        for import in imports.filter_map(|rest| rest.split('"').next()) {
            assert!(files.contains_key(import), "{name} imports {import}");
        }
    }
    assert!(!files.contains_key("page.js") && !files.contains_key("worker.js"));
}

#[tokio::test]
async fn a_package_with_a_token_and_a_theme_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write("token", "a-token-of-graphics\n");
    write("season.json", r#"{"logo":"logo.png"}"#);
    write("logo.png", "png");
    let more = format!(
        "--url https://results.example --token-file {0}/token --theme {0}/season.json",
        folder.path().display()
    );
    let exit = package(folder.path(), &more).await;
    assert_eq!(exit.code(), Some(0), "{}", exit.stderr());
    assert!(
        exit.stderr().contains("the package holds the token"),
        "{}",
        exit.stderr()
    );
    assert!(
        exit.stderr().contains("http.cors_allowed_origins"),
        "{}",
        exit.stderr()
    );
    assert!(!format!("{}{}", exit.stdout(), exit.stderr()).contains("a-token-of-graphics"));
    let files = unpacked(folder.path());
    let settings = String::from_utf8_lossy(&files["settings.js"]).into_owned();
    assert!(settings.contains("a-token-of-graphics") && settings.contains("theme.json"));
    assert_eq!(files["logo.png"], b"png");
}

#[tokio::test]
async fn what_no_package_can_be_made_of_is_refused_by_its_option() {
    let folder = tempfile::tempdir().expect("a folder");
    for (more, said) in [
        ("--url results.example", "--url: "),
        ("--url http://u:p@results.example", "--url: "),
        (
            "--url http://x --token-file /nonexistent",
            "--token-file: /nonexistent",
        ),
        (
            "--url http://x --theme /nonexistent",
            "--theme: /nonexistent",
        ),
        ("", "--url"),
    ] {
        let exit = package(folder.path(), more).await;
        assert_eq!(exit.code(), Some(2), "{more}");
        assert!(exit.stderr().contains(said), "{more}: {}", exit.stderr());
        assert!(!folder.path().join("out.zip").exists(), "{more}");
    }
    let line = "graphics package --poll paredao-01 --url http://x --file /nonexistent/out.zip";
    let exit = votectl().args(line.split(' ')).spawn().wait(PATIENCE).await;
    assert_eq!(exit.code(), Some(2));
    assert!(
        exit.stderr().contains("can't write /nonexistent/out.zip"),
        "{}",
        exit.stderr()
    );
}
