//! The pages in docs/ have the tables that the code renders.
//!
//! `make docs` (`UPDATE_DOCS=1` on this test) writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use vote_http::{Problem, ProblemCode};
use vote_runtime::settings::reference_markdown;

/// The table of problems: what clients may meet, and what to do.
fn problems_markdown() -> String {
    let mut table =
        String::from("| Status | `code` | What | Retry after |\n| --- | --- | --- | --- |\n");
    for code in ProblemCode::ALL {
        let retry = code
            .retry_after_s()
            .map_or_else(String::new, |seconds| format!("{seconds} s"));
        let _infallible = writeln!(
            table,
            "| {} | `{}` | {} | {retry} |",
            code.status().as_u16(),
            code.as_str(),
            code.description().replace('|', "\\|"),
        );
    }
    table
}

/// `text` with `content` between the markers of `section`.
fn with_section(text: &str, section: &str, content: &str) -> String {
    let (begin, end) = (
        format!("<!-- {section} -->"),
        format!("<!-- /{section} -->"),
    );
    let parts = text
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) =
        parts.unwrap_or_else(|| panic!("there is no section between {begin} and {end}"));
    format!("{before}{begin}\n{content}{end}{after}")
}

/// The project's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a section of a page with what the code renders, or writes it where that is asked for.
fn check(page: &str, section: &str, content: &str) {
    let path = root().join(page);
    let found = fs::read_to_string(&path).expect("the page is there");
    let wanted = with_section(&found, section, content);
    #[expect(
        clippy::disallowed_methods,
        reason = "how this test is run is no setting of a service"
    )]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update {
        fs::write(&path, wanted).expect("the page can be written");
        return;
    }
    let differs = found
        .lines()
        .zip(wanted.lines())
        .find(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "{page} is not what the code says: run `make docs` and commit what it changes. \
         The first difference: {differs:#?}"
    );
}

#[test]
fn the_pages_have_the_tables_that_the_code_renders() {
    check("docs/settings.md", "settings", &reference_markdown());
    check("docs/api.md", "problems", &problems_markdown());
}

#[test]
fn a_section_is_replaced_and_nothing_around_it() {
    let text = "before\n<!-- x -->\nold\n<!-- /x -->\nafter\n";
    let new = with_section(text, "x", "new\n");
    assert_eq!(new, "before\n<!-- x -->\nnew\n<!-- /x -->\nafter\n");
    assert_eq!(with_section(&new, "x", "new\n"), new);
}

/// The pages of the project's root and of docs/.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in [root(), root().join("docs")] {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let files = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|end| end == "md")));
    }
    pages
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let pages = pages();
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).expect("the page is there");
        let folder = page.parent().expect("it is in a folder");
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                assert!(
                    folder.join(link).exists(),
                    "{}: nothing is at {link}",
                    page.display()
                );
            }
        }
    }
}

/// The pages with which a proxy answers in a service's place: a client can't tell the difference.
#[test]
fn the_proxys_own_errors_are_problems_that_any_page_may_read() {
    let haproxy = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/compose/haproxy");
    let settings = fs::read_to_string(haproxy.join("haproxy.cfg")).expect("the proxy's settings");
    let mut pages = 0;
    for line in settings.lines() {
        let Some(errorfile) = line.trim().strip_prefix("errorfile ") else {
            continue;
        };
        pages += 1;
        let name = errorfile.rsplit('/').next().expect("a name");
        let page = fs::read_to_string(haproxy.join("errors").join(name)).expect(name);
        let (head, body) = page.split_once("\r\n\r\n").expect("a head and a body");
        let field = |field: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(&format!("{field}: ")))
        };
        let code = ProblemCode::ALL
            .iter()
            .find(|code| name == format!("{}.http", code.as_str()))
            .expect(name);
        assert_eq!(body, Problem::new(*code).body(), "{name}");
        assert!(
            head.starts_with(&format!("HTTP/1.1 {} ", code.status().as_u16())),
            "{name}"
        );
        let retry_after = code.retry_after_s().map(|seconds| seconds.to_string());
        assert_eq!(field("Retry-After"), retry_after.as_deref(), "{name}");
        assert_eq!(
            field("Access-Control-Expose-Headers"),
            retry_after.map(|_| "Retry-After"),
            "{name}"
        );
        assert_eq!(field("Access-Control-Allow-Origin"), Some("*"), "{name}");
        assert_eq!(field("Content-Type"), Some("application/problem+json"));
        assert_eq!(field("Cache-Control"), Some("no-store"), "{name}");
        assert_eq!(
            field("Content-Length"),
            Some(body.len().to_string().as_str())
        );
    }
    assert_eq!(pages, 9);
}
