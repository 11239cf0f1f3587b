//! What the main table says, as Markdown, JSON and a plot.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::TableOptions;
use crate::machine::Machine;
use crate::plot::{Bar, Bars, Group};
use crate::rows::{Row, Serving};
use crate::spread::{Spread, as_f64};

/// A million votes: what processor time is told of.
const MILLION: f64 = 1e6;

/// One row's turn.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Turn {
    pub(crate) row: Row,
    pub(crate) connections: u32,
    pub(crate) round: u32,
    pub(crate) votes: u64,
    pub(crate) seconds: f64,
    pub(crate) server_cpu_s: f64,
    pub(crate) redis_cpu_s: f64,
    pub(crate) redis_commands: u64,
}

impl Turn {
    pub(crate) fn votes_per_second(&self) -> f64 {
        as_f64(self.votes) / self.seconds
    }

    fn per_million(&self, cpu_s: f64) -> f64 {
        cpu_s / as_f64(self.votes) * MILLION
    }
}

/// All turns, and what they come to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    seconds_a_turn: u32,
    append_only: bool,
    connections: Vec<u32>,
    rows: Vec<Figures>,
    /// With something ÷ without it.
    added: Vec<Compared>,
    /// This build ÷ the other one.
    compared: Vec<Compared>,
    rounds: Vec<Turn>,
}

/// A row at a number of connections.
#[derive(Debug, Serialize)]
struct Figures {
    row: Row,
    title: &'static str,
    connections: u32,
    votes_per_second: Spread,
    server_cpu_s_per_million: Spread,
    redis_cpu_s_per_million: Spread,
    /// Round by round.
    to_actix_web: Option<Spread>,
    redis_commands_per_vote: Spread,
}

/// A row ÷ another one, round by round.
#[derive(Debug, Serialize)]
struct Compared {
    row: Row,
    title: &'static str,
    connections: u32,
    votes_per_second: Spread,
    server_cpu: Spread,
    redis_cpu: Option<Spread>,
    cpu: Spread,
}

impl Report {
    pub(crate) fn new(machine: Machine, options: &TableOptions, turns: Vec<Turn>) -> Self {
        let connections = options.connections.clone();
        let each = || {
            let rows = Row::ALL.into_iter();
            rows.flat_map(|row| connections.iter().map(move |&it| (row, it)))
        };
        let rows = each().filter_map(|(row, it)| Figures::of(&turns, row, it));
        let added = each().filter_map(|(row, it)| Compared::of(&turns, row, row.without()?, it));
        let compared = each().filter_map(|(row, it)| Compared::of(&turns, row, row.before()?, it));
        Self {
            rows: rows.collect(),
            added: added.collect(),
            compared: compared.collect(),
            machine,
            seconds_a_turn: options.seconds,
            append_only: options.append_only,
            connections,
            rounds: turns,
        }
    }

    /// Writes `table.md`, `table.json` and `table.svg`.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("{} can't be written", path.display()))
        };
        write("table.md", self.to_string())?;
        write("table.json", serde_json::to_string_pretty(self)? + "\n")?;
        write("table.svg", self.plot().to_string())
    }

    fn plot(&self) -> Bars {
        let groups = self.connections.iter().map(|&connections| {
            let of = self
                .rows
                .iter()
                .filter(|row| row.connections == connections);
            let bars = of.map(|figures| Bar {
                label: figures.title,
                is_ours: figures.row.serving() == Serving::Ours,
                values: [
                    vec![figures.votes_per_second],
                    vec![
                        figures.server_cpu_s_per_million,
                        figures.redis_cpu_s_per_million,
                    ],
                ],
            });
            Group {
                title: format!("{connections} connections"),
                bars: bars.collect(),
            }
        });
        Bars {
            title: "Accepted votes a second, and what they cost".to_owned(),
            subtitles: [
                "Load, server and Redis share the machine. Medians of interleaved rounds, with whiskers from the least to the \
                 greatest."
                    .to_owned(),
                self.machine.to_string(),
            ],
            axes: [
                "accepted votes a second",
                "CPU seconds a million votes: server (dark), Redis (light)",
            ],
            groups: groups.collect(),
        }
    }
}

