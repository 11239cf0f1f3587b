//! README.md has the tables that the code renders.
//!
//! `make readme` (`UPDATE_README=1` on this test) writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use vote_http::ProblemCode;
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
        parts.unwrap_or_else(|| panic!("README.md has no section between {begin} and {end}"));
    format!("{before}{begin}\n{content}{end}{after}")
}

#[test]
fn the_readme_has_the_tables_that_the_code_renders() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let found = fs::read_to_string(&path).expect("README.md in the repository's root");
    let wanted = with_section(&found, "settings", &reference_markdown());
    let wanted = with_section(&wanted, "problems", &problems_markdown());
    #[expect(
        clippy::disallowed_methods,
        reason = "how this test is run is no setting of a service"
    )]
    let update = std::env::var_os("UPDATE_README").is_some();
    if update {
        fs::write(&path, wanted).expect("README.md can be written");
        return;
    }
    let differs = found
        .lines()
        .zip(wanted.lines())
        .find(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "README.md is not what the code says: run `make readme` and commit what it changes. \
         The first difference: {differs:#?}"
    );
}

#[test]
fn a_section_is_replaced_and_nothing_around_it() {
    let text = "before\n<!-- x -->\nold\n<!-- /x -->\nafter\n";
    let new = with_section(text, "x", "new\n");
    assert_eq!(new, "before\n<!-- x -->\nnew\n<!-- /x -->\nafter\n");
    assert_eq!(with_section(&new, "x", "new\n"), new);
}
