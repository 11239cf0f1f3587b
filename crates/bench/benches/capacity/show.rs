//! A show in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use vote_store::{LaneConfig, enough_votes, holds_back};

use crate::costs::Costs;

/// From an ingest process to a master or back, in seconds: within one availability zone.
const ONE_WAY: f64 = 250e-6;
/// Votes with which a busy lane gains nothing from more (`commit/gather.rs`).
const ENOUGH: usize = 128;
/// How many seconds of the show are looked at, after as many that fill the lanes.
const SECONDS: f64 = 2.0;

/// How large it is.
#[derive(Clone, Copy)]
pub(crate) struct Show {
    pub(crate) votes_per_second: usize,
    pub(crate) processes: usize,
    pub(crate) shards: usize,
    pub(crate) masters: usize,
}

/// How it went.
pub(crate) struct Seen {
    pub(crate) votes_per_batch: f64,
    /// Of one master.
    pub(crate) batches_per_second: f64,
    /// The share of its time that the busiest master works. At 1 lanes wait for it, and their batches grow.
    pub(crate) busy: f64,
    /// From a vote's arrival to its answer, in seconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

#[derive(Default)]
struct Lane {
    /// When its votes have come.
    waiting: VecDeque<f64>,
    /// Those of the batch that is out.
    out: Vec<f64>,
    is_out: bool,
    /// The departure that counts: an earlier one may have been overtaken.
    departure: u64,
}

#[derive(Default, Clone)]
struct Master {
    free_at: f64,
    worked: f64,
    batches: usize,
}

/// Nanoseconds, what happens, and for a departure its number.
type Event = Reverse<(u64, What, u64)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A vote comes to the process.
    Vote(usize),
    /// The lane sends what waits.
    Departure(usize),
    /// The lane has its reply.
    Reply(usize),
}

impl Show {
    pub(crate) const fn new(
        votes_per_second: usize,
        processes: usize,
        shards: usize,
        masters: usize,
    ) -> Self {
        Self {
            votes_per_second,
            processes,
            shards,
            masters,
        }
    }

    pub(crate) fn simulate(self, costs: &Costs) -> Seen {
        let config = LaneConfig::default();
        let rate = count(self.votes_per_second) / count(self.processes);
        let hold = holds_back(rate, self.shards, config.max_batch_interval);
        // The lanes of a process that hold back send at the same times (`commit/traffic.rs`). A lane with more to do gathers until
        // its clients have come back, at the longest for the interval.
        let waits = match hold > config.min_batch_interval {
            true => Waits::Each(hold.as_secs_f64()),
            false => Waits::For(config.min_batch_interval.as_secs_f64()),
        };
        let enough = match waits {
            Waits::Each(_) => enough_votes(rate),
            Waits::For(_) => ENOUGH,
        };
        let mut run = Run {
            show: self,
            rate,
            waits,
            enough,
            lanes: (0..self.processes * self.shards)
                .map(|_| Lane::default())
                .collect(),
            masters: vec![Master::default(); self.masters],
            events: BinaryHeap::new(),
            random: Random(0x9E37_79B9_7F4A_7C15),
            answered: Vec::new(),
            votes: 0,
        };
        for process in 0..self.processes {
            run.next_vote(0.0, process);
        }
        run.until(2.0 * SECONDS, costs);
        run.seen()
    }
}

/// When a lane sends that has votes, in seconds.
#[derive(Clone, Copy)]
enum Waits {
    /// With all others of its process, which begin at times of their own.
    Each(f64),
    /// So long after the first of them.
    For(f64),
}

struct Run {
    show: Show,
    /// Of one process.
    rate: f64,
    waits: Waits,
    /// Votes with which a lane waits no longer.
    enough: usize,
    lanes: Vec<Lane>,
    masters: Vec<Master>,
    events: BinaryHeap<Event>,
    random: Random,
    answered: Vec<f64>,
    votes: usize,
}

