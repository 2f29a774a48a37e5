//! How a series of bytes moves, for a row or a line: whether it does, and the steps of its spark line.

use std::time::Duration;

use crate::judge::growth::growth;
use crate::world::series::Trend;
use crate::world::{Series, Time};

/// The longest span a line shows.
const LINE: Duration = Duration::from_secs(3600);
/// Changes of less than this in an hour are noise, bytes.
const NOISE: f64 = 100.0 * 1_048_576.0;

/// The span of a trend that is no steady growth.
const RECENT: Duration = Duration::from_secs(1800);
/// A time to full beyond this helps nobody tonight.
const FORECAST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a number of bytes moves, and when it reaches `full` at this rate: the growth that the judge sees, else the last half
/// hour. `None` where it stands still.
pub fn of(series: &Series, now: Time, full: Option<f64>) -> Option<(Trend, Option<Duration>)> {
    let from = series.points().next()?.0;
    let grown = full.and_then(|full| growth(series, from, now, full)).map(|g| g.trend);
    let trend = grown.or_else(|| series.trend(now.minus(RECENT)).filter(moves))?;
    let left = full.and_then(|full| trend.time_to(full)).filter(|d| *d < FORECAST);
    Some((trend, left))
}

/// Whether a trend is more than noise.
fn moves(t: &Trend) -> bool {
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
