//! Plots that a person compares numbers by, as SVG: legible on light and dark pages, without a font or a script of their own.

mod axis;
mod bars;
mod canvas;
mod curves;

pub(crate) use self::bars::{Bar, Bars, Group};
pub(crate) use self::curves::{Chart, Curve, Curves, Point};
