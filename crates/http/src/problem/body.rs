//! The JSON of a problem.

use std::sync::LazyLock;

use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::code::ProblemCode;

/// Beginning of a code's body, up to `detail`, and the whole body with the default detail.
struct Prepared {
    head: String,
    whole: Bytes,
}

/// Most problems have nothing of their own to say, and under overload they are answered by the ten
/// thousands per second: their bodies are made once.
static PREPARED: LazyLock<Vec<Prepared>> =
    LazyLock::new(|| ProblemCode::ALL.iter().copied().map(prepare).collect());

fn prepare(code: ProblemCode) -> Prepared {
    let mut head = String::new();
    for (key, value) in [
        (r#"{"type":"#, code.type_uri()),
        (r#","title":"#, code.title()),
    ] {
        head.push_str(key);
        push_json(&mut head, value);
    }
    head.push_str(r#","status":"#);
    head.push_str(code.status().as_str());
    head.push_str(r#","code":"#);
    push_json(&mut head, code.as_str());
    head.push_str(r#","detail":"#);
    let mut whole = head.clone();
    push_json(&mut whole, code.description());
    whole.push('}');
    Prepared {
        head,
        whole: whole.into(),
    }
}

/// The body of a problem: the detail is the code's own where there is none, `members` follow it.
pub(super) fn body(
    code: ProblemCode,
    detail: Option<&str>,
    members: &[(&'static str, Value)],
) -> Bytes {
    let Some(prepared) = PREPARED.get(code as usize) else {
        return Bytes::new();
    };
    if detail.is_none() && members.is_empty() {
        return prepared.whole.clone();
    }
    let mut body = String::with_capacity(prepared.head.len() + 160);
    body.push_str(&prepared.head);
    push_json(&mut body, detail.unwrap_or_else(|| code.description()));
    for (name, value) in members {
        body.push(',');
        push_json(&mut body, name);
        body.push(':');
        push_json(&mut body, value);
    }
    body.push('}');
    body.into()
}

/// Appends the JSON of a value.
fn push_json(text: &mut String, value: &(impl Serialize + ?Sized)) {
    if let Ok(json) = serde_json::to_string(value) {
        text.push_str(&json);
    } else {
        text.push_str("null");
    }
}
