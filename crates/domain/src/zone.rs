//! Time zones, by the names of the IANA database that is compiled in: never by what the host happens to have.

use jiff::tz::TimeZone;

/// The zone of that IANA name in any case, and the name as the database spells it. `None` for any other name: also for
/// `localtime`, which each host reads differently.
#[must_use]
pub fn named(name: &str) -> Option<(String, TimeZone)> {
    let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
    Some((zone.iana_name()?.to_owned(), zone))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_zone_has_the_databases_own_name_and_no_hosts() {
        for (given, name) in [
            ("America/Sao_Paulo", Some("America/Sao_Paulo")),
            ("america/sao_paulo", Some("America/Sao_Paulo")),
            ("UTC", Some("UTC")),
            ("localtime", None),
            ("posixrules", None),
            ("posix/America/Sao_Paulo", None),
            ("right/UTC", None),
            ("America/Gotham", None),
            ("-03:00", None),
            ("", None),
            ("../../etc/localtime", None),
        ] {
            assert_eq!(
                named(given).map(|(name, _)| name).as_deref(),
                name,
                "{given}"
            );
        }
    }

    proptest! {
        /// Whatever a reader asks for, a zone is one of the database, and has the same name whoever asks.
        #[test]
        fn any_text_is_a_zone_of_the_database_or_none(text in prop_oneof!["\\PC{0,80}", "(\\.|/|etc|America|Sao_Paulo|UTC|\\+|-|0|:){0,8}"]) {
            if let Some((name, zone)) = named(&text) {
                prop_assert!(name.eq_ignore_ascii_case(&text));
                prop_assert_eq!(named(&name), Some((name, zone)));
            }
        }
    }
}
