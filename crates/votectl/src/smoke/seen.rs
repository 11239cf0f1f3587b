//! What polls and answers are to the test: which poll will do, and what an answer says.

use crate::smoke::ask::{Answer, Silence};
use crate::smoke::steps::{Instead, Look};
use jiff::Timestamp;
use vote_client::answer::{self, Shown};
use vote_domain::{Kind, PollDefinition, Visibility, wire_time};

/// Why nobody can vote in this poll for a test.
pub(super) fn unfit(definition: &PollDefinition) -> Option<String> {
    if definition.kind() != Kind::Rehearsal {
        return Some(format!(
            "kind: must be rehearsal, is {}: a test's vote would count",
            definition.kind()
        ));
    }
    if definition.visibility() == Visibility::Embargoed {
        return Some(
            "visibility: must be public or percentages, is embargoed: results would show nothing"
                .to_owned(),
        );
    }
    if open_channel(definition).is_none() {
        return Some("channels: one must have the eligibility open".to_owned());
    }
    None
}

/// The first channel that takes votes without proof or token.
pub(super) fn open_channel(definition: &PollDefinition) -> Option<&str> {
    definition.open_channel().map(|open| open.id.as_str())
}

/// An id that no candidate has.
pub(super) fn nobody(definition: &PollDefinition) -> String {
    let mut id = "nobody".to_owned();
    while definition.candidate_index(&id).is_some() {
        id.push('-');
    }
    id
}

/// A standing, as far as the test looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// When its figures were first read: later figures, a later time.
    pub(super) as_of: Timestamp,
    /// `None` where only percentages are public.
    pub(super) revision: Option<u64>,
    /// `None` where only percentages are public.
    pub(super) total: Option<u64>,
}

/// What an answer to a vote says, and how it is shown.
pub(super) fn said(answer: &Answer) -> (Shown, String) {
    let (shown, error) = answer::judge(answer.status, &answer.body);
    let saw = match shown {
        Shown::Accepted => "201 accepted".to_owned(),
        Shown::AlreadyAccepted => "200 already_accepted".to_owned(),
        Shown::Refused | Shown::NotRecorded | Shown::Open => error,
    };
    (shown, saw)
}

/// Another answer than the expected one. A process that does not know the poll yet, and one that can't take a vote at the
/// moment, have not recorded it.
pub(super) fn not_this<T>((shown, saw): (Shown, String)) -> Look<T> {
    let later = shown == Shown::NotRecorded
        || ["404 unknown-poll", "409 poll-not-open"].contains(&saw.as_str());
    if later {
        Look::NotYet(Instead::Other(saw))
    } else {
        Look::Wrong(Instead::Other(saw))
    }
}

/// A vote that was not answered. One whose outcome is open has failed the test: it is not sent again.
pub(super) fn not_answered<T>(silence: Silence) -> Look<T> {
    match silence {
        Silence::NotSent(_) => Look::NotYet(silence.into()),
        Silence::Open(_) => Look::Wrong(silence.into()),
    }
}

impl From<Silence> for Instead {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::NotSent(why) => Self::Nothing(why),
            Silence::Open(why) => Self::Nothing(why.to_owned()),
        }
    }
}

pub(super) fn with_hint(got: String, redis: &str) -> String {
    if got.contains("unknown-poll") {
        return format!("{got} (is its Redis another one than {redis}?)");
    }
    got
}

/// A standing of an open rehearsal and how it is shown, or what it is instead.
pub(super) fn read_standing(
    answer: Result<Answer, Silence>,
) -> Result<(Standing, String), Instead> {
    let answer = answer.map_err(Instead::from)?;
    let body = answer.json();
    let text = |field: &str| body[field].as_str().unwrap_or("?").to_owned();
    let (Ok(as_of), 200) = (text("as_of").parse(), answer.status) else {
        return Err(Instead::Other(answer::named(answer.status, &answer.body)));
    };
    let (kind, state, status) = (text("kind"), text("state"), text("status"));
    if (kind.as_str(), state.as_str(), status.as_str()) != ("rehearsal", "open", "provisional") {
        return Err(Instead::Other(format!("a {kind} poll, {state}, {status}")));
    }
    let standing = Standing {
        as_of,
        revision: body["revision"].as_u64(),
        total: body["total_votes"].as_u64(),
    };
    let saw = match (standing.revision, standing.total) {
        (Some(revision), Some(total)) => format!("revision {revision}, {total} votes"),
        _ => format!("as of {}, counts are not public", wire_time::format(as_of)),
    };
    Ok((standing, saw))
}

