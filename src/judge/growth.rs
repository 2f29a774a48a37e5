//! Whether a series grows towards its limit without bound: a leak, and not a plateau, a saw-tooth or noise.

use std::time::Duration;

use crate::world::series::{FEWEST, Trend};
use crate::world::{Series, Time};

/// Spans looked at in this order. A slow leak shows in the longest, one that just began in the shortest.
const SPANS: [Duration; 8] = [
    Duration::from_secs(3 * 86_400),
    Duration::from_secs(86_400),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(3600),
    Duration::from_secs(900),
    Duration::from_secs(180),
    Duration::from_secs(60),
    // A metrics server measures every 15 s: a minute has five readings of it.
    Duration::from_secs(90),
];
/// Nothing is told from less than this.
const SHORTEST: Duration = Duration::from_secs(15);
/// A forecast reaches this many times as far as the readings do; further where they lie on a line.
const REACH: (u32, u32) = (20, 90);

/// A steady growth.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Growth {
    pub trend: Trend,
    /// Until the limit is reached at this rate.
    pub left: Duration,
    /// When the span that shows it began.
    pub since: Time,
}

/// Looks for a steady growth of the series towards `full` in its readings since `from`.
///
/// It has to have risen by more than noise and more than half a per cent of `full`, in most pairs of readings, up to now, to a level
/// not seen before, and it has to reach `full` soon by the measure of how long it was watched.
pub fn growth(series: &Series, from: Time, now: Time, full: f64) -> Option<Growth> {
    let spans = SPANS.iter().map(|span| now.minus(*span)).filter(|start| *start > from);
    std::iter::once(from).chain(spans).find_map(|start| in_span(series, from, start, full))
}

/// The correlation of two numbers since `from`: Pearson's r, and from how many pairs of readings. The first is taken at
/// the times of the second, on the line between its readings. `None` with fewer than six pairs, or where one stands still.
pub fn correlation(a: &Series, b: &Series, from: Time) -> Option<(f64, usize)> {
    let all: Vec<(Time, f64)> = a.points().filter(|(t, _)| *t >= from).collect();
    let at = |time: Time| {
        let after = all.partition_point(|(t, _)| *t < time);
        let (t1, v1) = all.get(after)?;
        if *t1 == time {
            return Some(*v1);
        }
        let (t0, v0) = all.get(after.checked_sub(1)?)?;
        Some(v0 + (v1 - v0) * (time.0 - t0.0) as f64 / (t1.0 - t0.0) as f64)
    };
    let pairs: Vec<(f64, f64)> = b.points().filter_map(|(t, y)| Some((at(t)?, y))).collect();
    if pairs.len() < FEWEST {
        return None;
    }
    let n = pairs.len() as f64;
    let (mx, my) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let sum = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
    let (xx, yy) = (sum(&|p| (p.0 - mx).powi(2)), sum(&|p| (p.1 - my).powi(2)));
    let r = sum(&|p| (p.0 - mx) * (p.1 - my)) / (xx * yy).sqrt();
    r.is_finite().then_some((r, pairs.len()))
}

