//! What is put to a data stream: a feed as it was read, or the same with the word that it is not on air.

use serde_json::{Map, Value};
use vote_domain::PollId;

/// How the feed is asked for.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) format: &'static str,
    pub(super) rows: Option<u8>,
    pub(super) by_rank: bool,
    pub(super) lang: Option<String>,
}

impl Layout {
    /// The feed's path and query. No part of it needs to be escaped.
    pub(super) fn path(&self, poll: &PollId) -> String {
        let rows = self.rows.map(|rows| format!("rows={rows}"));
        let sort = self.by_rank.then(|| "sort=rank".to_owned());
        let lang = self.lang.as_ref().map(|lang| format!("lang={lang}"));
        let query: Vec<String> = [rows, sort, lang].into_iter().flatten().collect();
        let path = format!("/v1/polls/{poll}/results.{}", self.format);
        if query.is_empty() {
            return path;
        }
        format!("{path}?{}", query.join("&"))
    }
}

/// A feed in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame(Vec<u8>);

impl Frame {
    /// A feed as it was read; `None` where it is none.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let feed: Value = serde_json::from_slice(&bytes).ok()?;
        let is_feed = match &feed {
            Value::Array(rows) => !rows.is_empty() && rows.iter().all(says),
            other => says(other),
        };
        is_feed.then_some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same figures, marked as ones that are not to be on air. What says so already stays as it is.
    pub(super) fn off_air(&self) -> Self {
        let Ok(mut feed) = serde_json::from_slice::<Value>(&self.0) else {
            return self.clone();
        };
        let rows = match &mut feed {
            Value::Array(rows) => rows.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        let is_on_air = |row: &Value| row["on_air"] == true;
        if !rows.iter().any(is_on_air) {
            return self.clone();
        }
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            mark(row);
        }
        serde_json::to_vec(&feed).map_or_else(|_error| self.clone(), Self)
    }
}

/// Whether it says by itself whether it is on air.
fn says(feed: &Value) -> bool {
    feed["on_air"].is_boolean()
}

fn mark(row: &mut Map<String, Value>) {
    row.insert("on_air".to_owned(), false.into());
    row.insert("status".to_owned(), "stale".into());
}

#[cfg(test)]
mod tests {
    use super::{Frame, Layout};
    use serde_json::json;
    use vote_domain::PollId;

    fn frame(value: &serde_json::Value) -> Option<Frame> {
        Frame::read(value.to_string().into_bytes())
    }

    #[test]
    fn a_feed_that_nobody_vouches_for_is_not_on_air() {
        let flat = json!({ "on_air": true, "status": "provisional", "c1_votes": 7 });
        let off = json!({ "on_air": false, "status": "stale", "c1_votes": 7 });
        let marked = frame(&flat).expect("a feed").off_air();
        assert_eq!(Some(&marked), frame(&off).as_ref());
        assert_eq!(marked.off_air(), marked);
        let rows = frame(&json!([flat, flat])).expect("a feed").off_air();
        assert_eq!(Some(rows), frame(&json!([off, off])));
        // Held or void: it says so already, and how is not to be lost.
        let void = frame(&json!({ "on_air": false, "status": "void" })).expect("a feed");
        assert_eq!(void.off_air(), void);
    }

    #[test]
    fn what_is_no_feed_is_not_put_anywhere() {
        for value in [
            json!([]),
            json!({}),
            json!(null),
            json!("x"),
            json!([{ "on_air": true }, 1]),
            json!({ "on_air": "yes" }),
        ] {
            assert_eq!(frame(&value), None, "{value}");
        }
        assert_eq!(Frame::read(b"<html>".to_vec()), None);
        assert_eq!(Frame::read(Vec::new()), None);
    }

    #[test]
    fn a_layout_is_a_query() {
        let poll = PollId::parse("current").expect("an id");
        let path = |rows, by_rank, lang: Option<&str>| {
            let format = "flat.json";
            let lang = lang.map(str::to_owned);
            Layout {
                format,
                rows,
                by_rank,
                lang,
            }
            .path(&poll)
        };
        assert_eq!(
            path(None, false, None),
            "/v1/polls/current/results.flat.json"
        );
        assert_eq!(
            path(Some(4), true, Some("en")),
            "/v1/polls/current/results.flat.json?rows=4&sort=rank&lang=en"
        );
    }
}
