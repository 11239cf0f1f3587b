//! A backup that agrees: made of a poll's figures, or read from its document.

use jiff::Timestamp;
use vote_domain::{Poll, PollState, SealedPoll, wire_time};

use super::checks::mistakes;
use super::document::{Document, FORMAT, Header, ShardDocument, VERSION};
use super::error::{BackupError, MAX_BACKUP_BYTES, syntax};
use super::totals::Totals;
use crate::figures::ShardFigures;

/// A backup whose figures agree. It can't hold any other: it is only made by [`Backup::new`] and
/// [`Backup::parse`], which check the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    taken: Taken,
    poll: Poll,
    shards: Vec<ShardFigures>,
    sealed: Option<SealedPoll>,
    totals: Totals,
    sha256: String,
}

/// When, by whom and with what a backup was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// When its reading began, to the millisecond.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// The program and its version.
    pub software: String,
}

impl Backup {
    /// The backup of a poll with these figures, as they were read.
    ///
    /// # Errors
    /// [`BackupError::Content`] where they do not agree, as `votectl audit` would say.
    pub fn new(
        poll: Poll,
        mut shards: Vec<ShardFigures>,
        sealed: Option<SealedPoll>,
        taken: Taken,
    ) -> Result<Self, BackupError> {
        for shard in &mut shards {
            // No part of the document: the minutes say it well enough.
            shard.received_at_ms = None;
        }
        let totals = Totals::of(&shards);
        let mut backup = Self {
            taken: Taken {
                at: wire_time::floor(taken.at),
                ..taken
            },
            poll,
            shards,
            sealed,
            totals,
            sha256: String::new(),
        };
        backup.check()?;
        backup.sha256 = backup.document()?.digest().map_err(syntax)?;
        Ok(backup)
    }

    /// Reads a backup and proves that it is whole.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        if bytes.len() > MAX_BACKUP_BYTES {
            return Err(BackupError::TooLarge);
        }
        // A byte-order mark, of an editor or a shell that it went through.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Err(BackupError::Empty);
        }
        let header: Header = serde_json::from_slice(bytes).map_err(syntax)?;
        if header.format != FORMAT {
            return Err(BackupError::Format(header.format));
        }
        if header.version != u64::from(VERSION) {
            return Err(BackupError::Version(header.version));
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let mut document: Document = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| BackupError::Syntax(format!("{}: {}", error.path(), error.inner())))?;
        json.end().map_err(syntax)?;
        let actual = document.digest().map_err(syntax)?;
        let recorded = document.sha256.clone().unwrap_or_default();
        if actual != recorded {
            return Err(BackupError::Digest { actual, recorded });
        }
        Self::of(document)
    }

    fn of(document: Document) -> Result<Self, BackupError> {
        let mut shards = Vec::with_capacity(document.shards.len());
        let mut mistakes = Vec::new();
        for (place, shard) in document.shards.iter().enumerate() {
            match shard.figures(&document.poll.definition) {
                Ok(figures) => shards.push(figures),
                Err(mistake) => mistakes.push(format!("shards[{place}].{mistake}")),
            }
        }
        if !mistakes.is_empty() {
            return Err(BackupError::Content(mistakes));
        }
        let backup = Self {
            taken: Taken {
                at: document.taken_at,
                by: document.taken_by,
                software: document.software,
            },
            poll: document.poll,
            shards,
            sealed: document.sealed,
            totals: document.totals,
            sha256: document.sha256.unwrap_or_default(),
        };
        backup.check()?;
        Ok(backup)
    }

    fn check(&self) -> Result<(), BackupError> {
        let mistakes = mistakes(&self.poll, &self.shards, self.sealed.as_ref(), &self.totals);
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(BackupError::Content(mistakes))
        }
    }

    /// The document, in canonical JSON (see [`vote_domain::canonical_json`]) on one line.
    ///
    /// # Errors
    /// Where it can't be written as JSON, which no backup is known for.
    pub fn to_json(&self) -> Result<String, BackupError> {
        let document = self.document()?;
        Ok(vote_domain::canonical_json(&document).map_err(syntax)? + "\n")
    }

    fn document(&self) -> Result<Document, BackupError> {
        let shards: Option<Vec<ShardDocument>> =
            self.shards.iter().map(ShardDocument::of).collect();
        let Some(shards) = shards else {
            let why = "a shard has no fence".to_owned();
            return Err(BackupError::Content(vec![why]));
        };
        Ok(Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            software: self.taken.software.clone(),
            taken_at: self.taken.at,
            taken_by: self.taken.by.clone(),
            poll: self.poll.clone(),
            totals: self.totals,
            shards,
            sealed: self.sealed.clone(),
            sha256: Some(self.sha256.clone()),
        })
    }

    /// The poll as it was.
    #[must_use]
    pub const fn poll(&self) -> &Poll {
        &self.poll
    }

    /// The poll as it comes back at `now`, by `by`: paused where it took votes, or could have gone on taking
    /// them, because those since the backup are missing; else as it was.
    #[must_use]
    pub fn restored_poll(&self, now: Timestamp, by: &str) -> Poll {
        let taken_at = wire_time::format(self.taken.at);
        let origin = format!(
            "from the backup taken at {taken_at} (sha256 {})",
            self.sha256
        );
        self.poll.restored(&origin, now, by)
    }

    /// The figures of all shards, in order.
    #[must_use]
    pub fn shards(&self) -> &[ShardFigures] {
        &self.shards
    }

    /// The sealed result of a sealed poll.
    #[must_use]
    pub const fn sealed(&self) -> Option<&SealedPoll> {
        self.sealed.as_ref()
    }

    /// When, by whom and with what it was taken.
    #[must_use]
    pub const fn taken(&self) -> &Taken {
        &self.taken
    }

    /// The sums of all shards.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// SHA-256 in lower-case hexadecimal over the canonical JSON of all else.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether the poll can go on taking votes of voters whose limit it counts: what they have used is not in a
    /// backup, so that each could vote again.
    #[must_use]
    pub fn forgets_voters(&self) -> bool {
        matches!(self.poll.state, PollState::Open | PollState::Paused) && self.poll.counts_voters()
    }
}