fn in_span(series: &Series, from: Time, start: Time, full: f64) -> Option<Growth> {
    let trend = series.trend(start)?;
    let straight = trend.steadiness >= 0.95 && trend.growth() >= 10.0 * trend.scatter;
    let grown = trend.growth();
    if trend.span < SHORTEST
        || trend.steadiness < 0.7
        || grown < 3.0 * trend.scatter
        || grown < full / 200.0
        || trend.last >= full
    {
        return None;
    }
    let left = trend.time_to(full)?;
    if left > trend.span * (if straight { REACH.1 } else { REACH.0 }) {
        return None;
    }
    // It still grows: a plateau is reached, and not passed.
    let quarter = trend.span / 4;
    let mean = |after: Time, before: Time| {
        let values: Vec<f64> =
            series.points().filter(|(t, _)| *t > after && *t <= before).map(|(_, v)| v).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let (last, _) = series.last()?;
    let before = mean(last.minus(quarter * 2), last.minus(quarter))?;
    let recent = mean(last.minus(quarter), last)?;
    if recent - before < grown / 4.0 * 0.25 {
        return None;
    }
    // A saw-tooth rises too, to where it has been before; and after it fell its readings still rise on the whole.
    let peak = |before: Time| {
        series.points().filter(|(t, _)| *t >= from && *t < before).map(|(_, v)| v).fold(0.0, f64::max)
    };
    if trend.last < peak(start) * 1.02 || trend.last < peak(last) * 0.97 {
        return None;
    }
    Some(Growth { trend, left, since: last.minus(trend.span) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: f64 = 32.0;

    fn at(seconds: i64) -> Time {
        Time(1_700_000_000_000 + seconds * 1000)
    }

    /// A series read every `step` seconds for `seconds`.
    fn series(step: i64, seconds: i64, value: impl Fn(f64) -> f64) -> Series {
        let mut out = Series::new();
        for t in (0..=seconds).step_by(step as usize) {
            out.push(at(t), value(t as f64));
        }
        out
    }

    fn noise(t: f64) -> f64 {
        let mixed = (t as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(31)
            .wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    #[test]
    fn a_leak_is_found_with_its_rate_and_the_time_left() {
        // 6 an hour from 12 of 32, with noise: full after 3 h 20 min, of which one has passed.
        let s = series(10, 3600, |t| 12.0 + t / 600.0 + noise(t) * 0.2);
        let g = growth(&s, at(0), at(3600), FULL).unwrap();
        assert!((g.trend.per_hour - 6.0).abs() < 0.3, "{g:?}");
        let left = g.left.as_secs_f64() / 3600.0;
        assert!((left - 2.33).abs() < 0.2, "{left} h");
        // Two weeks' worth: 12 to 28 in 14 days, read every 10 minutes for a day.
        let s = series(600, 86_400, |t| 12.0 + t / 86_400.0 * 16.0 / 14.0 + noise(t) * 0.05);
        let g = growth(&s, at(0), at(86_400), FULL).unwrap();
        let days = g.left.as_secs_f64() / 86_400.0;
        assert!((15.0..18.5).contains(&days), "{days} days");
    }

    #[test]
    fn a_leak_that_just_began_is_found_after_a_long_calm() {
        let leak = |t: f64| 12.0 + if t > 3600.0 { (t - 3600.0) / 50.0 } else { 0.0 };
        let s = series(5, 3660, leak);
        let g = growth(&s, at(0), at(3660), FULL).unwrap();
        assert!((g.trend.per_hour - 72.0).abs() < 8.0, "{g:?}");
        assert_eq!(growth(&s, at(0), at(3660), 3200.0), None, "a minute forecasts no week");
        // Looked at for twenty seconds only.
        let s = series(2, 20, |t| 13.2 + t / 50.0);
        let g = growth(&s, at(0), at(20), FULL).unwrap();
        assert!((g.left.as_secs_f64() - 920.0).abs() < 60.0, "{g:?}");
    }

    #[test]
    fn what_is_no_leak_is_none() {
        let cases: [(&str, Series, i64); 9] = [
            ("flat", series(10, 3600, |_| 12.0), 3600),
            ("noise", series(10, 3600, |t| 12.0 + noise(t)), 3600),
            ("a plateau after a rise", series(10, 3600, |t| 12.0 + (t / 120.0).min(10.0)), 3600),
            ("levelling off", series(10, 7200, |t| 12.0 + 10.0 * (1.0 - (-t / 600.0).exp())), 7200),
            ("a saw-tooth going up again", series(10, 3590, |t| 12.0 + (t % 600.0) / 60.0), 3590),
            ("a pre-allocation", series(10, 3600, |t| if t < 60.0 { 2.0 } else { 28.8 }), 3600),
            ("a step", series(10, 3600, |t| if t < 2700.0 { 12.0 } else { 15.0 }), 3600),
            ("falling", series(10, 3600, |t| 28.0 - t / 600.0), 3600),
            ("too few", series(5, 20, |t| 12.0 + t), 20),
        ];
        for (name, s, end) in cases {
            assert_eq!(growth(&s, at(0), at(end), FULL), None, "{name}");
        }
    }

    #[test]
    fn a_saw_tooth_is_none_at_any_moment_of_its_second_rise() {
        for end in (620..1190).step_by(10) {
            let s = series(10, end, |t| 12.0 + (t % 600.0) / 60.0);
            assert_eq!(growth(&s, at(0), at(end), FULL), None, "after {end} s");
        }
    }

    #[test]
    fn two_numbers_that_grow_together_correlate_and_others_do_not() {
        let memory = series(10, 3600, |t| 12.0 + t / 600.0);
        let latency = series(30, 3600, |t| 0.1 + t / 36_000.0);
        let (r, n) = correlation(&memory, &latency, at(0)).unwrap();
        assert!(r > 0.999 && n > 40, "{r} from {n}");
        let (r, _) = correlation(&memory, &series(30, 3600, noise), at(0)).unwrap();
        assert!(r.abs() < 0.4, "{r}");
        assert_eq!(correlation(&memory, &series(30, 3600, |_| 0.3), at(0)), None, "it stands still");
        assert_eq!(correlation(&memory, &series(30, 120, |t| t), at(0)), None, "five pairs are too few");
    }

    #[test]
    fn after_a_restart_only_the_new_run_counts() {
        // Leaks to 28, is restarted, and leaks again.
        let s = series(10, 7190, |t| 12.0 + (t % 3600.0) / 225.0);
        assert!(growth(&s, at(3600), at(7190), FULL).is_some());
    }
}
