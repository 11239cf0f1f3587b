//! `make bench-growth`: how cost grows with size, a curve each.

mod aside;
mod cluster;
mod history;
mod idle;
mod keys;
mod latency;
pub(crate) mod limits;
mod long_polls;
mod processes;
mod readers;
mod reads;
mod replicas;
mod shards;
mod sheet;
mod start;
mod stripped;
mod threads;
mod ticks;
mod voters;
mod writers;
mod zones;

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::ValueEnum;
use serde::Serialize;

use self::sheet::Sheet;
use crate::cli::GrowthOptions;
use crate::machine::Machine;
use crate::plot::{Chart, Curve, Point};
use crate::say::{progress, say};
use crate::spread::Spread;

/// Curves that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// One poll over 1 to 256 shards: processor time at a steady rate, and the peak
    Shards,
    /// 48 shards on a cluster of three masters, at more and more votes a second
    Cluster,
    /// One shard, and more and more ingest processes
    Processes,
    /// A poll of up to 365 days, or of 64 candidates and 8 channels, that is read for the first time, beside another one's votes
    LongPolls,
    /// Polls that nobody votes in
    Idle,
    /// Results processes beside each other, of 500 polls
    Replicas,
    /// Writers in the ledger, of processes that came and went
    Writers,
    /// Readers who don't read
    Readers,
    /// Answers of an open loop at a quarter, a half and three quarters of the peak
    Latency,
    /// A poll of 64 candidates and 8 channels that changes at each tick, with up to 48 hours behind it
    Ticks,
    /// Reads of the figures beside constant bodies
    Reads,
    /// Series in other time zones
    Zones,
    /// From start to ready, and memory at rest
    Start,
    /// One ingest process with one to eight threads
    Threads,
    /// Answers to votes that are set aside as suspect, beside those to votes that count
    Aside,
    /// What Redis takes for up to six million keys that it remembers
    Keys,
    /// What Redis takes for up to a million voters, on each of several servers
    Voters,
    /// What up to a million addresses take in the limits' memory
    Limits,
    /// The size of the binaries
    Binaries,
}

impl Subject {
    const ALL: [Self; 19] = [
        Self::Shards,
        Self::Cluster,
        Self::Processes,
        Self::LongPolls,
        Self::Idle,
        Self::Replicas,
        Self::Writers,
        Self::Readers,
        Self::Latency,
        Self::Ticks,
        Self::Reads,
        Self::Zones,
        Self::Start,
        Self::Threads,
        Self::Aside,
        Self::Keys,
        Self::Voters,
        Self::Limits,
        Self::Binaries,
    ];

    /// What is in time is measured.
    const fn bound(self) -> Duration {
        Duration::from_secs(match self {
            Self::Ticks | Self::Voters => 600,
            Self::LongPolls => 400,
            Self::Shards | Self::Writers | Self::Latency => 300,
            Self::Cluster | Self::Processes | Self::Idle | Self::Replicas => 180,
            Self::Aside | Self::Keys => 180,
            Self::Reads | Self::Zones | Self::Start | Self::Threads => 150,
            Self::Readers | Self::Limits | Self::Binaries => 90,
        })
    }
}

