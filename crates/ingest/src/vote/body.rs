//! The body of a vote.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use vote_domain::Direction;
use vote_http::{Problem, ProblemCode};

/// A vote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "candidate": "ana", "channel": "torcida", "direction": "eliminate" }))]
pub(crate) struct CastVote<'a> {
    /// The candidate's id.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub(crate) candidate: Cow<'a, str>,
    /// The channel's id; the poll's first channel where it is left out.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub(crate) channel: Option<Cow<'a, str>>,
    /// What the client shows that a vote means. A vote that names the other direction than the
    /// poll's is refused.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = Direction, required = false)]
    pub(crate) direction: Option<Cow<'a, str>>,
    /// The proof of work that some channels ask for, as the ALTCHA widget makes it of a challenge (`getChallenge`); channels that
    /// ask for none don't look at it.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    pub(crate) proof: Option<Cow<'a, str>>,
    /// What the widget of the service's external judge (Turnstile, hCaptcha, reCAPTCHA) has given the page, where the service has one. It
    /// is only looked at where the vote is suspect otherwise; the answer is the same with it and without. Send the same text with a
    /// repeat of the vote. Empty is as good as left out.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, max_length = 8192)]
    pub(crate) judge_response: Option<Cow<'a, str>>,
}

/// A line of a batch: one vote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "key": "4711", "channel": "sms", "candidate": "ana", "voter": "d8f0c6e2a94b1735"
}))]
pub(crate) struct BatchLine<'a> {
    /// Makes repeats of this vote count once, as an `Idempotency-Key` does: 1 to 255 visible ASCII characters. It is the gateway's
    /// own: another gateway's key, or that of a vote without a gateway, is never the same.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 255)]
    pub(crate) key: Option<Cow<'a, str>>,
    /// The channel's id. A gateway names it with each vote.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub(crate) channel: Cow<'a, str>,
    /// The candidate's id.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub(crate) candidate: Cow<'a, str>,
    /// What was said that a vote means. A vote that names the other direction than the poll's is refused.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = Direction, required = false)]
    pub(crate) direction: Option<Cow<'a, str>>,
    /// Who votes, in 1 to 255 bytes, for channels that count each voter's votes: the same text for the same voter, best a digest.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255)]
    pub(crate) voter: Option<Cow<'a, str>>,
}

/// A field that may be left out, but not be null: null is more often a client's fault than a wish.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Refuses what does not say that it is JSON. What follows a `;` may be anything: a parser of media types
/// would refuse some of what clients send.
pub(super) fn check_content_type(content_type: Option<&str>) -> Result<(), Problem> {
    let essence = content_type.and_then(|value| value.split(';').next());
    match essence {
        Some(essence) if essence.trim().eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(ProblemCode::UnsupportedMediaType.into()),
    }
}

/// Reads a body.
pub(super) fn parse(body: &[u8]) -> Result<CastVote<'_>, Problem> {
    object(body, "body")
}

/// Reads a line of a batch.
pub(crate) fn read_batch_line(line: &[u8]) -> Result<BatchLine<'_>, Problem> {
    object(line, "line")
}

fn object<'b, T: Deserialize<'b>>(body: &'b [u8], what: &str) -> Result<T, Problem> {
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedBody).detail(detail);
    // Serde takes an array for a struct as well, its elements for the fields.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| *byte != b'{') {
        return Err(malformed(format!("The {what} must be a JSON object.")));
    }
    serde_json::from_slice(body)
        .map_err(|error| malformed(format!("The {what} can't be read: {error}.")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    use super::*;

    /// What any reader of such a body does with it; what is said of it is bounded.
    fn is_read_or_refused(bytes: &[u8]) -> bool {
        let refused = [parse(bytes).err(), read_batch_line(bytes).err()];
        let mut problems = refused.into_iter().flatten();
        problems.all(|problem| {
            problem.code() == ProblemCode::MalformedBody
                && problem.body().len() < 2_000 + 6 * bytes.len()
        })
    }

    #[test]
    fn depth_costs_nothing() {
        for open in ["[", "{\"candidate\":", "{\"a\":["] {
            let deep = open.repeat(200_000);
            assert!(parse(deep.as_bytes()).is_err() && read_batch_line(deep.as_bytes()).is_err());
            let inside = format!("{{\"candidate\":{deep}");
            assert!(parse(inside.as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_vote(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(is_read_or_refused(&bytes));
            prop_assert!(parse(&bytes).is_err() && read_batch_line(&bytes).is_err());
        }

        /// A vote that was changed, cut or doubled is none, or names texts that are in it.
        #[test]
        fn what_was_changed_is_read_or_refused(place in any::<Index>(), byte in any::<u8>(), cut in any::<Index>()) {
            let whole = r#"{"candidate":"ana","channel":"torcida","direction":"eliminate","proof":"e30="}"#;
            let line = r#"{"key":"4711","channel":"sms","candidate":"ana","voter":"d8f0"}"#;
            for text in [whole, line] {
                let mut bytes = text.as_bytes().to_vec();
                let place = place.index(bytes.len());
                bytes[place] = byte;
                prop_assert!(is_read_or_refused(&bytes));
                let end = cut.index(text.len());
                prop_assert!(parse(&text.as_bytes()[..end]).is_err());
                prop_assert!(read_batch_line(&text.as_bytes()[..end]).is_err());
                let doubled = [text, text].concat();
                prop_assert!(parse(doubled.as_bytes()).is_err() && read_batch_line(doubled.as_bytes()).is_err());
            }
        }

        /// Whatever text a client sends comes as it was, however it is escaped.
        #[test]
        fn what_is_written_is_read_as_it_was(texts in prop::array::uniform4(any::<String>()), ascii in any::<bool>()) {
            let [candidate, channel, key, voter] = &texts;
            let escaped = |value: serde_json::Value| {
                let text = value.to_string();
                if !ascii {
                    return text;
                }
                let mut escaped = String::new();
                for unit in text.encode_utf16() {
                    match u8::try_from(unit) {
                        Ok(byte) if byte.is_ascii() => escaped.push(char::from(byte)),
                        _ => escaped.push_str(&format!("\\u{unit:04x}")),
                    }
                }
                escaped
            };
            let body = escaped(json!({ "candidate": candidate, "channel": channel }));
            let read = parse(body.as_bytes()).expect("a vote");
            prop_assert_eq!((&*read.candidate, read.channel.as_deref()), (candidate.as_str(), Some(channel.as_str())));
            let line = escaped(json!({ "key": key, "channel": channel, "candidate": candidate, "voter": voter }));
            let read = read_batch_line(line.as_bytes()).expect("a line");
            prop_assert_eq!((read.key.as_deref(), read.voter.as_deref()), (Some(key.as_str()), Some(voter.as_str())));
        }
    }
}
