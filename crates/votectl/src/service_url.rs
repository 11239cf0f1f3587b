//! Where a service is, as an option gives it.

use crate::failure::Failure;
use std::convert::Infallible;
use std::str::FromStr;
use vote_client::target::Target;
use vote_domain::Secret;

/// Where a service is, not read yet. The command line takes any text for it: an error of clap's would show the text, and
/// a password may be in it.
#[derive(Debug, Clone)]
pub struct ServiceUrl(Secret);

impl FromStr for ServiceUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Secret::new(text)))
    }
}

impl ServiceUrl {
    /// The service.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the option's name and without the text.
    pub(crate) fn target(&self, option: &str) -> Result<Target, Failure> {
        let target = self.0.expose().parse();
        target.map_err(|error| Failure::usage(format!("{option}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceUrl;

    #[test]
    fn a_wrong_address_is_refused_by_its_option_and_unprinted() {
        for (text, says) in [
            ("http://u:s3cret@127.0.0.1:1", "host, port and path only"),
            ("http://[s3cret", "the host"),
            ("s3cret", "http:// or https://"),
        ] {
            let url: ServiceUrl = text.parse().expect("any text is taken");
            let error = url.target("--url").expect_err("it is refused");
            let (code, error) = (error.code(), error.to_string());
            assert_eq!(code, 2);
            assert!(
                error.starts_with("--url: ") && error.contains(says),
                "{error}"
            );
            assert!(!format!("{error}{url:?}").contains("s3cret"), "{error}");
        }
    }
}
