//! What a vote's proof was found to be.

/// How a vote's proof was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    Missing,
    Invalid,
    Mismatch,
    Expired,
}

impl Verdict {
    pub(super) const COUNT: usize = Self::ALL.len();
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Valid, "valid"),
        (Self::Missing, "missing"),
        (Self::Invalid, "invalid"),
        (Self::Mismatch, "mismatch"),
        (Self::Expired, "expired"),
    ];
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn each_verdict_stands_at_its_place() {
        for (place, (verdict, _)) in Verdict::ALL.iter().enumerate() {
            assert_eq!(*verdict as usize, place);
        }
    }
}
