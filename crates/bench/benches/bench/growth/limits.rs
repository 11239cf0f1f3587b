//! What the limits of addresses take in memory, with more and more addresses, each of a prefix of its own; and what it takes to ask.
//! Each size has a process of its own: of one that has had another table before nobody could tell what is the new one's.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use vote_limits::{Carriers, Kind, Limits, LimitsConfig};
use vote_runtime::{ServiceName, Settings};

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::process::anonymous;
use crate::rows::Row;
use crate::say::say;
use crate::spread::{as_f64, number};

const ADDRESSES: [u32; 3] = [10_000, 100_000, 1_000_000];
const MIB: f64 = 1_048_576.0;

#[derive(Serialize, Deserialize)]
struct Seen {
    /// MiB: by its own statement, and by what the process is larger.
    stated: f64,
    resident: f64,
    /// Nanoseconds to ask for an address that has not come yet, and for one that has.
    new: f64,
    known: f64,
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let mut memory = Points::new(&["of the tables", "resident"]);
    let mut time = Points::new(&["the first vote", "a further one"]);
    let sizes = (&ADDRESSES[..], "addresses");
    in_rounds(
        options,
        clock,
        notes,
        sizes,
        once,
        |addresses, seen: Seen| {
            memory.add(addresses, 0, seen.stated);
            memory.add(addresses, 1, seen.resident);
            time.add(addresses, 0, seen.new);
            time.add(addresses, 1, seen.known);
            format!(
                "{} MiB, {} resident; {} and {} ns to ask",
                number(seen.stated, 1),
                number(seen.resident, 1),
                number(seen.new, 0),
                number(seen.known, 0)
            )
        },
    )
    .await;
    Ok(vec![
        memory.chart(
            "Memory of the limits of addresses",
            "addresses, each of another prefix",
            "MiB",
        ),
        time.chart(
            "Asking the limits of addresses",
            "addresses, each of another prefix",
            "nanoseconds a vote",
        ),
    ])
}

async fn once(addresses: u32) -> anyhow::Result<Seen> {
    let output = Command::new(std::env::current_exe()?)
        .args(["limits", &addresses.to_string()])
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).context(said)
}

/// Asks for so many addresses in this process, and prints what came of it.
pub(crate) fn of_this_process(addresses: u32) -> anyhow::Result<()> {
    say(&serde_json::to_string(&ask(addresses)?)?);
    Ok(())
}

fn ask(addresses: u32) -> anyhow::Result<Seen> {
    let (config, began) = (config()?, Instant::now());
    let before = anonymous(std::process::id())?;
    let limits = Limits::new(config, Carriers::default(), began);
    let ask_all = || -> anyhow::Result<f64> {
        let asked = Instant::now();
        for number in 0..addresses {
            // All at one time, so that nothing that was taken is free again.
            let verdict = limits.admit(address(number), began);
            ensure!(
                verdict.limited.is_none(),
                "address {number} of {addresses} was limited"
            );
            ensure!(
                !verdict.address_untracked,
                "there was no place for address {number} of {addresses}"
            );
        }
        Ok(asked.elapsed().as_secs_f64() * 1e9 / f64::from(addresses))
    };
    let (new, known) = (ask_all()?, ask_all()?);
    let after = anonymous(std::process::id())?;
    let counted = limits.slots_in_use(Kind::Address, began);
    ensure!(
        as_f64(u64::try_from(counted)?) > 0.9 * f64::from(addresses),
        "of {addresses} addresses {counted} are remembered"
    );
    let stated = u64::try_from(black_box(&limits).memory_bytes())?;
    Ok(Seen {
        stated: as_f64(stated) / MIB,
        resident: as_f64(after.saturating_sub(before)) / MIB,
        new,
        known,
    })
}

/// The limits of the main table's row, in the memory of the settings' defaults.
fn config() -> anyhow::Result<LimitsConfig> {
    let settings = Row::OursLimited.settings().iter();
    let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::load(ServiceName::Ingest, None, settings)?;
    let config = settings.limits.config();
    config.context("the settings have no limits")
}

/// Each of another /24.
fn address(number: u32) -> IpAddr {
    // An odd factor: all are different, and spread over all networks.
    Ipv4Addr::from((number.wrapping_mul(0x9e37_79b1) & 0xffff_ff00) | (number & 0xff)).into()
}