fn turns(turns: &[Turn], row: Row, connections: u32) -> impl Iterator<Item = &Turn> + Clone {
    let of = move |turn: &&Turn| turn.row == row && turn.connections == connections;
    turns.iter().filter(of)
}

/// Turn ÷ the other row's in the same round.
fn ratio(
    all: &[Turn],
    rows: [Row; 2],
    connections: u32,
    figure: impl Fn(&Turn) -> f64,
) -> Option<Spread> {
    let [of, to] = rows.map(|row| turns(all, row, connections));
    Spread::of(of.filter_map(|turn| {
        let other = to.clone().find(|other| other.round == turn.round)?;
        Some(figure(turn) / figure(other)).filter(|ratio| ratio.is_finite())
    }))
}

impl Figures {
    fn of(all: &[Turn], row: Row, connections: u32) -> Option<Self> {
        let of =
            |figure: &dyn Fn(&Turn) -> f64| Spread::of(turns(all, row, connections).map(figure));
        let rate = Turn::votes_per_second;
        let to_actix_web = ratio(all, [row, Row::ActixWeb], connections, rate);
        Some(Self {
            row,
            title: row.title(),
            connections,
            votes_per_second: of(&rate)?,
            server_cpu_s_per_million: of(&|turn| turn.per_million(turn.server_cpu_s))?,
            redis_cpu_s_per_million: of(&|turn| turn.per_million(turn.redis_cpu_s))?,
            to_actix_web,
            redis_commands_per_vote: of(&|turn| as_f64(turn.redis_commands) / as_f64(turn.votes))?,
        })
    }
}

impl Compared {
    fn of(all: &[Turn], row: Row, to: Row, connections: u32) -> Option<Self> {
        let rows = [row, to];
        let of = |figure: fn(&Turn) -> f64| ratio(all, rows, connections, figure);
        Some(Self {
            row,
            title: row.title(),
            connections,
            votes_per_second: of(Turn::votes_per_second)?,
            server_cpu: of(|turn| turn.per_million(turn.server_cpu_s))?,
            redis_cpu: of(|turn| turn.per_million(turn.redis_cpu_s)),
            cpu: of(|turn| turn.per_million(turn.server_cpu_s + turn.redis_cpu_s))?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.rounds.iter().map(|turn| turn.round).max();
        writeln!(
            f,
            "{}. Load, servers and Redis ({}) share the machine; medians of {} interleaved rounds of {} s, least to greatest in \
             brackets.\n",
            self.machine,
            if self.append_only {
                "with an append-only file"
            } else {
                "without persistence"
            },
            rounds.unwrap_or_default(),
            self.seconds_a_turn,
        )?;
        writeln!(
            f,
            "| | connections | accepted votes/s | ÷ actix-web | CPU s a million: server | Redis | Redis commands a vote |\n\
             | --- | --- | --- | --- | --- | --- | --- |"
        )?;
        for row in &self.rows {
            let records = row.row.has_redis();
            writeln!(
                f,
                "| {} | {} | {} | {} | {:.1} | {} | {} |",
                row.title,
                row.connections,
                row.votes_per_second,
                shown(row.to_actix_web.filter(|_| row.row != Row::ActixWeb)),
                row.server_cpu_s_per_million,
                shown_1(records.then_some(row.redis_cpu_s_per_million)),
                records.then_some(row.redis_commands_per_vote).map_or_else(
                    || "-".to_owned(),
                    |commands| format!("{:.3}", commands.median)
                ),
            )?;
        }
        write_compared(f, "With that ÷ without it", &self.added)?;
        write_compared(f, "This build ÷ the one before", &self.compared)
    }
}

fn write_compared(f: &mut fmt::Formatter<'_>, what: &str, rows: &[Compared]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n{what}, round by round:\n\n\
         | | connections | accepted votes/s | CPU a vote: ingest | Redis | both |\n| --- | --- | --- | --- | --- | --- |"
    )?;
    for row in rows {
        writeln!(
            f,
            "| {} | {} | {:.2} | {:.2} | {} | {:.2} |",
            row.title,
            row.connections,
            row.votes_per_second,
            row.server_cpu,
            shown(row.redis_cpu),
            row.cpu
        )?;
    }
    Ok(())
}

fn shown(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread:.2}"))
}

fn shown_1(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread:.1}"))
}
