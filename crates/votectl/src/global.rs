//! The options that all commands share.

use crate::duration;
use crate::redis_args::RedisArgs;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Their heading.
const EVERYWHERE: &str = "Options of every command";

/// Who it was, where nobody says it.
const NOBODY: &str = "operator";

/// How long the name of whoever does something can be, in characters.
const LONGEST_NAME: usize = 64;

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisArgs,

    /// Form of the result: for people, or one JSON document
    #[arg(long, short, global = true, help_heading = EVERYWHERE, value_enum, default_value_t)]
    pub output: OutputFormat,

    /// Wait for a Redis that doesn't answer yet, so long at most, before the command begins
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "DURATION",
        value_parser = duration::positive
    )]
    pub wait_for_redis: Option<Duration>,

    /// Who does it, for the poll's log
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "NAME",
        env = "USER",
        hide_env_values = true,
        default_value = NOBODY,
        value_parser = who
    )]
    pub by: String,
}

/// Form of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Tables and sentences
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON document
    Json,
}

/// A name for the poll's log, which is read on terminals: one line, and not a long one. An empty `USER` (of a timer, in
/// a container) is nobody's name.
fn who(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(NOBODY.to_owned());
    }
    let blank = text.chars().all(char::is_whitespace);
    if blank || text.chars().any(char::is_control) || text.chars().count() > LONGEST_NAME {
        return Err(format!(
            "must be 1 to {LONGEST_NAME} characters, not all blank, and no control characters (without --by it is USER)"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
impl Global {
    /// As these words give it.
    pub(crate) fn given(words: &[&str]) -> Self {
        #[derive(Debug, clap::Parser)]
        struct Only {
            #[command(flatten)]
            global: Global,
        }
        let words = ["votectl"].iter().chain(words);
        let only: Only = clap::Parser::try_parse_from(words).expect("the options are right");
        only.global
    }
}