impl Run {
    fn until(&mut self, end: f64, costs: &Costs) {
        while let Some(Reverse((at, what, number))) = self.events.pop() {
            let now = seconds(at);
            if now >= end {
                break;
            }
            match what {
                What::Vote(process) => self.vote(now, process),
                What::Departure(lane) if self.lanes[lane].departure == number => {
                    self.depart(now, lane, costs);
                }
                What::Departure(_) => {}
                What::Reply(lane) => self.reply(now, lane),
            }
        }
    }

    fn next_vote(&mut self, now: f64, process: usize) {
        let pause = -self.random.next().ln() / self.rate;
        self.at(now + pause, What::Vote(process), 0);
    }

    fn vote(&mut self, now: f64, process: usize) {
        self.next_vote(now, process);
        let shard = self.random.below(self.show.shards);
        let place = process * self.show.shards + shard;
        let lane = &mut self.lanes[place];
        lane.waiting.push_back(now);
        if lane.is_out {
            return;
        }
        let waiting = lane.waiting.len();
        if waiting == 1 {
            self.departs(self.sends_at(now, place), place);
        } else if waiting == self.enough {
            self.departs(now, place);
        }
    }

    fn departs(&mut self, at: f64, place: usize) {
        let lane = &mut self.lanes[place];
        lane.departure += 1;
        let number = lane.departure;
        self.at(at, What::Departure(place), number);
    }

    fn depart(&mut self, now: f64, place: usize, costs: &Costs) {
        let lane = &mut self.lanes[place];
        lane.is_out = true;
        lane.out.extend(lane.waiting.drain(..));
        let votes = lane.out.len();
        let work = costs
            .redis_us
            .vote
            .mul_add(count(votes), costs.redis_us.batch)
            * 1e-6;
        let master = (place % self.show.shards) % self.show.masters;
        let master = &mut self.masters[master];
        let begins = master.free_at.max(now + ONE_WAY);
        master.free_at = begins + work;
        if now >= SECONDS {
            master.worked += work;
            master.batches += 1;
            self.votes += votes;
        }
        let back = master.free_at + ONE_WAY;
        self.at(back, What::Reply(place), 0);
    }

    fn reply(&mut self, now: f64, place: usize) {
        let lane = &mut self.lanes[place];
        lane.is_out = false;
        for came in lane.out.drain(..) {
            if came >= SECONDS {
                self.answered.push(now - came);
            }
        }
        let waiting = lane.waiting.len();
        if waiting >= self.enough {
            self.departs(now, place);
        } else if waiting > 0 {
            self.departs(self.sends_at(now, place), place);
        }
    }

    /// When the lane sends what it has now.
    fn sends_at(&self, now: f64, place: usize) -> f64 {
        match self.waits {
            Waits::For(time) => now + time,
            Waits::Each(time) => {
                let process = place / self.show.shards;
                let began = time * count(process) / count(self.show.processes);
                ((now - began) / time).floor().mul_add(time, began) + time
            }
        }
    }

    fn at(&mut self, at: f64, what: What, number: u64) {
        self.events.push(Reverse((nanoseconds(at), what, number)));
    }

    fn seen(mut self) -> Seen {
        self.answered.sort_by(f64::total_cmp);
        let batches: usize = self.masters.iter().map(|master| master.batches).sum();
        let busiest = self.masters.iter().map(|master| master.worked);
        let percentile = |percent: usize| {
            let place = self.answered.len() * percent / 100;
            self.answered.get(place).copied().unwrap_or(f64::NAN)
        };
        Seen {
            votes_per_batch: count(self.votes) / count(batches.max(1)),
            batches_per_second: count(batches) / count(self.show.masters) / SECONDS,
            busy: busiest.fold(0.0, f64::max) / SECONDS,
            p50: percentile(50),
            p99: percentile(99),
        }
    }
}

/// The generator of G. Marsaglia ("Xorshift RNGs", 2003): the same numbers in each run.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Above 0, and at most 1.
    fn next(&mut self) -> f64 {
        let bits = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        (f64::from(bits) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bits = usize::try_from(self.bits() >> 32).unwrap_or(0);
        bits % bound
    }
}

pub(crate) fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}
