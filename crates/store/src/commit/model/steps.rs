//! The reference: which schedules there are. It knows what the operator has done and which steps
//! make sense; what must be true of votes is in `check.rs`.
//!
//! # Left out, because the protocol does not hold there
//!
//! - **An attempt that outlives the server.** A crash ends all old attempts. If one that was given up, and
//!   whose repeat was acknowledged and then forgotten, could reach the server that came back, it would be taken as
//!   live: refused (the poll is paused meanwhile) it uses the sequence, the heartbeat is content, and the vote is
//!   lost; or, refused before and live now, it counts a vote that was told to be refused. The heartbeat compares
//!   votes and says both (`tests/it/forgetting.rs` has that), but which vote it was is not known. A connection leads
//!   to one server process, so it ends with it.
//! - **Voiding before a gap is repaired** (a crash, and no [`Step::Heal`] since). The replay is refused for good, and
//!   what is missing is counted as lost (`tests/it/forgetting.rs` has that); the reference has no losses of polls
//!   that are over. Sealing is not left out: it waits for the marks of all writers that are there, and abandons
//!   those that are gone.
//! - **Sealing while Redis has forgotten a writer whole**: the operator's grace is for that.
//! - **A crash that forgets a seal.** What was sealed is to be confirmed by replicas.
//! - **What a process has left behind, and nobody has replayed when the poll is over**: it is in its file and nowhere else.
//!
//! At the end each writer gets two more votes, which find what is left to find without waiting for a heartbeat.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use vote_domain::QuarantineDecision;

/// Writers at work at the same time.
pub(super) const WRITERS: usize = 2;
/// Operators that decide of what is set aside at the same time.
pub(super) const OPERATORS: usize = 2;
/// The poll opens and closes so long before and after the boundary of a minute, of an hour and of
/// an idempotency window: milliseconds. All votes come within half a window of it.
pub(super) const HALF_OPEN_MS: i64 = 25_000;
/// How many keys votes have.
pub(super) const KEYS: u8 = 4;
/// Votes of a voter in the channel of voters.
pub(super) const VOTES_PER_VOTER: u32 = 2;

/// Channel and candidate of [`Ballot::Crowd`].
pub(super) const CROWD: (u8, u8) = (0, 63);

/// What a vote carries. A proof of work is a key: a vote that has a proof and no key is known by its challenge, and one with both by
/// the key that the challenge was made for. Another vote with a used proof is one with its key that repeats nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ballot {
    Plain,
    /// For the candidate that many vote for: its sum grows.
    Crowd,
    /// A key, and whether it repeats the first vote of that key or is another vote.
    Keyed {
        key: u8,
        repeats: bool,
    },
    Voter {
        voter: u8,
    },
    /// Both, and whether it repeats the first such vote: then it is the same voter's.
    KeyedVoter {
        key: u8,
        voter: u8,
        repeats: bool,
    },
}

/// Which of what is set aside an operator means: that of one reason, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspects {
    One(u8),
    All,
}

/// A vote: what it carries and when it was received, by the clock of its writer, in milliseconds
/// from the boundary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    pub(super) ballot: Ballot,
    pub(super) at: i64,
    /// Its writer knows that the candidate is out of the poll. Said of votes with a key or a voter alone: others do not
    /// come to a lane then.
    pub(super) is_withdrawn: bool,
    /// Its writer sets it aside as suspect.
    pub(super) is_suspect: bool,
}

/// What becomes of the request that a writer has out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Executed and answered.
    Answered,
    /// Executed, and the connection cut before the reply.
    ReplyLost,
    /// The connection cut before it was executed.
    RequestLost,
    /// The connection cut, and the request executed at some later [`Step::Late`].
    Delayed,
    /// Answered by an error before the script has run.
    Error,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Votes come to a writer.
    Cast {
        writer: usize,
        votes: Vec<Cast>,
    },
    /// The request that a writer has out, if any, meets its fate.
    Request {
        writer: usize,
        fate: Fate,
    },
    /// An attempt that was given up long ago is executed now.
    Late {
        which: u8,
    },
    /// All clients that wait at a writer lose their patience.
    Recall {
        writer: usize,
    },
    /// A second passes at an idle writer.
    Heartbeat {
        writer: usize,
    },
    /// `kill -9` of a writer, and a new process in its place. Its request meets its fate. Where writers are lanes of one process, of all of
    /// them.
    KillWriter {
        writer: usize,
        fate: Fate,
    },
    /// A writer is told to end, and ends in order; a new process in its place.
    StopWriter {
        writer: usize,
    },
    /// A writer has to end without an answer, and leaves behind what it has retained; a new process in its place. Its
    /// request meets its fate. Where writers are lanes of one process, of all of them.
    LeaveBehind {
        writer: usize,
        fate: Fate,
    },
    /// What one of them has left is replayed: all of it, or until the program is killed while so many requests were
    /// answered.
    Replay {
        which: u8,
        answered: Option<u8>,
    },
    /// What Redis holds now survives a crash.
    Persist,
    /// Redis crashes, and comes back with what was persisted so many times before the last.
    Crash {
        back: u8,
    },
    /// Faults end for a while: everything that waits is delivered and each writer asks for gaps.
    Heal,
    /// A writer reads the poll.
    Publish {
        writer: usize,
    },
    /// An operator begins to decide of what is undecided now: in one call, or in one for each minute.
    Decide {
        operator: usize,
        decision: QuarantineDecision,
        suspects: Suspects,
        at_once: bool,
    },
    /// The next call of what an operator has begun meets its fate.
    Call {
        operator: usize,
        fate: Fate,
    },
    Pause,
    Resume,
    /// Votes that were received at this time or later are late.
    Close {
        at: i64,
    },
    /// The operator seals, if nobody is waited for but writers that are gone. What is undecided is decided of before.
    Seal,
    Void,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Paused,
    Closed,
    Sealed,
    Void,
}

