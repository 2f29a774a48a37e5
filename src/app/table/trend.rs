//! How a series of bytes moves, for a row or a line: whether it does, and the steps of its spark line.

use std::time::Duration;

use crate::world::series::Trend;
use crate::world::{Series, Time};

/// The longest span a line shows.
const LINE: Duration = Duration::from_secs(3600);
/// Changes of less than this in an hour are noise, bytes.
const NOISE: f64 = 100.0 * 1_048_576.0;

/// Whether a trend is more than noise.
pub fn moves(t: &Trend) -> bool {
    t.per_hour.abs() >= NOISE && t.growth().abs() > 2.0 * t.scatter && t.steadiness.abs() >= 0.5
}

/// The steps of a series' line, from nothing to the most it reached: the span known, at most an hour.
pub fn steps(series: &Series, now: Time) -> [u8; 8] {
    let known = series.points().next().map_or(Duration::ZERO, |(at, _)| at.age(now)).min(LINE);
    let cells = series.cells(now, known.max(Duration::from_secs(80)), 8);
    let most = cells.iter().flatten().copied().fold(0.0, f64::max);
    let level =
        |v: Option<f64>| v.map_or(0, |v| if most > 0.0 { 1 + (v / most * 7.0).round() as u8 } else { 1 });
    let mut out = [0; 8];
    for (to, v) in out.iter_mut().zip(cells) {
        *to = level(v);
    }
    out
}
