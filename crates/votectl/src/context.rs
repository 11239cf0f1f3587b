//! What every command is given: where Redis is, who asks, what time it is, where to write.

use crate::failure::{Failure, REPEAT};
use crate::global::{Global, OutputFormat};
use crate::long_reading::LongReading;
use crate::memory::Memory;
use crate::terminal::Terminal;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use vote_domain::{Clock, Poll, PollId, wire_time};
use vote_store::{PollOperator, Store, Unconfirmed, Written};

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
    /// Which polls were seen.
    pub memory: Memory,
    /// Servers of which no replica has confirmed what was written.
    unconfirmed: Vec<Unconfirmed>,
    /// How the command is repeated, where the same words would do something else.
    repeat: Option<String>,
}

impl<'a> Context<'a> {
    /// Of a command that has not begun.
    pub fn new(
        global: Global,
        terminal: &'a mut Terminal,
        clock: &'a dyn Clock,
        memory: Memory,
    ) -> Self {
        Self {
            global,
            terminal,
            clock,
            memory,
            unconfirmed: Vec::new(),
            repeat: None,
        }
    }

    /// Takes note of what was written: whether replicas have it is said when the command has ended.
    pub fn wrote(&mut self, written: Written) {
        for one in written.unconfirmed {
            if !self.unconfirmed.contains(&one) {
                self.unconfirmed.push(one);
            }
        }
    }

    /// Takes note of how the command is to be repeated, if it has to be.
    pub(crate) fn repeat_by(&mut self, repeat: String) {
        self.repeat = Some(repeat);
    }

    /// Whether repeating the command may get confirmed what is not yet.
    #[must_use]
    pub(crate) fn is_to_be_repeated(&self) -> bool {
        self.unconfirmed.iter().any(|one| one.may_pass)
    }

    /// Says of which servers no replica has confirmed what was written.
    ///
    /// # Errors
    /// [`Failure::Unconfirmed`] where repeating the command may get it confirmed.
    pub fn confirmed(&mut self) -> Result<(), Failure> {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let (may_pass, never): (Vec<_>, Vec<_>) = unconfirmed.iter().partition(|one| one.may_pass);
        for one in never {
            self.terminal.note(&format!(
                "warning: it is written; whether a failover could forget it is not known: {one}"
            ));
        }
        if may_pass.is_empty() {
            return Ok(());
        }
        let servers: Vec<String> = may_pass.into_iter().map(ToString::to_string).collect();
        let repeat = self.repeat.take();
        Err(Failure::Unconfirmed {
            repeat: repeat.unwrap_or_else(|| REPEAT.to_owned()),
            servers: servers.join("; "),
        })
    }

    /// The capability to change polls. Connects when it is first used.
    ///
    /// # Errors
    /// When the address of Redis is no address, or a file that it needs can't be read.
    pub fn operator(&self) -> Result<PollOperator, Failure> {
        let operator = Store::new(&self.global.redis.config()?)?.operator();
        let reading = LongReading::new(self.terminal.is_live());
        Ok(operator.telling(Arc::new(move |read, all| reading.tell(read, all))))
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
    pub async fn find(&mut self, id: &PollId) -> Result<(PollOperator, Poll), Failure> {
        let operator = self.operator()?;
        let poll = self.poll(&operator, id).await?;
        Ok((operator, poll))
    }

    /// The poll of this id.
    ///
    /// # Errors
    /// When there is none: the message lists those that there are.
    pub async fn poll(&mut self, operator: &PollOperator, id: &PollId) -> Result<Poll, Failure> {
        if let Some(poll) = operator.get(id).await? {
            self.memory.see(&poll, self.clock.now());
            return Ok(poll);
        }
        let polls = operator.listed().await?;
        let there: Vec<&str> = polls.iter().map(|poll| poll.id.as_str()).collect();
        let failure = no_such_poll(id.as_str(), &there);
        Err(match self.memory.missed().get(id) {
            Some(seen) => Failure::usage(format!(
                "{failure}. It was there, {}, at {}: Redis has lost it. {RESTORE}",
                seen.state,
                wire_time::format(seen.at)
            )),
            None => failure,
        })
    }
}

/// What can be done about a poll that Redis has lost.
pub(crate) const RESTORE: &str = "`votectl import FILE` restores it from its backup";

/// There is no poll of this id; `there` are those that there are.
#[must_use]
pub fn no_such_poll(id: &str, there: &[&str]) -> Failure {
    let there = match there {
        [] => "there are no polls yet: `votectl poll apply FILE` makes one".to_owned(),
        ids => format!("there are: {}", ids.join(", ")),
    };
    Failure::usage(format!("there is no poll `{id}`; {there}"))
}
