//! Bars in groups, beside two axes.

use std::fmt;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use crate::spread::{Spread, number};

const WIDTH: f64 = 1120.0;
const LABELS: f64 = 290.0;
/// Of one axis.
const LENGTH: f64 = 330.0;
const GAP: f64 = 80.0;
const TOP: f64 = 110.0;
const LINE: f64 = 22.0;
const BAR: f64 = 13.0;

/// One row.
pub(crate) struct Bar {
    pub(crate) label: &'static str,
    pub(crate) is_ours: bool,
    /// By axis: its parts, one behind the other.
    pub(crate) values: [Vec<Spread>; 2],
}

/// Some rows under a title.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

/// The whole picture.
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) subtitles: [String; 2],
    pub(crate) axes: [&'static str; 2],
    pub(crate) groups: Vec<Group>,
}

impl Bars {
    fn height(&self) -> f64 {
        // A line for each title, and half a one below each group.
        let titles = self.groups.iter().map(|_group| LINE * 1.5).sum::<f64>();
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        TOP + titles + bars.map(|_bar| LINE).sum::<f64>() + 40.0
    }

    /// The greatest end of a bar or a whisker.
    fn greatest(&self, axis: usize) -> f64 {
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        bars.flat_map(|bar| bar.values.get(axis))
            .map(|parts| parts.iter().map(|part| part.max).sum())
            .fold(0.0, f64::max)
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = self.height();
        let mut canvas = Canvas::new(WIDTH, height, &self.title);
        canvas.text([16.0, 30.0], Anchor::Start, "title", &self.title);
        for (subtitle, y) in self.subtitles.iter().zip([50.0, 67.0]) {
            canvas.text([16.0, y], Anchor::Start, "muted", subtitle);
        }
        let axes: [Axis; 2] = std::array::from_fn(|axis| {
            let start = LABELS + if axis == 0 { 0.0 } else { LENGTH + GAP };
            Axis::linear(self.greatest(axis), start, LENGTH)
        });
        let bottom = height - 40.0;
        for (axis, label) in axes.iter().zip(self.axes) {
            for (value, text) in axis.marks() {
                let x = axis.at(value);
                canvas.line([x, TOP - 8.0], [x, bottom], "grid");
                canvas.text([x, bottom + 16.0], Anchor::Middle, "muted", &text);
            }
            canvas.text([axis.at(0.0), TOP - 18.0], Anchor::Start, "group", label);
        }
        let mut y = TOP;
        for group in &self.groups {
            canvas.text([16.0, y + 10.0], Anchor::Start, "group", &group.title);
            y += LINE;
            for bar in &group.bars {
                bar.draw(&mut canvas, &axes, y);
                y += LINE;
            }
            y += LINE / 2.0;
        }
        f.write_str(&canvas.end())
    }
}

impl Bar {
    fn draw(&self, canvas: &mut Canvas, axes: &[Axis; 2], y: f64) {
        let class = if self.is_ours { "ours" } else { "" };
        let label = [LABELS - 10.0, y + BAR - 2.0];
        canvas.text(label, Anchor::End, class, self.label);
        for (axis, parts) in axes.iter().zip(&self.values) {
            let (mut from, mut end) = (0.0, 0.0_f64);
            for (place, part) in parts.iter().enumerate() {
                let colour = match (place, self.is_ours) {
                    (0, true) => "c1",
                    (0, false) => "c0",
                    _ => "c2",
                };
                let (start, stop) = (axis.at(from), axis.at(from + part.median));
                canvas.bar([start, y], [stop - start, BAR], colour);
                if part.max > part.min {
                    let middle = y + BAR / 2.0;
                    let [least, most] = [part.min, part.max].map(|value| axis.at(from + value));
                    canvas.line([least, middle], [most, middle], "whisker");
                    for x in [least, most] {
                        canvas.line([x, middle - 4.0], [x, middle + 4.0], "whisker");
                    }
                }
                end = end.max(from + part.max.max(part.median));
                from += part.median;
            }
            let decimals = if from < 1_000.0 { 1 } else { 0 };
            let behind = [axis.at(end) + 6.0, y + BAR - 2.0];
            canvas.text(behind, Anchor::Start, "muted", &number(from, decimals));
        }
    }
}
