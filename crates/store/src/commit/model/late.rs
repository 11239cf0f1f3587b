//! What was given up is executed all the same, when nobody expects it any more.

use super::system::System;

impl System<'_> {
    pub(super) fn late_ones(&self) -> usize {
        self.attempts.len() + self.deciding.late.len()
    }

    /// An old attempt of a writer or an operator, if there is one.
    pub(super) fn any_late(&mut self, which: usize) {
        if self.late_ones() == 0 {
            return;
        }
        let which = which % self.late_ones();
        match which.checked_sub(self.attempts.len()) {
            None => self.late(which),
            Some(which) => self.late_call(which),
        }
    }

    /// An old attempt is executed; where its sequence was used it must change nothing.
    fn late(&mut self, which: usize) {
        let (process, attempt) = self.attempts.swap_remove(which);
        let before = self.harness.dump();
        let used = self.harness.last_sequence(attempt.writer()) >= attempt.sequence();
        self.execute(process, &attempt);
        // What it may mark is checked where it is executed.
        if used && !attempt.asks() {
            assert_eq!(
                before,
                self.harness.dump(),
                "an attempt whose sequence was used has changed something"
            );
        }
    }
}
