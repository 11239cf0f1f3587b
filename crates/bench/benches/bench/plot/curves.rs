//! Curves over sizes, several charts in one picture.

use std::fmt;

use serde::Serialize;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use crate::spread::{Spread, number};

const WIDTH: f64 = 1120.0;
const TOP: f64 = 76.0;
/// Of a chart with its labels.
const CELL: [f64; 2] = [560.0, 300.0];
/// Of what is drawn in it.
const FIELD: [f64; 2] = [400.0, 190.0];
const COLOURS: [&str; 4] = ["c1", "c3", "c4", "c0"];

/// A value at a size.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    pub(crate) size: f64,
    pub(crate) value: Spread,
}

/// Values of one kind.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Curve {
    pub(crate) label: String,
    pub(crate) points: Vec<Point>,
}

/// What is compared.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) size: String,
    pub(crate) unit: String,
    pub(crate) curves: Vec<Curve>,
}

/// The whole picture.
#[derive(Debug, Clone)]
pub(crate) struct Curves {
    pub(crate) title: String,
    pub(crate) subtitles: [String; 2],
    pub(crate) charts: Vec<Chart>,
}

impl fmt::Display for Curves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, cell] = CELL;
        let height = TOP + self.charts.chunks(2).map(|_row| cell).sum::<f64>();
        let mut canvas = Canvas::new(WIDTH, height, &self.title);
        canvas.text([16.0, 30.0], Anchor::Start, "title", &self.title);
        for (subtitle, y) in self.subtitles.iter().zip([50.0, 67.0]) {
            canvas.text([16.0, y], Anchor::Start, "muted", subtitle);
        }
        let mut y = TOP;
        for row in self.charts.chunks(2) {
            for (chart, x) in row.iter().zip([0.0, CELL[0]]) {
                chart.draw(&mut canvas, [x + 70.0, y + 36.0]);
            }
            y += cell;
        }
        f.write_str(&canvas.end())
    }
}

impl Chart {
    fn draw(&self, canvas: &mut Canvas, [left, top]: [f64; 2]) {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let sizes = points().map(|point| point.size);
        let (least, most) = (
            sizes.clone().fold(f64::INFINITY, f64::min),
            sizes.fold(0.0, f64::max),
        );
        if most <= 0.0 {
            return;
        }
        let greatest = points().map(|point| point.value.max).fold(0.0, f64::max);
        let across = Axis::logarithmic(least, most, left, FIELD[0]);
        let up = Axis::linear(greatest, 0.0, FIELD[1]);
        let bottom = top + FIELD[1];
        canvas.text(
            [left - 50.0, top - 18.0],
            Anchor::Start,
            "group",
            &self.title,
        );
        for (value, text) in up.marks() {
            let y = bottom - up.at(value);
            canvas.line([left, y], [left + FIELD[0], y], "grid");
            canvas.text([left - 6.0, y + 4.0], Anchor::End, "muted", &text);
        }
        let mut marked: Vec<f64> = points().map(|point| point.size).collect();
        marked.sort_by(f64::total_cmp);
        marked.dedup();
        for size in marked {
            let at = [across.at(size), bottom + 18.0];
            canvas.text(at, Anchor::Middle, "muted", &number(size, 0));
        }
        let middle = left + FIELD[0] / 2.0;
        canvas.text([middle, bottom + 38.0], Anchor::Middle, "muted", &self.size);
        canvas.upright([left - 56.0, top + FIELD[1] / 2.0], "muted", &self.unit);
        for (curve, colour) in self.curves.iter().zip(COLOURS) {
            curve.draw(
                canvas,
                |point, value| [across.at(point.size), bottom - up.at(value)],
                colour,
            );
        }
    }
}

impl Curve {
    fn draw(&self, canvas: &mut Canvas, at: impl Fn(&Point, f64) -> [f64; 2], colour: &str) {
        let line: Vec<_> = self
            .points
            .iter()
            .map(|it| at(it, it.value.median))
            .collect();
        canvas.path(&line, &format!("{colour} line"));
        for point in &self.points {
            let Spread { min, median, max } = point.value;
            let ([x, low], [_, high]) = (at(point, min), at(point, max));
            if max > min {
                canvas.line([x, low], [x, high], "whisker");
                for y in [low, high] {
                    canvas.line([x - 4.0, y], [x + 4.0, y], "whisker");
                }
            }
            canvas.dot(at(point, median), colour);
        }
        if let Some([x, y]) = line.last() {
            canvas.text([x + 8.0, y + 4.0], Anchor::Start, "", &self.label);
        }
    }
}
