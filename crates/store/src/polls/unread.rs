//! Why there is no document of a poll to go by.

use vote_domain::PollId;

use super::documents;
use crate::error::StoreError;

/// Why there is no document of a poll to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// What is there says nothing to this version, or nothing is there.
    Unusable(String),
    /// What is there is not known: its server is away, or refuses to say.
    Away(String),
}

impl Unread {
    pub(super) fn of(error: &StoreError) -> Self {
        let why = error.to_string();
        if documents::says_what_is_there(error) {
            Self::Unusable(why)
        } else {
            Self::Away(why)
        }
    }

    pub(crate) const fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }

    /// The same for whoever can't do without the document.
    pub(crate) fn error(&self, id: &PollId) -> StoreError {
        let document = format!("the document of poll {id}");
        match self {
            Self::Unusable(why) => StoreError::corrupt(&document, why),
            Self::Away(why) => StoreError::Connect(format!("{document} can't be read: {why}")),
        }
    }
}
