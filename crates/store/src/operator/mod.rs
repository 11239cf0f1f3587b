//! The operator's capability: changes polls, seals them, proves their figures, backs them up and restores them.

mod backup;
mod counted;
mod delete;
mod other_annulments;
mod poll_operator;
mod quarantine;
mod replay;
mod restore;
mod save;
mod seal;
mod void;
mod voters;

pub use backup::TakeError;
pub use counted::Counted;
pub use other_annulments::OtherAnnulments;
pub use poll_operator::{ListedPoll, PollOperator};
pub use quarantine::DecideError;
pub use restore::{RestoreError, Restored};
pub use save::{SaveError, Written};
pub use seal::SealingError;
