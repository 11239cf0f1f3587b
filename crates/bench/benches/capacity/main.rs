//! What a show of any size needs, worked out in virtual time: `make capacity`.
//!
//! Votes come at random (a Poisson process) to ingest processes, each of which has a lane for each shard, and lanes send
//! their batches to the masters of a cluster, each of which does one thing after the other. How long a lane holds back is the
//! lanes' own rule; what a batch and a vote cost is what `make sizing-measure` has measured on one small machine.
//! Nothing is sent, so a thousand lanes need no thousand connections, and a million votes a second no cluster.
//! The table goes to docs/capacity.md, and to the output as it comes.

mod costs;
mod show;
mod shows;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use costs::Costs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/capacity.md");
/// Around the table.
const MARKS: [&str; 2] = ["<!-- shows -->\n", "<!-- /shows -->"];

fn main() -> anyhow::Result<()> {
    let costs = Costs::measured()?;
    let mut out = std::io::stdout().lock();
    let mut table = shows::head(&costs);
    writeln!(out, "{table}")?;
    for show in shows::SHOWS {
        let row = shows::row(show, &costs);
        writeln!(out, "{row}")?;
        out.flush()?;
        table += "\n";
        table += &row;
    }
    write(Path::new(PAGE), &table)
}

/// Puts the table where the page has its marks.
fn write(page: &Path, table: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("{}", page.display()))?;
    let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(MARKS[1])?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("{}: no {MARKS:?}", page.display()))?;
    let [first, last] = MARKS;
    fs::write(page, format!("{before}{first}{table}\n{last}{after}"))?;
    Ok(())
}
