//! What a judge is asked.

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded::Serializer;
use vote_domain::{KeyDigest, Secret};

/// Stands for a vote and what the judge is asked with about it. Neither can be found out by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 16]);

impl Mark {
    /// Of `judge`, the digest of the vote's key and the response, the first ended by a zero byte.
    pub(super) fn new(key: KeyDigest, response: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"judge\0");
        hash.update(key.as_bytes());
        hash.update(response);
        let hash = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(bytes)
    }

    #[cfg(test)]
    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As a UUID whose bits are its maker's matter (RFC 9562, version 8): the same for the same vote in each process.
    fn uuid(self) -> String {
        let mut bytes = self.0;
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = HEXLOWER.encode(&bytes);
        [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-")
    }
}

/// A question about a vote.
pub(super) struct Question<'a> {
    pub(super) secret: &'a Secret,
    /// What the voter's browser was given by the judge.
    pub(super) response: &'a str,
    /// The voter's address, where the judge is told it.
    pub(super) client: Option<IpAddr>,
    /// By what the judge knows the same question again, where it is told that.
    pub(super) mark: Option<Mark>,
}

impl Question<'_> {
    /// The fields of the form, encoded. It has the secret in it.
    pub(super) fn body(&self) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("secret", self.secret.expose());
        form.append_pair("response", self.response);
        if let Some(client) = self.client {
            form.append_pair("remoteip", &client.to_canonical().to_string());
        }
        if let Some(mark) = self.mark {
            form.append_pair("idempotency_key", &mark.uuid());
        }
        form.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_be_another_field() {
        let secret = Secret::new("0x4A&response=forged");
        let question = Question {
            secret: &secret,
            response: "a&secret=b\r\n\r\nPOST / HTTP/1.1 é",
            client: Some("::ffff:203.0.113.9".parse().expect("an address")),
            mark: Some(Mark([0xff; 16])),
        };
        assert_eq!(
            question.body(),
            "secret=0x4A%26response%3Dforged&response=a%26secret%3Db%0D%0A%0D%0APOST+%2F+HTTP%2F1.1+%C3%A9\
             &remoteip=203.0.113.9&idempotency_key=ffffffff-ffff-8fff-bfff-ffffffffffff"
        );
        let bare = Question {
            client: None,
            mark: None,
            response: "x",
            ..question
        };
        assert_eq!(bare.body(), "secret=0x4A%26response%3Dforged&response=x");
    }

    #[test]
    fn a_vote_with_what_it_is_asked_about_has_a_mark_of_its_own() {
        let key = |n| KeyDigest::from_bytes([n; 16]);
        let mark = Mark::new(key(1), "a");
        assert_eq!(mark, Mark::new(key(1), "a"));
        assert_ne!(mark, Mark::new(key(1), "b"));
        assert_ne!(mark, Mark::new(key(2), "a"));
    }
}
