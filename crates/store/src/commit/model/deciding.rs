//! Operators decide of what is set aside: two of them at the same time, each from figures that it has read before.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use vote_domain::{QuarantineDecision, QuarantineReason, QuarantineSelection, WriterId};

use super::decided;
use super::figures::Figures;
use super::gate::Request;
use super::steps::{Fate, OPERATORS, Suspects};
use super::system::System;
use crate::decision::{decide_command, stands_for};

/// One call of an operator's command.
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) decision: QuarantineDecision,
    pub(super) selection: QuarantineSelection,
    pub(super) minutes: Vec<i64>,
    pub(super) writer: WriterId,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            decision,
            selection,
            minutes,
            ..
        } = self;
        write!(f, "{decision:?} of {selection} in {minutes:?}")
    }
}

/// What operators are about.
#[derive(Default)]
pub(super) struct Deciding {
    /// The calls that each has yet to make.
    commands: [VecDeque<Call>; OPERATORS],
    /// Commands so far.
    begun: u64,
    /// Calls that were given up, and can come late.
    pub(super) late: Vec<Call>,
}

impl System<'_> {
    /// `votectl quarantine release` or `annul`, as far as its first call. What the operator had begun before ends there.
    pub(super) fn decide(
        &mut self,
        operator: usize,
        decision: QuarantineDecision,
        suspects: Suspects,
        at_once: bool,
    ) {
        // A failover can forget a revision of the poll's document, and what was decided under it not: then it is used again.
        let writer = stands_for(self.harness.poll.definition.id(), self.deciding.begun % 3);
        self.deciding.begun += 1;
        let selection = QuarantineSelection {
            reasons: reasons(suspects),
            ..QuarantineSelection::default()
        };
        let minutes = undecided_minutes(&self.harness.figures(), &selection);
        let size = if at_once { minutes.len().max(1) } else { 1 };
        let calls = minutes.chunks(size).map(|minutes| {
            let keys = &self.harness.keys;
            let fate = decision.fate();
            let command = decide_command(keys, writer, fate, &selection, minutes);
            Call {
                request: Request::of(&command),
                decision,
                selection: selection.clone(),
                minutes: minutes.to_vec(),
                writer,
            }
        });
        self.deciding.commands[operator] = calls.collect();
    }

    /// The next call of an operator's command. One that is not answered ends the command.
    pub(super) fn call(&mut self, operator: usize, fate: Fate) {
        let Some(call) = self.deciding.commands[operator].pop_front() else {
            return;
        };
        if matches!(fate, Fate::Answered | Fate::ReplyLost) {
            decided::execute(self.harness, &call);
        }
        if fate == Fate::Delayed {
            self.deciding.late.push(call);
        }
        if fate != Fate::Answered {
            self.deciding.commands[operator].clear();
        }
    }

    /// A call that was given up long ago is executed now.
    pub(super) fn late_call(&mut self, which: usize) {
        let call = self.deciding.late.swap_remove(which);
        decided::execute(self.harness, &call);
    }

    /// All that is undecided counts.
    pub(super) fn release_all(&mut self) {
        self.decide(0, QuarantineDecision::Release, Suspects::All, true);
        self.call(0, Fate::Answered);
    }
}

fn reasons(suspects: Suspects) -> BTreeSet<QuarantineReason> {
    let all = [QuarantineReason::DenyList, QuarantineReason::FastProof];
    match suspects {
        Suspects::All => all.into(),
        Suspects::One(index) => BTreeSet::from([all[usize::from(index)]]),
    }
}

fn undecided_minutes(figures: &Figures, selection: &QuarantineSelection) -> Vec<i64> {
    let minutes = figures.held.quarantine_minutes.iter();
    let meant = minutes.filter(|(_, aside)| {
        let mut fields = aside.keys();
        fields.any(|field| decided::is_meant(field, selection).is_some())
    });
    meant.map(|(minute, _)| *minute).collect()
}
