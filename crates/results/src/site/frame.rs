//! What is around every page: its language, the links to others, its style sheet.

use vote_domain::Language;
use vote_site::words::Words;

/// What the layout is filled in with.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) words: &'static Words,
    pub(crate) title: String,
    /// The same page in other languages.
    pub(crate) others: Vec<OtherLanguage>,
    /// `?lang=…` for links to other pages.
    pub(crate) query: String,
    /// Whether the page has the script.
    pub(crate) has_script: bool,
}

/// A link to the same page in another language.
#[derive(Debug)]
pub(crate) struct OtherLanguage {
    pub(crate) words: &'static Words,
    pub(crate) href: String,
}

impl Frame {
    /// A frame of a page at `path`.
    pub(crate) fn new(language: Language, title: String, path: &str) -> Self {
        let others = Language::ALL.iter().filter(|other| **other != language);
        Self {
            words: Words::of(language),
            title,
            others: others
                .map(|other| OtherLanguage {
                    words: Words::of(*other),
                    href: format!("{path}?lang={other}"),
                })
                .collect(),
            query: format!("?lang={language}"),
            has_script: false,
        }
    }

    /// The same with the script.
    #[must_use]
    pub(crate) const fn with_script(mut self) -> Self {
        self.has_script = true;
        self
    }

    /// The same without links to other languages: of a page that is the answer to a form.
    #[must_use]
    pub(crate) fn alone(mut self) -> Self {
        self.others.clear();
        self
    }
}
