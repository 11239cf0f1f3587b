//! All curves, as Markdown, JSON and a plot.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::stripped::Figure;
use crate::machine::Machine;
use crate::plot::{Chart, Curves};
use crate::spread::number;

#[derive(Debug, Serialize)]
pub(super) struct Sheet {
    pub(super) machine: Machine,
    pub(super) charts: Vec<Chart>,
    pub(super) figures: Vec<Figure>,
    pub(super) notes: Vec<String>,
}

impl Sheet {
    /// Writes `growth.md`, `growth.json` and `growth.svg`.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("{} can't be written", path.display()))
        };
        let plot = Curves {
            title: "How cost grows with size".to_owned(),
            subtitles: [
                "Load, services and Redis share the machine. Medians, with whiskers from the least to the greatest.".to_owned(),
                self.machine.to_string(),
            ],
            charts: self.charts.clone(),
        };
        write("growth.md", self.to_string())?;
        write("growth.json", serde_json::to_string_pretty(self)? + "\n")?;
        write("growth.svg", plot.to_string())
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}.", self.machine)?;
        for chart in &self.charts {
            let labels: Vec<&str> = chart.curves.iter().map(|it| it.label.as_str()).collect();
            writeln!(f, "\n**{}** ({})\n", chart.title, chart.unit)?;
            writeln!(f, "| {} | {} |", chart.size, labels.join(" | "))?;
            writeln!(f, "| --- |{}", " --- |".repeat(labels.len()))?;
            let points = chart.curves.iter().flat_map(|curve| &curve.points);
            let mut sizes: Vec<f64> = points.map(|point| point.size).collect();
            sizes.sort_by(f64::total_cmp);
            sizes.dedup();
            for size in sizes {
                let values = chart.curves.iter().map(|curve| {
                    let at = |it: &&crate::plot::Point| it.size.total_cmp(&size).is_eq();
                    let found = curve.points.iter().find(at);
                    found.map_or_else(
                        || "-".to_owned(),
                        |point| format!("{:.*}", decimals(point.value.max), point.value),
                    )
                });
                let values: Vec<String> = values.collect();
                writeln!(f, "| {} | {} |", number(size, 0), values.join(" | "))?;
            }
        }
        if !self.figures.is_empty() {
            writeln!(f, "\n| | |\n| --- | --- |")?;
        }
        for Figure { title, value, unit } in &self.figures {
            writeln!(
                f,
                "| {title} | {} {unit} |",
                number(*value, decimals(*value))
            )?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}.")?;
        }
        Ok(())
    }
}

/// How many decimals are told of figures up to that one.
fn decimals(most: f64) -> usize {
    [1.0, 10.0, 1_000.0].iter().filter(|&&it| most < it).count()
}
