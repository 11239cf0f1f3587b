//! What every command is given: where Redis is, who asks, what time it is, where to write.

use crate::failure::Failure;
use crate::global::{Global, OutputFormat};
use crate::terminal::Terminal;
use jiff::Timestamp;
use serde::Serialize;
use vote_domain::{Clock, Poll, PollId};
use vote_store::{PollOperator, Store};

/// The surroundings of one command.
#[derive(derive_more::Debug)]
pub struct Context<'a> {
    /// The options that all commands share.
    pub global: Global,
    /// Its streams.
    #[debug(skip)]
    pub terminal: &'a mut Terminal,
    /// Its clock.
    #[debug(skip)]
    pub clock: &'a dyn Clock,
}

impl Context<'_> {
    /// The capability to change polls. Connects when it is first used.
    ///
    /// # Errors
    /// When the address of Redis is no address, or a file that it needs can't be read.
    pub fn operator(&self) -> Result<PollOperator, Failure> {
        Ok(Store::new(&self.global.redis.config()?)?.operator())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the result is to be JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.global.output == OutputFormat::Json
    }

    /// Writes a result as one JSON document.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        serde_json::to_writer_pretty(self.terminal.out(), value)?;
        self.terminal.line("")
    }

    /// The capability to change polls, and the poll of this id.
    ///
    /// # Errors
    /// As [`Self::operator`] and [`Self::poll`].
    pub async fn find(&self, id: &PollId) -> Result<(PollOperator, Poll), Failure> {
        let operator = self.operator()?;
        let poll = self.poll(&operator, id).await?;
        Ok((operator, poll))
    }

    /// The poll of this id.
    ///
    /// # Errors
    /// When there is none: the message lists those that there are.
    pub async fn poll(&self, operator: &PollOperator, id: &PollId) -> Result<Poll, Failure> {
        if let Some(poll) = operator.get(id).await? {
            return Ok(poll);
        }
        let polls = operator.list().await?;
        let there: Vec<&str> = polls
            .iter()
            .map(|poll| poll.definition.id().as_str())
            .collect();
        Err(no_such_poll(id.as_str(), &there))
    }
}

/// There is no poll of this id; `there` are those that there are.
#[must_use]
pub fn no_such_poll(id: &str, there: &[&str]) -> Failure {
    let there = match there {
        [] => "there are no polls yet: `votectl poll apply FILE` makes one".to_owned(),
        ids => format!("there are: {}", ids.join(", ")),
    };
    Failure::usage(format!("there is no poll `{id}`; {there}"))
}
