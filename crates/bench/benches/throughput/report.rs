//! The table of ratios.

use crate::turns::{BEFORE, BEFORE_KEYED, CONNECTIONS, KEYED, KEYED_CONNECTIONS, SERVERS};
use std::fmt;

/// One server's turn in one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) server: &'static str,
    pub(crate) connections: u32,
    pub(crate) votes_per_second: f64,
    pub(crate) commands: u64,
    pub(crate) votes: u64,
}

/// All rounds.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rounds: Vec<Round>,
}

impl Report {
    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    fn of(&self, server: &str, connections: u32) -> impl Iterator<Item = &Round> {
        self.rounds
            .iter()
            .filter(move |round| round.server == server && round.connections == connections)
    }

    fn rates(&self, server: &str, connections: u32) -> Vec<f64> {
        self.of(server, connections)
            .map(|round| round.votes_per_second)
            .collect()
    }

    /// The ratio of two servers, round by round.
    fn ratio(&self, server: &str, to: &str, connections: u32) -> [f64; 3] {
        let ratios = self
            .rates(server, connections)
            .into_iter()
            .zip(self.rates(to, connections))
            .map(|(server, to)| server / to)
            .collect();
        spread(ratios)
    }

    fn commands_per_vote(&self, server: &str, connections: u32) -> f64 {
        let (commands, votes) = self
            .of(server, connections)
            .fold((0, 0), |(commands, votes), round| {
                (commands + round.commands, votes + round.votes)
            });
        as_f64(commands) / as_f64(votes)
    }
}

/// Least, median and greatest.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    [
        values.first().copied().unwrap_or(f64::NAN),
        middle,
        values.last().copied().unwrap_or(f64::NAN),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "for a ratio with three digits")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\naccepted votes per second, median (least to greatest):"
        )?;
        for connections in CONNECTIONS {
            for server in SERVERS {
                let [least, median, greatest] = spread(self.rates(server, connections));
                writeln!(
                    f,
                    "  {connections:>5} connections  {server:<9} {median:>9.0}  ({least:.0} to {greatest:.0})"
                )?;
            }
        }
        writeln!(
            f,
            "\nratios of one run, median of rounds (least to greatest):"
        )?;
        for connections in CONNECTIONS {
            for to in ["no-redis", "per-vote"] {
                let [least, median, greatest] = self.ratio("lane", to, connections);
                let bar = "#".repeat(bar_length(median));
                writeln!(
                    f,
                    "  {connections:>5} connections  lane / {to:<9} {median:>6.2}  ({least:.2} to {greatest:.2})  {bar}"
                )?;
            }
        }
        let [with, without] = KEYED;
        let [least, median, greatest] = self.ratio(with, without, KEYED_CONNECTIONS);
        writeln!(
            f,
            "\nvotes with keys, replay window on / off:\n  {KEYED_CONNECTIONS:>5} connections  {median:>23.2}  ({least:.2} to {greatest:.2})"
        )?;
        self.write_compared(f)?;
        writeln!(f, "\nRedis commands per vote:")?;
        for connections in CONNECTIONS {
            for server in ["lane", "per-vote"] {
                let commands = self.commands_per_vote(server, connections);
                writeln!(
                    f,
                    "  {connections:>5} connections  {server:<9} {commands:>7.3}"
                )?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// This build beside the one that it was compared with, if there was one.
    fn write_compared(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rates(BEFORE_KEYED, KEYED_CONNECTIONS).is_empty() {
            return Ok(());
        }
        let [keyed, _] = KEYED;
        writeln!(f, "\nthis build / the one before:")?;
        let plain = CONNECTIONS.map(|connections| ("lane", BEFORE, connections));
        for (now, before, connections) in
            plain
                .into_iter()
                .chain([(keyed, BEFORE_KEYED, KEYED_CONNECTIONS)])
        {
            let [least, median, greatest] = self.ratio(now, before, connections);
            let kind = if now == keyed { "a key each" } else { "no key" };
            writeln!(
                f,
                "  {connections:>5} connections  {kind:<10} {median:>12.3}  ({least:.3} to {greatest:.3})"
            )?;
        }
        Ok(())
    }
}

/// Ten characters for 1.0.
fn bar_length(ratio: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a line's length"
    )]
    let length = (ratio * 10.0).clamp(0.0, 60.0) as usize;
    length
}
