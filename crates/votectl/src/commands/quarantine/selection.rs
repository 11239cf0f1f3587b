//! Which of the votes that were set aside are meant.

use crate::commands::times::time_that_came;
use crate::failure::Failure;
use clap::Args;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::str::FromStr as _;
use vote_domain::{Minute, Poll, QuarantineReason, QuarantineSelection};

/// The minutes that are meant.
#[derive(Debug, Args)]
pub(super) struct WindowArgs {
    /// Only votes that came in this minute or later: of the poll's day (`23:00`: the last one), local to its zone, or an instant
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Only votes that came before this minute, as --from
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Reads a reason of the command line.
pub(super) fn reason(text: &str) -> Result<QuarantineReason, String> {
    QuarantineReason::from_str(text).map_err(|error| error.to_string())
}

impl WindowArgs {
    /// With these reasons, for a poll; a time of day is the last one up to `now`.
    ///
    /// # Errors
    /// [`Failure::Usage`] where a time is none, or not that of a whole minute, or the window is empty.
    pub(super) fn selection(
        &self,
        reasons: impl IntoIterator<Item = QuarantineReason>,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<QuarantineSelection, Failure> {
        let selection = QuarantineSelection {
            reasons: reasons.into_iter().collect::<BTreeSet<_>>(),
            from: minute("--from", self.from.as_deref(), poll, now)?,
            until: minute("--until", self.until.as_deref(), poll, now)?,
        };
        let window = selection.from.zip(selection.until);
        if window.is_some_and(|(from, until)| from >= until) {
            return Err(Failure::usage("--until: must be later than --from"));
        }
        Ok(selection)
    }
}

fn minute(
    option: &str,
    text: Option<&str>,
    poll: &Poll,
    now: Timestamp,
) -> Result<Option<Minute>, Failure> {
    let Some(text) = text else {
        return Ok(None);
    };
    let at = time_that_came(option, text, poll, now)?;
    let minute = Minute::from_timestamp(at);
    if minute.start() != at {
        let is = text.escape_debug();
        return Err(Failure::usage(format!(
            "{option}: must be a whole minute; is `{is}`"
        )));
    }
    Ok(Some(minute))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vote_testkit::fixtures::{at, demo_poll};

    fn selection(from: &str, until: &str) -> Result<QuarantineSelection, String> {
        let window = WindowArgs {
            from: Some(from.to_owned()),
            until: Some(until.to_owned()),
        };
        let now = at("2026-11-26T02:30:00Z");
        let selection = window.selection([QuarantineReason::DenyList], &demo_poll().draft(), now);
        selection.map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_window_is_whole_minutes_in_the_polls_zone() {
        let found = selection("2026-11-25T23:00", "2026-11-26T02:10:00Z").expect("a window");
        let text = "deny_list from 2026-11-26T02:00:00.000Z until 2026-11-26T02:10:00.000Z";
        assert_eq!(found.to_string(), text);
        // It is 23:30 there: the last 23:00 was half an hour ago, the last 23:45 yesterday.
        let of_day = selection("23:00", "23:10").expect("a window");
        assert_eq!(of_day, found);
        let since_yesterday = selection("23:45", "23:10:00").expect("a window");
        let text = "deny_list from 2026-11-25T02:45:00.000Z until 2026-11-26T02:10:00.000Z";
        assert_eq!(since_yesterday.to_string(), text);
        for (from, until, says) in [
            (
                "noon",
                "2026-11-26T02:10:00Z",
                "--from: must be a local time",
            ),
            ("23:10", "23:00", "later than --from"),
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
