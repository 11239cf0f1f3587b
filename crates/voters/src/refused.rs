//! Why a token is not taken.

/// Why a token is not taken. What is said of times and audience is said of tokens with a good signature alone; of all
/// others, nothing that would help to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no token, or nobody who may has signed it.
    #[error("The voter token is not valid")]
    Invalid,
    /// It is longer than a token may be.
    #[error("The voter token is longer than this service reads")]
    TooLong,
    /// Its time is over.
    #[error("The voter token has expired: get a new one")]
    Expired,
    /// Its time is to come.
    #[error("The voter token is not valid yet")]
    NotYetValid,
    /// It was made for somebody else, or by somebody else.
    #[error("The voter token was not made for this service")]
    WrongAudience,
    /// The keys are not known, so that nothing can be said of it.
    #[error("the keys of voter tokens can't be read")]
    KeysUnavailable,
}

impl Refused {
    /// All names in metrics, so that what has not happened yet is zero.
    pub(crate) const LABELS: [&str; 5] = [
        Self::Invalid.label(),
        Self::Expired.label(),
        Self::NotYetValid.label(),
        Self::WrongAudience.label(),
        Self::KeysUnavailable.label(),
    ];

    /// Its name in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Invalid | Self::TooLong => "invalid",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }
}