impl Phase {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Sealed => "sealed",
            Self::Void => "void",
        }
    }

    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Sealed | Self::Void)
    }
}

/// What the operator and the generator know.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) phase: Phase,
    pub(super) closes_at: i64,
    /// Batches that each writer's replay window holds, about.
    pub(super) windows: [u8; WRITERS],
    /// Whether a writer takes its repeats for too old.
    pub(super) burns: [bool; WRITERS],
    /// Whether operators decide of what is suspect: where they do all the time, what else is rare becomes rarer.
    decides: bool,
    /// Redis has crashed, and the writers may not know yet.
    unrepaired: bool,
    /// An operator has tried to seal it; only the system knows whether it is.
    pub(super) sealing: bool,
    persisted: u8,
    votes: usize,
    restarts: usize,
    /// A process may have left something behind.
    has_left: bool,
}

/// Votes of a schedule: each has a candidate of its own, of which a poll has 64 at most.
const MAX_VOTES: usize = 56;
/// Writers that are replaced in a schedule, at most.
const MAX_RESTARTS: usize = 4;

pub(super) struct Protocol;

fn moment() -> impl Strategy<Value = i64> {
    let near = |ms: i64| (ms - 1)..=(ms + 1);
    prop_oneof![
        6 => -HALF_OPEN_MS + 1..HALF_OPEN_MS,
        2 => near(0),
        1 => near(HALF_OPEN_MS),
        1 => near(-HALF_OPEN_MS),
        1 => -29_999..=29_999_i64,
    ]
}

/// Brought forward, or as planned.
fn closing() -> impl Strategy<Value = i64> {
    prop_oneof![2 => moment(), 1 => Just(HALF_OPEN_MS)]
}

fn cast() -> impl Strategy<Value = Cast> {
    let ballot = prop_oneof![
        2 => Just(Ballot::Plain),
        1 => Just(Ballot::Crowd),
        4 => (0..KEYS, prop::bool::weighted(0.7)).prop_map(|(key, repeats)| Ballot::Keyed { key, repeats }),
        3 => (0..2_u8).prop_map(|voter| Ballot::Voter { voter }),
        2 => (0..KEYS, 0..2_u8, prop::bool::weighted(0.5))
            .prop_map(|(key, voter, repeats)| Ballot::KeyedVoter { key, voter, repeats }),
    ];
    (ballot, moment(), prop::bool::weighted(0.15)).prop_map(|(ballot, at, withdrawn)| Cast {
        ballot,
        at,
        is_withdrawn: withdrawn && !matches!(ballot, Ballot::Plain | Ballot::Crowd),
        // One in four: as much by chance as a draw of its own.
        is_suspect: at % 4 == 0,
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Answered),
        3 => Just(Fate::ReplyLost),
        2 => Just(Fate::RequestLost),
        3 => Just(Fate::Delayed),
        1 => Just(Fate::Error),
    ]
}

fn deciding() -> impl Strategy<Value = Step> {
    let decision = prop_oneof![
        Just(QuarantineDecision::Release),
        Just(QuarantineDecision::Annul)
    ];
    let suspects = prop_oneof![1 => Just(Suspects::All), 1 => (0..2_u8).prop_map(Suspects::One)];
    (0..OPERATORS, decision, suspects, any::<bool>()).prop_map(
        |(operator, decision, suspects, at_once)| Step::Decide {
            operator,
            decision,
            suspects,
            at_once,
        },
    )
}

/// What operators do with what is suspect.
fn decision() -> BoxedStrategy<Step> {
    let call = (0..OPERATORS, fate()).prop_map(|(operator, fate)| Step::Call { operator, fate });
    prop_oneof![3 => deciding(), 4 => call].boxed()
}

/// What brings back what Redis has forgotten.
fn healing(has_left: bool) -> BoxedStrategy<Step> {
    let heal = Just(Step::Heal);
    if !has_left {
        return heal.boxed();
    }
    let answered = prop_oneof![2 => Just(None), 1 => (0..8_u8).prop_map(Some)];
    let replay =
        (any::<u8>(), answered).prop_map(|(which, answered)| Step::Replay { which, answered });
    prop_oneof![1 => heal, 2 => replay].boxed()
}

