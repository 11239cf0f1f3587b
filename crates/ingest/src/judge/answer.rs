//! What a judge's answer says. Pure: it takes any bytes, and what is not plainly a yes is none.

use serde::Deserialize;
use serde_json::Value;

/// What of a judge's errors is said of us or of itself, and nothing of the voter.
const NOT_OF_THE_VOTER: [&str; 8] = [
    "missing-input-secret",
    "invalid-input-secret",
    "invalid-parsed-secret",
    "sitekey-secret-mismatch",
    "missing-remoteip",
    "invalid-remoteip",
    "not-using-dummy-passcode",
    "internal-error",
];
/// What says that somebody had asked with the same before, or too long ago.
const SPENT: [&str; 3] = [
    "timeout-or-duplicate",
    "already-seen-response",
    "expired-input-response",
];

/// What a yes must say besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The least score, where one is asked for.
    pub(super) min_score: Option<f64>,
    /// Sites of which one must be named; none for any.
    pub(super) hostnames: Vec<String>,
    /// What the voter must have been looked at for.
    pub(super) action: Option<String>,
}

/// What an answer says of a voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It vouches.
    Yes,
    /// It does not.
    No,
    /// It does not, since somebody has asked with the same before.
    Spent,
    /// Nothing, and why.
    Nothing(&'static str),
}

/// The fields that are looked at. A field that is there twice is no answer, and all others may be as they like.
#[derive(Deserialize)]
struct Written {
    success: Option<Value>,
    #[serde(rename = "error-codes")]
    errors: Option<Value>,
    hostname: Option<Value>,
    action: Option<Value>,
    score: Option<Value>,
}

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], wanted: &Wanted) -> Said {
    match status {
        200 => of_body(body, wanted).0,
        // Who says too much at a time says nothing of one.
        408 | 429 => Said::Nothing("it is asked too much"),
        // Some say by the status as well that what they were asked with is no good, and name what is wrong with it.
        400..=499 => match of_body(body, wanted) {
            (said @ (Said::No | Said::Spent | Said::Nothing(_)), true) => said,
            _ => Said::Nothing("the status is 4xx"),
        },
        300..=399 => Said::Nothing("it leads elsewhere, where nobody is asked"),
        _ => Said::Nothing("the status is not 200"),
    }
}

/// What a body says, and whether it names errors.
fn of_body(body: &[u8], wanted: &Wanted) -> (Said, bool) {
    let unreadable = (Said::Nothing("it is no answer of a judge"), false);
    // Serde takes an array for a struct as well, its elements for the fields.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return unreadable;
    }
    let Ok(written) = serde_json::from_slice::<Written>(body) else {
        return unreadable;
    };
    let errors = written.errors();
    let said = match &written.success {
        None => return unreadable,
        Some(Value::Bool(true)) if written.is_wanted(wanted) => Said::Yes,
        Some(Value::Bool(true)) => Said::No,
        // A text that says true is none.
        Some(_) => of_errors(&errors),
    };
    (said, !errors.is_empty())
}

