//! What stands in a challenge for the voter who has asked for it.

use data_encoding::HEXLOWER;

/// Stands for a voter in the challenges of one poll, made by [`ChallengeKey::mark`](crate::ChallengeKey::mark): the first half of a
/// keyed MAC, so that whoever sees a challenge can't try identities against it.
///
/// It is not the digest by which a voter's votes are counted. That one is under a key that is there only where votes are counted, and goes no
/// further than Redis; this one goes to the voter's own client, and is kept nowhere.
#[derive(Clone, Copy, PartialEq, Eq, derive_more::Debug)]
#[debug("VoterMark({})", HEXLOWER.encode(_0))]
pub struct VoterMark([u8; 16]);

impl VoterMark {
    pub(crate) fn first_half(mac: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac[..16]);
        Self(bytes)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use vote_domain::PollId;

    use crate::ChallengeKey;

    fn poll(id: &str) -> PollId {
        PollId::parse(id).expect("an id")
    }

    #[test]
    fn a_voter_has_another_mark_in_another_poll_and_under_another_key() {
        let key = ChallengeKey::new(&[7; 32]);
        let mark = key.mark(&poll("a"), "maria");
        assert_eq!(mark, ChallengeKey::new(&[7; 32]).mark(&poll("a"), "maria"));
        assert_ne!(mark, key.mark(&poll("b"), "maria"));
        assert_ne!(mark, key.mark(&poll("a"), "mario"));
        assert_ne!(mark, ChallengeKey::new(&[8; 32]).mark(&poll("a"), "maria"));
        assert_eq!(mark.hex().len(), 32);
        assert!(!format!("{mark:?}").contains("maria"));
    }
}
