//! Which of the votes that were set aside are meant.

use crate::failure::Failure;
use clap::Args;
use std::collections::BTreeSet;
use std::str::FromStr as _;
use vote_domain::{Minute, Poll, QuarantineReason, QuarantineSelection, instant};

/// The minutes that are meant.
#[derive(Debug, Args)]
pub(super) struct WindowArgs {
    /// Only votes that came in this minute or later: 2026-11-25T23:00 in the poll's time zone, or with an offset or Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Only votes that came before this minute
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Reads a reason of the command line.
pub(super) fn reason(text: &str) -> Result<QuarantineReason, String> {
    QuarantineReason::from_str(text).map_err(|error| error.to_string())
}

impl WindowArgs {
    /// With these reasons, for a poll.
    ///
    /// # Errors
    /// [`Failure::Usage`] where a time is none, or not that of a whole minute, or the window is empty.
    pub(super) fn selection(
        &self,
        reasons: impl IntoIterator<Item = QuarantineReason>,
        poll: &Poll,
    ) -> Result<QuarantineSelection, Failure> {
        let selection = QuarantineSelection {
            reasons: reasons.into_iter().collect::<BTreeSet<_>>(),
            from: minute("--from", self.from.as_deref(), poll)?,
            until: minute("--until", self.until.as_deref(), poll)?,
        };
        let window = selection.from.zip(selection.until);
        if window.is_some_and(|(from, until)| from >= until) {
            return Err(Failure::usage("--until: must be later than --from"));
        }
        Ok(selection)
    }
}

fn minute(option: &str, text: Option<&str>, poll: &Poll) -> Result<Option<Minute>, Failure> {
    let Some(text) = text else {
        return Ok(None);
    };
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("{option}: {why}; is `{}`", text.escape_debug()))
    };
    let at =
        instant::parse_in(text.trim(), poll.definition.zone()).map_err(|error| wrong(&error))?;
    let minute = Minute::from_timestamp(at);
    if minute.start() != at {
        return Err(wrong(&"must be a whole minute"));
    }
    Ok(Some(minute))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vote_testkit::fixtures::demo_poll;

    fn selection(from: &str, until: &str) -> Result<QuarantineSelection, String> {
        let window = WindowArgs {
            from: Some(from.to_owned()),
            until: Some(until.to_owned()),
        };
        let selection = window.selection([QuarantineReason::DenyList], &demo_poll().draft());
        selection.map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_window_is_whole_minutes_in_the_polls_zone() {
        let found = selection("2026-11-25T23:00", "2026-11-26T02:10:00Z").expect("a window");
        let text = "deny_list from 2026-11-26T02:00:00.000Z until 2026-11-26T02:10:00.000Z";
        assert_eq!(found.to_string(), text);
        for (from, until, says) in [
            (
                "23:00",
                "2026-11-26T02:10:00Z",
                "--from: must be a local time",
            ),
            (
                "2026-11-25T23:00",
                "2026-11-26T02:10:30Z",
                "--until: must be a whole minute",
            ),
            ("2026-11-25T23:00", "2026-11-25T23:00", "later than --from"),
        ] {
            let why = selection(from, until).expect_err("it is wrong");
            assert!(why.contains(says), "{why}");
        }
    }
}