/// Whether a standing has one vote more.
pub(super) fn has_vote(before: Standing, after: Standing) -> bool {
    match (
        before.revision.zip(before.total),
        after.revision.zip(after.total),
    ) {
        (Some((revision, total)), Some(after)) => after.0 > revision && after.1 > total,
        _ => after.as_of > before.as_of,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Answer, Instead, Standing, has_vote, nobody, not_this, read_standing, said, unfit,
    };
    use crate::built_in::DEMO_FILE;
    use crate::built_in::SMOKE_FILE;
    use crate::commands::poll::file::parse;
    use crate::smoke::steps::Look;
    use jiff::Timestamp;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn only_a_rehearsal_that_can_be_read_and_voted_in_will_do() {
        let definition = |text: &str| {
            let file = parse("x.yaml", text.as_bytes()).expect("it is as expected");
            file.definition().clone()
        };
        let why = |text: &str| unfit(&definition(text)).unwrap_or_default();
        assert_eq!(why(SMOKE_FILE), "");
        assert!(why(DEMO_FILE).contains("kind: must be rehearsal, is live"));
        let embargoed = SMOKE_FILE.replace("public\n", "embargoed\n");
        assert!(why(&embargoed).contains("embargoed"), "{embargoed}");
        let voters = SMOKE_FILE.replace("eligibility: open", "eligibility: voter");
        assert!(why(&voters).contains("channels"));
        let named = SMOKE_FILE.replace("id: a,", "id: nobody,");
        assert_eq!(nobody(&definition(&named)), "nobody-");
    }

    #[test]
    fn a_standing_is_that_of_an_open_rehearsal() {
        let body = |kind: &str, status: &str| {
            format!(
                r#"{{"kind":"{kind}","state":"open","status":"{status}","as_of":"2026-11-24T01:02:03.250Z","revision":7,"total_votes":3}}"#
            )
        };
        let read = |status, body: &str| read_standing(Ok(answer(status, body)));
        let (standing, saw) =
            read(200, &body("rehearsal", "provisional")).expect("it is as expected");
        assert_eq!(saw, "revision 7, 3 votes");
        assert_eq!((standing.revision, standing.total), (Some(7), Some(3)));
        let hidden =
            body("rehearsal", "provisional").replace(r#","revision":7,"total_votes":3"#, "");
        let (standing, saw) = read(200, &hidden).expect("it is as expected");
        assert_eq!(saw, "as of 2026-11-24T01:02:03.250Z, counts are not public");
        assert_eq!((standing.revision, standing.total), (None, None));
        let other = |text: &str| Err(Instead::Other(text.to_owned()));
        let live = read(200, &body("live", "provisional"));
        assert_eq!(live, other("a live poll, open, provisional"));
        let stale = read(200, &body("rehearsal", "stale"));
        assert_eq!(stale, other("a rehearsal poll, open, stale"));
        assert_eq!(
            read(404, r#"{"code":"unknown-poll"}"#),
            other("404 unknown-poll")
        );
        assert_eq!(read(200, "<html>"), other("200"));
    }

    #[test]
    fn a_vote_shows_by_revision_and_total_where_counts_are_public_and_else_by_time() {
        let as_of = |second| Timestamp::from_second(second).expect("the time is right");
        let at = |revision, total| Standing {
            as_of: as_of(0),
            revision: Some(revision),
            total: Some(total),
        };
        let before = at(7, 3);
        assert!(has_vote(before, at(8, 4)));
        assert!(!has_vote(before, at(8, 3)));
        assert!(!has_vote(before, at(7, 4)));
        let hidden = |second| Standing {
            as_of: as_of(second),
            revision: None,
            total: None,
        };
        assert!(has_vote(hidden(1), hidden(2)));
        assert!(!has_vote(hidden(1), hidden(1)));
    }

    #[test]
    fn a_vote_that_was_not_recorded_is_sent_again_and_no_other() {
        let again = |status, body| {
            let look: Look<()> = not_this(said(&answer(status, body)));
            matches!(look, Look::NotYet(_))
        };
        for (status, body, sent_again) in [
            (404, r#"{"code":"unknown-poll"}"#, true),
            (409, r#"{"code":"poll-not-open"}"#, true),
            (503, r#"{"code":"overloaded"}"#, true),
            (409, r#"{"code":"poll-paused"}"#, false),
            (504, r#"{"code":"outcome-unknown"}"#, false),
            (404, "", false),
            (200, r#"{"status":"already_accepted"}"#, false),
        ] {
            assert_eq!(again(status, body), sent_again, "{status} {body}");
        }
    }
}
