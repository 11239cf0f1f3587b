//! The files of the overlay, built in: vote-results serves them, `votectl graphics package` writes those of the graphic
//! into a package. They are what `web/overlay` has, which is written by hand and needs no build.

#![forbid(unsafe_code)]

/// One of the files.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its name, without a folder.
    pub name: &'static str,
    /// What is in it.
    pub text: &'static str,
    /// Who needs it.
    pub of: Of,
}

/// Who needs a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The page alone.
    Page,
    /// The OGraf package alone.
    Package,
    /// Both.
    Both,
}

macro_rules! files {
    ($($of:ident: $($name:literal),+;)+) => {
        &[$($(File { name: $name, text: include_str!(concat!("../../../web/overlay/", $name)), of: Of::$of }),+),+]
    };
}

/// The page at `/overlay/{poll}`. Where [`ASSETS`] stands in it, the version of the assets belongs.
pub const PAGE: &str = include_str!("../../../web/overlay/index.html");

/// What stands in [`PAGE`] for the version of the assets.
pub const ASSETS: &str = "@ASSETS@";

/// All modules and style sheets.
pub const FILES: &[File] = files! {
    Page: "early.js", "page.css", "page.js", "worker.js";
    Package: "ograf.js";
    Both: "data.js", "events.js", "feed.js", "gate.js", "graphic.css", "graphic.js", "number.js",
        "overlay.js", "shared-feed.js", "texts.js", "theme.js";
};

/// The layouts, as `?layout=` names them, each with what it shows.
pub const LAYOUTS: [(&str, &str); 4] = [
    ("bars", "A bar for each candidate"),
    ("lower-third", "All candidates side by side"),
    ("duel", "Two candidates, face to face"),
    ("countdown", "The last minute of the vote"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_overlay_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/overlay");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            // What Node.js reads, and the page, which is built in beside them.
            .filter(|name| name != "package.json" && name != "index.html")
            .collect();
        let built_in = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(there, built_in);
    }

    #[test]
    fn whoever_needs_a_file_has_what_it_imports() {
        for of in [Of::Page, Of::Package] {
            let has = |file: &File| file.of == of || file.of == Of::Both;
            for file in FILES.iter().filter(|file| has(file)) {
                let imports = file.text.split("from \"./").skip(1);
                for import in imports.filter_map(|rest| rest.split('"').next()) {
                    let found = FILES.iter().find(|other| other.name == import);
                    assert!(
                        found.is_some_and(has),
                        "{of:?}: {} imports {import}",
                        file.name
                    );
                }
            }
        }
    }

    #[test]
    fn the_page_names_only_assets_that_are_there() {
        let links: Vec<&str> = PAGE.split("assets/@ASSETS@/").skip(1).collect();
        assert_eq!(links.len(), PAGE.matches(ASSETS).count());
        assert_eq!(links.len(), 4);
        for link in links {
            let name = link.split('"').next().unwrap_or_default();
            assert!(FILES.iter().any(|file| file.name == name), "{name}");
        }
    }

    #[test]
    fn the_layouts_are_those_of_the_script() {
        let data = FILES
            .iter()
            .find(|file| file.name == "data.js")
            .expect("it is there");
        let list = LAYOUTS.map(|(name, _)| format!("\"{name}\"")).join(", ");
        assert!(data.text.contains(&format!("LAYOUTS = [{list}]")), "{list}");
    }
}