impl ReferenceStateMachine for Protocol {
    type State = Reference;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Reference> {
        let window = || prop_oneof![3 => Just(u8::MAX), 1 => 0..4_u8];
        let burns = || prop::bool::weighted(0.2);
        let decides = prop::bool::weighted(0.4);
        ([window(), window()], [burns(), burns()], decides)
            .prop_map(|(windows, burns, decides)| Reference {
                phase: Phase::Open,
                closes_at: HALF_OPEN_MS,
                windows,
                burns,
                decides,
                unrepaired: false,
                sealing: false,
                persisted: 1,
                votes: 0,
                restarts: 0,
                has_left: false,
            })
            .boxed()
    }

    fn transitions(state: &Reference) -> BoxedStrategy<Step> {
        let writer = || 0..WRITERS;
        let request = || {
            let request =
                (writer(), fate()).prop_map(|(writer, fate)| Step::Request { writer, fate });
            request.boxed()
        };
        let operator = match state.phase {
            Phase::Open => prop_oneof![
                2 => Just(Step::Pause),
                2 => closing().prop_map(|at| Step::Close { at }),
                1 => Just(Step::Void),
            ]
            .boxed(),
            Phase::Paused => prop_oneof![
                3 => Just(Step::Resume),
                2 => closing().prop_map(|at| Step::Close { at }),
            ]
            .boxed(),
            Phase::Closed => prop_oneof![
                3 => Just(Step::Seal),
                3 => writer().prop_map(|writer| Step::Publish { writer }),
                2 => writer().prop_map(|writer| Step::Heartbeat { writer }),
                1 => writer().prop_map(|writer| Step::StopWriter { writer }),
            ]
            .boxed(),
            Phase::Sealed | Phase::Void => {
                writer().prop_map(|writer| Step::Publish { writer }).boxed()
            }
        };
        prop_oneof![
            12 => (writer(), vec(cast(), 1..4)).prop_map(|(writer, votes)| Step::Cast { writer, votes }),
            16 => request(),
            4 => any::<u8>().prop_map(|which| Step::Late { which }),
            1 => writer().prop_map(|writer| Step::Recall { writer }),
            2 => writer().prop_map(|writer| Step::Heartbeat { writer }),
            1 => (writer(), fate()).prop_map(|(writer, fate)| Step::KillWriter { writer, fate }),
            1 => writer().prop_map(|writer| Step::StopWriter { writer }),
            1 => (writer(), fate()).prop_map(|(writer, fate)| Step::LeaveBehind { writer, fate }),
            2 => Just(Step::Persist),
            3 => (0..3_u8).prop_map(|back| Step::Crash { back }),
            if state.has_left { 3 } else { 1 } => healing(state.has_left),
            2 => writer().prop_map(|writer| Step::Publish { writer }),
            7 => if state.decides { decision() } else { request() },
            // A closed poll is soon to be sealed.
            if state.phase == Phase::Closed { 8 } else { 2 } => operator,
        ]
        .boxed()
    }

    fn preconditions(state: &Reference, step: &Step) -> bool {
        match step {
            Step::Cast { votes, .. } => state.votes + votes.len() <= MAX_VOTES,
            Step::KillWriter { .. } | Step::StopWriter { .. } | Step::LeaveBehind { .. } => {
                state.restarts < MAX_RESTARTS
            }
            Step::Replay { .. } => state.has_left,
            Step::Crash { back } => !state.phase.is_over() && *back < state.persisted,
            Step::Pause => state.phase == Phase::Open,
            Step::Resume => state.phase == Phase::Paused,
            Step::Close { .. } => matches!(state.phase, Phase::Open | Phase::Paused),
            Step::Seal => state.phase == Phase::Closed,
            Step::Void => !state.phase.is_over() && !state.unrepaired && !state.sealing,
            _ => true,
        }
    }

    fn apply(mut state: Reference, step: &Step) -> Reference {
        match step {
            Step::Cast { votes, .. } => state.votes += votes.len(),
            Step::KillWriter { .. } | Step::StopWriter { .. } => state.restarts += 1,
            Step::LeaveBehind { .. } => {
                state.restarts += 1;
                state.has_left = true;
            }
            Step::Persist => state.persisted += 1,
            Step::Crash { back } => {
                state.persisted -= back;
                state.unrepaired = true;
            }
            Step::Heal => state.unrepaired = false,
            Step::Pause => state.phase = Phase::Paused,
            Step::Resume => state.phase = Phase::Open,
            Step::Close { at } => {
                state.phase = Phase::Closed;
                state.closes_at = state.closes_at.min(*at);
            }
            Step::Seal => state.sealing = true,
            Step::Void => state.phase = Phase::Void,
            _ => {}
        }
        state
    }
}