/// Measures, and writes what came of it. A size at which something fails is said, and the others are measured.
pub(crate) async fn run(options: GrowthOptions) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.common.out)?;
    let mut notes = Notes::default();
    let mut charts = Vec::new();
    let mut figures = Vec::new();
    for subject in Subject::ALL {
        if !options.only.is_empty() && !options.only.contains(&subject) {
            continue;
        }
        let clock = Clock {
            until: Instant::now() + subject.bound(),
        };
        charts.extend(match subject {
            Subject::Shards => shards::measure(&options, clock, &mut notes).await?,
            Subject::Cluster => cluster::measure(&options, clock, &mut notes).await?,
            Subject::Processes => processes::measure(&options, clock, &mut notes).await?,
            Subject::LongPolls => long_polls::measure(&options, clock, &mut notes).await?,
            Subject::Idle => idle::measure(&options, clock, &mut notes).await?,
            Subject::Replicas => replicas::measure(&options, clock, &mut notes).await?,
            Subject::Writers => writers::measure(&options, clock, &mut notes).await?,
            Subject::Readers => readers::measure(&options, clock, &mut notes).await?,
            Subject::Latency => latency::measure(&options, clock, &mut notes).await?,
            Subject::Ticks => ticks::measure(&options, clock, &mut notes).await?,
            Subject::Reads => reads::measure(&options, clock, &mut notes).await?,
            Subject::Zones => zones::measure(&options, clock, &mut notes).await?,
            Subject::Start => start::measure(&options, clock, &mut notes).await?,
            Subject::Threads => threads::measure(&options, clock, &mut notes).await?,
            Subject::Aside => aside::measure(&options, clock, &mut notes).await?,
            Subject::Keys => keys::measure(clock, &mut notes).await?,
            Subject::Voters => voters::measure(&options, clock, &mut notes).await?,
            Subject::Limits => limits::measure(&options, clock, &mut notes).await?,
            Subject::Binaries => {
                match stripped::measure(&options).await {
                    Ok(sizes) => figures = sizes,
                    Err(error) => notes.add(format!("the binaries: {error:#}")),
                }
                Vec::new()
            }
        });
    }
    let sheet = Sheet {
        machine: Machine::of_now(),
        charts,
        figures,
        notes: notes.0,
    };
    sheet.write(&options.common.out)?;
    say(&sheet.to_string());
    ensure!(
        sheet
            .charts
            .iter()
            .any(|chart| chart.curves.iter().any(|curve| !curve.points.is_empty()))
            || !sheet.figures.is_empty(),
        "nothing could be measured"
    );
    Ok(())
}

/// The time that curves have.
#[derive(Clone, Copy)]
struct Clock {
    until: Instant,
}

impl Clock {
    fn is_over(self) -> bool {
        Instant::now() >= self.until
    }
}

/// What could not be measured, and why.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: String) {
        progress(&note);
        self.0.push(note);
    }
}

/// Measures each size once a round, in turns up and down, while there is time. `said` takes what was seen and puts it in words; what could
/// not be measured is noted.
async fn in_rounds<T>(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
    (sizes, unit): (&[u32], &str),
    once: impl AsyncFn(u32) -> anyhow::Result<T>,
    mut said: impl FnMut(u32, T) -> String,
) {
    let mut sizes = sizes.to_vec();
    for round in 1..=options.rounds {
        for &size in &sizes {
            let place = format!("{size} {unit}, round {round}");
            if clock.is_over() {
                notes.add(format!("{place}: left out, the time was over"));
                continue;
            }
            match once(size).await {
                Ok(seen) => progress(&format!(
                    "{place} of {}: {}",
                    options.rounds,
                    said(size, seen)
                )),
                Err(error) => notes.add(format!("{place}: {error:#}")),
            }
        }
        sizes.reverse();
    }
}

/// Values by size, of several curves.
struct Points {
    labels: &'static [&'static str],
    /// Size, curve, value.
    values: Vec<(u32, usize, f64)>,
}

impl Points {
    const fn new(labels: &'static [&'static str]) -> Self {
        Self {
            labels,
            values: Vec::new(),
        }
    }

    fn add(&mut self, size: u32, curve: usize, value: f64) {
        self.values.push((size, curve, value));
    }

    fn chart(&self, title: &str, size: &str, unit: &str) -> Chart {
        let curves = self.labels.iter().enumerate().map(|(curve, label)| {
            let own = self.values.iter().filter(|(_, of, _)| *of == curve);
            let mut sizes: Vec<u32> = own.clone().map(|(size, ..)| *size).collect();
            sizes.sort_unstable();
            sizes.dedup();
            let points = sizes.into_iter().filter_map(|size| {
                let values = own.clone().filter(|(of, ..)| *of == size);
                Some(Point {
                    size: size.into(),
                    value: Spread::of(values.map(|(_, _, value)| *value))?,
                })
            });
            Curve {
                label: (*label).to_owned(),
                points: points.collect(),
            }
        });
        Chart {
            title: title.to_owned(),
            size: size.to_owned(),
            unit: unit.to_owned(),
            curves: curves.collect(),
        }
    }
}