fn of_errors(errors: &[&str]) -> Said {
    let named = |codes: &[&'static str]| codes.iter().find(|code| errors.contains(code)).copied();
    match (named(&NOT_OF_THE_VOTER), named(&SPENT)) {
        (Some(code), _) => Said::Nothing(code),
        (None, Some(_)) => Said::Spent,
        (None, None) => Said::No,
    }
}

impl Written {
    fn errors(&self) -> Vec<&str> {
        let codes = self.errors.as_ref().and_then(Value::as_array);
        codes
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    fn is_wanted(&self, wanted: &Wanted) -> bool {
        let text =
            |value: &'_ Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let has_host = wanted.hostnames.is_empty()
            || text(&self.hostname).is_some_and(|host| {
                let mut named = wanted.hostnames.iter();
                named.any(|name| name.eq_ignore_ascii_case(&host))
            });
        let has_action = wanted.action.is_none() || text(&self.action) == wanted.action;
        let score = self.score.as_ref().and_then(Value::as_f64);
        let has_score = wanted
            .min_score
            .is_none_or(|least| score.is_some_and(|score| (least..=1.0).contains(&score)));
        has_host && has_action && has_score
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ANY: Wanted = Wanted {
        min_score: None,
        hostnames: Vec::new(),
        action: None,
    };

    fn strict() -> Wanted {
        Wanted {
            min_score: Some(0.5),
            hostnames: vec!["vote.example".to_owned(), "www.example".to_owned()],
            action: Some("vote".to_owned()),
        }
    }

    fn is_silent(said: Said) -> bool {
        matches!(said, Said::Nothing(_))
    }

    #[test]
    fn the_answers_of_the_known_judges_are_read() {
        let turnstile = json!({ "success": true, "error-codes": [], "challenge_ts": "2026-11-24T01:02:03.250Z", "hostname": "vote.example",
            "action": "vote", "cdata": "", "metadata": { "interactive": false } });
        let hcaptcha = json!({ "success": true, "challenge_ts": "2026-11-24T01:02:03Z", "hostname": "vote.example", "credit": false });
        let recaptcha = json!({ "success": true, "challenge_ts": "2026-11-24T01:02:03Z", "hostname": "vote.example", "score": 0.9, "action": "vote" });
        for yes in [&turnstile, &hcaptcha, &recaptcha] {
            assert_eq!(read(200, yes.to_string().as_bytes(), &ANY), Said::Yes);
        }
        assert_eq!(
            read(200, recaptcha.to_string().as_bytes(), &strict()),
            Said::Yes
        );
        for (codes, said) in [
            (json!(["invalid-input-response"]), Said::No),
            (json!(["bad-request"]), Said::No),
            (json!([]), Said::No),
            (json!(["timeout-or-duplicate"]), Said::Spent),
            (json!(["already-seen-response"]), Said::Spent),
            (json!(["expired-input-response"]), Said::Spent),
            (
                json!(["invalid-input-secret"]),
                Said::Nothing("invalid-input-secret"),
            ),
            (
                json!(["internal-error", "invalid-input-response"]),
                Said::Nothing("internal-error"),
            ),
            // What can't be read says nothing for the voter.
            (json!("internal-error"), Said::No),
            (json!([1, null]), Said::No),
        ] {
            let body = json!({ "success": false, "error-codes": codes }).to_string();
            assert_eq!(read(200, body.as_bytes(), &ANY), said, "{body}");
        }
    }

    #[test]
    fn what_is_not_plainly_a_yes_is_none() {
        for (body, said) in [
            (r#"{"success":"true"}"#, Said::No),
            (r#"{"success":1}"#, Said::No),
            (r#"{"success":[true]}"#, Said::No),
            (r#"{"success":false,"hostname":"vote.example"}"#, Said::No),
        ] {
            assert_eq!(read(200, body.as_bytes(), &ANY), said, "{body}");
        }
        let deep = format!(
            r#"{{"success":true,"x":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let deep_success = format!(
            r#"{{"success":{}true{}}}"#,
            "[".repeat(1_000),
            "]".repeat(1_000)
        );
        for body in [
            "",
            "{",
            "{}",
            "true",
            r#"{"success":null}"#,
            r#"{"Success":true}"#,
            r#"[true]"#,
            r#"["success",true]"#,
            r#"{"success":true}{"success":true}"#,
            r#"{"success":false,"success":true}"#,
            "<html>success: true</html>",
            "\u{feff}{\"success\":true}",
            &deep_success,
        ] {
            assert!(is_silent(read(200, body.as_bytes(), &ANY)), "{body}");
        }
        // What is not looked at may be as deep as it likes, and takes no stack.
        assert_eq!(read(200, deep.as_bytes(), &ANY), Said::Yes);
    }

    #[test]
    fn a_yes_for_another_site_another_purpose_or_with_a_low_score_is_none() {
        let whole =
            json!({ "success": true, "hostname": "vote.example", "action": "vote", "score": 0.5 });
        assert_eq!(
            read(200, whole.to_string().as_bytes(), &strict()),
            Said::Yes
        );
        for (name, value) in [
            ("hostname", json!("vote.example.evil")),
            ("hostname", json!("")),
            ("hostname", json!(["vote.example"])),
            ("hostname", Value::Null),
            ("action", json!("login")),
            ("action", json!("VOTE")),
            ("action", Value::Null),
            ("score", json!(0.49)),
            ("score", json!("0.9")),
            ("score", json!(1.01)),
            ("score", json!(-1)),
            ("score", Value::Null),
        ] {
            let mut body = whole.clone();
            body[name] = value.clone();
            assert_eq!(
                read(200, body.to_string().as_bytes(), &strict()),
                Said::No,
                "{name} {value}"
            );
            let missing = body.as_object_mut().and_then(|body| body.remove(name));
            assert!(missing.is_some());
            assert_eq!(
                read(200, body.to_string().as_bytes(), &strict()),
                Said::No,
                "no {name}"
            );
        }
        let mut other = whole;
        other["hostname"] = json!("WWW.Example");
        assert_eq!(
            read(200, other.to_string().as_bytes(), &strict()),
            Said::Yes
        );
    }

    #[test]
    fn only_a_status_of_200_says_yes_and_an_error_is_no_verdict_unless_it_names_one() {
        let yes = br#"{"success":true}"#;
        let no = br#"{"success":false,"error-codes":["invalid-input-response"]}"#;
        let unnamed = br#"{"success":false,"errors":[{"code":1015}]}"#;
        for status in [
            100, 201, 204, 301, 302, 400, 403, 404, 408, 429, 500, 502, 503, 999,
        ] {
            assert!(is_silent(read(status, yes, &ANY)), "{status}");
            assert!(is_silent(read(status, unnamed, &ANY)), "{status}");
            let is_named = [400, 403, 404].contains(&status);
            assert_eq!(read(status, no, &ANY) == Said::No, is_named, "{status}");
        }
        assert_eq!(read(200, unnamed, &ANY), Said::No);
    }

    /// Whether the strictest reading there is finds a yes.
    fn says_true(body: &[u8]) -> bool {
        let value = serde_json::from_slice::<Value>(body);
        value.is_ok_and(|value| value["success"] == Value::Bool(true))
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_none_of_them_says_yes_by_chance(
            status in any::<u16>(),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            if read(status, &body, &ANY) == Said::Yes {
                prop_assert!(status == 200 && says_true(&body));
            }
        }

        #[test]
        fn whatever_stands_beside_it_only_true_is_a_yes(
            success in prop::sample::select(vec!["true", "false", "\"true\"", "null", "1", "[]", "{}", "True"]),
            beside in "[a-z\"{}\\[\\]:,0-9 \\\\]{0,40}",
            cut in 0_usize..80,
        ) {
            let body = format!("{{{beside}\"success\":{success},\"error-codes\":[{beside}]}}");
            let body = body.as_bytes();
            let body = &body[..body.len().saturating_sub(cut % (body.len() + 1))];
            if read(200, body, &ANY) == Said::Yes {
                prop_assert!(says_true(body), "{:?}", String::from_utf8_lossy(body));
            }
        }
    }
}
