//! The one text of a value that a digest is taken over: JSON without spaces, fields sorted by name.
//!
//! That is RFC 8785 (JSON canonicalisation), but for whole numbers above 2^53, which that would round and
//! this writes exactly.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// The canonical JSON of a value.
///
/// # Errors
/// Where the value can't be JSON: a map whose keys are no text, for example.
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    let mut out = String::with_capacity(json.len());
    write(serde_json::from_str(&json)?, &mut out)?;
    Ok(out)
}

/// Numbers and texts are kept as they are: serde writes each in one way only, which is RFC 8785's. Its
/// order of fields is that of UTF-16; that of UTF-8 is the same for all names outside the surrogates, and
/// ours are ASCII.
fn write(value: &RawValue, out: &mut String) -> serde_json::Result<()> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            out.push('{');
            for (i, (name, value)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(&name)?);
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push('[');
            for (i, value) in items.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(value, out)?;
            }
            out.push(']');
        }
        _ => out.push_str(text),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_fields_at_every_depth_and_keeps_large_numbers() {
        #[derive(Serialize)]
        struct Inner {
            z: u128,
            a: Option<&'static str>,
        }
        #[derive(Serialize)]
        struct Outer {
            b: Vec<Inner>,
            a: f64,
            empty: [u8; 0],
        }
        let value = Outer {
            b: vec![Inner {
                z: u128::MAX,
                a: Some("é \"{[\n\u{1}"),
            }],
            a: 56.73,
            empty: [],
        };
        assert_eq!(
            canonical_json(&value).expect("serialises"),
            r#"{"a":56.73,"b":[{"a":"é \"{[\n\u0001","z":340282366920938463463374607431768211455}],"empty":[]}"#
        );
    }
}
