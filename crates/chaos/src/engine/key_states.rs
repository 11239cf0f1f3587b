//! What asking for the keys again has shown.

use crate::engine::client_record::Told;

/// What asking again has shown of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// It had been recorded.
    Recorded,
    /// It had not; it is now.
    New,
    /// It had not, and the poll is closed.
    Absent,
    /// It is known for another vote.
    OtherVote,
    /// No answer that says anything.
    Unanswered,
}

/// What asking for all keys has shown. Added up by candidate, to be compared with the tally.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyStates {
    pub(crate) recorded: Vec<u64>,
    pub(crate) new: Vec<u64>,
    pub(crate) unanswered: Vec<u64>,
    pub(crate) accepted_missing: u64,
    pub(crate) unknown_recorded: u64,
    pub(crate) refused_recorded: u64,
    pub(crate) other_vote: u64,
}

impl KeyStates {
    pub(crate) fn new(candidates: usize) -> Self {
        Self {
            recorded: vec![0; candidates],
            new: vec![0; candidates],
            unanswered: vec![0; candidates],
            ..Self::default()
        }
    }

    /// One key.
    pub(crate) fn add(&mut self, candidate: usize, told: Told, state: KeyState) {
        match (state, told) {
            (KeyState::Recorded, Told::Unknown) => self.unknown_recorded += 1,
            (KeyState::Recorded, Told::Refused) => self.refused_recorded += 1,
            (KeyState::New | KeyState::Absent, Told::Accepted { .. }) => self.accepted_missing += 1,
            (KeyState::OtherVote, _) => self.other_vote += 1,
            (KeyState::Recorded | KeyState::New | KeyState::Absent | KeyState::Unanswered, _) => {}
        }
        let counts = match state {
            KeyState::Recorded => &mut self.recorded,
            KeyState::New => &mut self.new,
            KeyState::Unanswered => &mut self.unanswered,
            KeyState::Absent | KeyState::OtherVote => return,
        };
        if let Some(count) = counts.get_mut(candidate) {
            *count += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let add = |to: &mut Vec<u64>, from: &Vec<u64>| {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        };
        add(&mut self.recorded, &other.recorded);
        add(&mut self.new, &other.new);
        add(&mut self.unanswered, &other.unanswered);
        self.accepted_missing += other.accepted_missing;
        self.unknown_recorded += other.unknown_recorded;
        self.refused_recorded += other.refused_recorded;
        self.other_vote += other.other_vote;
    }
}
