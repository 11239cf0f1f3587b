//! The answer that floors give: as long as the service's.

/// The body of the answer to a vote.
pub(super) const BODY: &str = concat!(
    r#"{"status":"accepted","poll":"bench","candidate":"ana","channel":"torcida","direction":"eliminate","#,
    r#""accepted_at":"2026-11-24T01:02:03.250Z","#,
    r#""receipt":"v1.AAECAwQFBgcAAAAAAAAAAAABAAAAAAAAAZqzr1Uy.AAECAwQFBgcICQoLDA0ODw"}"#
);

/// All of it, for who writes the head as well.
pub(super) fn whole() -> Vec<u8> {
    format!(
        "HTTP/1.1 201 Created\r\ncontent-length: {}\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         date: Tue, 24 Nov 2026 01:02:03 GMT\r\n\r\n{BODY}",
        BODY.len()
    )
    .into_bytes()
}
