//! What `web/dist` has, by its manifest. A file's name has the digest of what is in it.

/// One of the files.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its name, without a folder.
    pub name: &'static str,
    /// What is in it.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_built_file_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .filter(|name| name != "manifest.json")
            .collect();
        let built_in = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(there, built_in);
    }

    #[test]
    fn every_name_is_safe_in_an_address_and_has_a_digest() {
        for asset in ASSETS {
            let (stem, ending) = asset.name.rsplit_once('.').expect("an ending");
            let (_, digest) = stem.rsplit_once('-').expect("a digest");
            assert_eq!(digest.len(), 8, "{}", asset.name);
            assert!(["js", "css", "svg"].contains(&ending), "{}", asset.name);
            let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
            assert!(asset.name.bytes().all(is_safe), "{}", asset.name);
        }
    }

    #[test]
    fn nothing_built_asks_another_host_or_brings_a_map() {
        for asset in ASSETS {
            assert!(!asset.text.contains("sourceMappingURL"), "{}", asset.name);
            assert!(!asset.text.contains("@import"), "{}", asset.name);
        }
    }
}
