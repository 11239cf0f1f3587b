//! The token that a request shows: what is behind the word `Bearer`.

/// The token of an `Authorization`, if it is one of this kind. The word may be in any case, and there may be spaces and tabs around both. A
/// token is never empty; what it holds, and how long it may be, is for who knows tokens.
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    let is_space = [' ', '\t'];
    let (scheme, token) = authorization.trim_matches(is_space).split_once(' ')?;
    // Something else than space is behind it, or it would be gone.
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(is_space))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_behind_the_word() {
        for text in [
            "Bearer a.b.c",
            "bearer  a.b.c ",
            "BEARER \ta.b.c\t",
            " \tBearer a.b.c",
        ] {
            assert_eq!(bearer(text), Some("a.b.c"), "{text:?}");
        }
        for text in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer \t ",
            "Bearer\ta.b.c",
            "a.b.c",
            "Bearera.b.c",
            "Basic YTpi",
            "Basic Bearer a",
            "\u{a0}Bearer a.b.c",
        ] {
            assert_eq!(bearer(text), None, "{text:?}");
        }
        assert_eq!(
            bearer("Bearer a b"),
            Some("a b"),
            "whoever knows tokens refuses it"
        );
    }

    proptest! {
        /// A token is a part of what was sent, behind that word, and not empty.
        #[test]
        fn any_text_has_a_token_or_none(text in prop_oneof![
            "\\PC{0,80}",
            "[ \t]{0,2}(bearer|Bearer|BEARER|bear)[ \t]{0,3}[!-~]{0,20}[ \t]{0,2}",
        ]) {
            if let Some(found) = bearer(&text) {
                let word = text.trim_start_matches([' ', '\t']).get(..7);
                prop_assert!(word.is_some_and(|word| word.eq_ignore_ascii_case("bearer ")));
                prop_assert!(!found.is_empty() && text.contains(found));
                prop_assert!(!found.starts_with([' ', '\t']) && !found.ends_with([' ', '\t']));
            }
        }

        #[test]
        fn a_token_is_read_as_it_was(sent in "[!-~]{1,100}", before in "[ \t]{0,3}", after in "[ \t]{0,3}") {
            let text = format!("{before}Bearer {before}{sent}{after}");
            prop_assert_eq!(bearer(&text), Some(sent.as_str()));
        }
    }
}
