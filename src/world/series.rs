//! A bounded series of readings of one number, finer for the recent past than for the distant one.

use std::collections::VecDeque;
use std::time::Duration;

use super::Time;

/// Readings kept as they were taken.
const KEPT: usize = 64;
/// Width and number of the coarser resolutions' points: they reach back an hour, a day and two weeks. All points of a
/// series at 8 bytes are 1.7 KiB.
const COARSE: [(Duration, usize); 3] =
    [(Duration::from_secs(60), 64), (Duration::from_secs(36 * 60), 40), (Duration::from_secs(504 * 60), 40)];
/// Points a trend looks at: it compares each pair.
const COMPARED: usize = 48;
/// Fewer readings than this are no trend.
pub const FEWEST: usize = 6;

/// A reading: tenths of a second since the series began, and the value.
type Point = (u32, f32);

/// Readings of one number, oldest first. Every reading of the recent past is kept; older ones become means.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Series {
    /// The moment that points count from.
    began: Time,
    fine: VecDeque<Point>,
    coarse: [Means; 3],
}

/// Means over buckets of one width.
#[derive(Clone, PartialEq, Debug, Default)]
struct Means {
    points: VecDeque<Point>,
    open: Bucket,
}

/// The bucket that still fills.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Bucket {
    number: u32,
    /// Sums of the readings' times and values.
    times: u64,
    values: f64,
    count: u32,
}

impl Means {
    fn push(&mut self, (width, kept): (Duration, usize), at: u32, value: f64) {
        let width = u32::try_from(width.as_millis() / 100).unwrap_or(u32::MAX);
        let bucket = at / width;
        if bucket != self.open.number {
            let Bucket { times, values, count, .. } = self.open;
            if count > 0 {
                // The mean of the times, not the middle: a bucket with one reading is a point where that was.
                let time = u32::try_from(times / u64::from(count)).unwrap_or(u32::MAX);
                append(&mut self.points, kept, (time, (values / f64::from(count)) as f32));
            }
            self.open = Bucket { number: bucket, ..Bucket::default() };
        }
        self.open.times += u64::from(at);
        self.open.values += value;
        self.open.count += 1;
    }
}

fn append(points: &mut VecDeque<Point>, kept: usize, point: Point) {
    if points.len() == kept {
        points.pop_front();
    } else if points.len() == points.capacity() {
        // A deque that grows by itself would double its room beyond what is ever kept.
        points.reserve_exact(points.len().max(4).min(kept - points.len()));
    }
    points.push_back(point);
}

/// How a number moved over a span, from the median of the slopes between its readings (Theil–Sen): a few readings that
/// stand apart do not change it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trend {
    /// Change of the value in an hour.
    pub per_hour: f64,
    /// Readings it was taken from.
    pub samples: usize,
    /// From the first of them to the last.
    pub span: Duration,
    /// Pairs of readings that rise, less those that fall, of all pairs: 1 only rises, 0 goes nowhere, -1 only falls.
    pub steadiness: f64,
    /// Half of the readings lie closer than this to the line.
    pub scatter: f64,
    /// The last value.
    pub last: f64,
}

impl Trend {
    /// The rise of the line over the span.
    pub fn growth(&self) -> f64 {
        self.per_hour * self.span.as_secs_f64() / 3600.0
    }

    /// How long until the value reaches `full` at this rate; `None` where it does not rise or the time has no end.
    pub fn time_to(&self, full: f64) -> Option<Duration> {
        let hours = (full - self.last).max(0.0) / self.per_hour;
        // A year and more is no forecast.
        (self.per_hour > 0.0 && hours < 8760.0).then(|| Duration::from_secs_f64(hours * 3600.0))
    }
}

impl Series {
    /// An empty series.
    pub fn new() -> Series {
        Series::default()
    }

    /// Takes a reading in. One no younger than the last, or that is no number, is ignored.
    pub fn push(&mut self, at: Time, value: f64) {
        if !value.is_finite() || self.last().is_some_and(|(last, _)| last >= at) {
            return;
        }
        if self.fine.is_empty() {
            self.began = at;
        }
        let Ok(tenths) = u32::try_from((at.0 - self.began.0) / 100) else { return };
        append(&mut self.fine, KEPT, (tenths, value as f32));
        for (means, resolution) in self.coarse.iter_mut().zip(COARSE) {
            means.push(resolution, tenths, value);
        }
    }

    /// The newest reading: time and value.
    pub fn last(&self) -> Option<(Time, f64)> {
        self.fine.back().map(|p| self.moment(*p))
    }

    /// Readings and means that are kept, oldest first and each span once.
    pub fn points(&self) -> impl Iterator<Item = (Time, f64)> + '_ {
        // A coarser resolution ends where the next finer one begins.
        let mut until = [u32::MAX; COARSE.len()];
        let mut begins = self.fine.front().map_or(u32::MAX, |p| p.0);
        for (until, means) in until.iter_mut().zip(&self.coarse) {
            *until = begins;
            begins = begins.min(means.points.front().map_or(u32::MAX, |p| p.0));
        }
        let coarse = self.coarse.iter().zip(until).rev();
        let old = coarse.flat_map(|(means, until)| means.points.iter().take_while(move |p| p.0 < until));
        old.chain(&self.fine).map(|p| self.moment(*p))
    }

    /// Takes in readings of the past, in any order, such as another system's history of the same number.
    pub fn backfill(&mut self, past: impl IntoIterator<Item = (Time, f64)>) {
        let mut all: Vec<(Time, f64)> = self.points().chain(past).collect();
        all.sort_by_key(|(at, _)| *at);
        let mut merged = Series::new();
        for (at, value) in all {
            merged.push(at, value);
        }
        *self = merged;
    }

    /// The number of stored points.
    pub fn len(&self) -> usize {
        self.points().count()
    }

    /// Whether there is no reading.
    pub fn is_empty(&self) -> bool {
        self.fine.is_empty()
    }

    /// The highest reading before `at`.
    pub fn peak_before(&self, at: Time) -> Option<f64> {
        self.points().take_while(|(t, _)| *t < at).map(|(_, v)| v).max_by(f64::total_cmp)
    }

    fn moment(&self, (tenths, value): Point) -> (Time, f64) {
        (Time(self.began.0 + i64::from(tenths) * 100), f64::from(value))
    }

    /// The time before `now` cut into `cells`, each with the mean of its readings; `None` where there was none: a gap
    /// is shown as a gap.
    pub fn cells(&self, now: Time, span: Duration, cells: usize) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0u32); cells];
        let (from, span) = (now.minus(span).0, i128::try_from(span.as_millis()).unwrap_or(i128::MAX).max(1));
        for (at, value) in self.points() {
            let passed = i128::from(at.0 - from);
            // A reading at the very end belongs to the last cell.
            if passed < 0 || passed > span || cells == 0 {
                continue;
            }
            let i = usize::try_from(passed * cells as i128 / span).unwrap_or(0).min(cells - 1);
            sums[i].0 += value;
            sums[i].1 += 1;
        }
        sums.into_iter().map(|(sum, n)| (n > 0).then(|| sum / f64::from(n))).collect()
    }

    /// How the number moved since `from`; `None` with fewer than [`FEWEST`] readings. A reading that repeats the one
    /// before it counts as none: exporters repeat a value until they measure again.
    pub fn trend(&self, from: Time) -> Option<Trend> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut same = 0;
        for (at, value) in self.points().filter(|(at, _)| *at >= from) {
            same += usize::from(points.last().is_some_and(|(_, last)| *last == value));
            points.push(((at.0 - from.0) as f64 / 3_600_000.0, value));
        }
        let flat = same + 1 >= points.len();
        let samples = if flat { points.len() } else { points.len() - same };
        if samples < FEWEST {
            return None;
        }
        let (first, last) = (points[0], points[points.len() - 1]);
        let every = points.len().div_ceil(COMPARED);
        let compared: Vec<(f64, f64)> = points.iter().rev().step_by(every).rev().copied().collect();
        let (mut slopes, mut rises, mut falls) = (Vec::new(), 0usize, 0usize);
        for (i, (x, y)) in compared.iter().enumerate() {
            for (later, other) in &compared[i + 1..] {
                rises += usize::from(other > y);
                falls += usize::from(other < y);
                slopes.push((other - y) / (later - x));
            }
        }
        let pairs = slopes.len() as f64;
        let per_hour = median(&mut slopes)?;
        let mut levels: Vec<f64> = compared.iter().map(|(x, y)| y - per_hour * x).collect();
        let level = median(&mut levels)?;
        let mut apart: Vec<f64> = compared.iter().map(|(x, y)| (y - per_hour * x - level).abs()).collect();
        Some(Trend {
            per_hour,
            samples,
            span: Duration::from_secs_f64((last.0 - first.0) * 3600.0),
            steadiness: (rises as f64 - falls as f64) / pairs,
            scatter: median(&mut apart)?,
            last: last.1,
        })
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time(1_700_000_000_000 + seconds * 1000)
    }

    fn series(values: impl IntoIterator<Item = (i64, f64)>) -> Series {
        let mut out = Series::new();
        values.into_iter().for_each(|(t, v)| out.push(at(t), v));
        out
    }

    /// A number between -1 and 1 that looks like noise and is the same in every run.
    fn noise(i: i64) -> f64 {
        let mixed = (i as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(31)
            .wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    #[test]
    fn gaps_stay_gaps_and_old_readings_become_means() {
        let hours = Duration::from_secs(3600);
        // Every 10 s for three hours, with half an hour of silence in the second.
        let s = series((0..1080).filter(|i| !(360..540).contains(i)).map(|i| (i * 10, i as f64)));
        let cells = s.cells(at(10_800), hours * 3, 6);
        let filled: Vec<bool> = cells.iter().map(Option::is_some).collect();
        assert_eq!(filled, [true, true, false, true, true, true], "{cells:?}");
        // The first 36 minutes, 216 readings, are there as their mean; the last hour as it was read.
        assert!(
            (cells[0].unwrap() - 107.5).abs() < 0.1 && (cells[5].unwrap() - 990.0).abs() < 60.0,
            "{cells:?}"
        );
        assert_eq!(s.last(), Some((at(10_790), 1079.0)));
        assert!(s.points().zip(s.points().skip(1)).all(|((a, _), (b, _))| a < b), "in order, each span once");
        assert_eq!(s.cells(at(3600), hours, 0), []);
    }

    #[test]
    fn a_year_of_readings_is_no_larger_than_a_day() {
        let s = series((0..100_000).map(|i| (i * 300, i as f64)));
        assert!(s.len() <= KEPT + COARSE.iter().map(|(_, kept)| kept).sum::<usize>(), "{}", s.len());
        let mut s = series([(10, 1.0)]);
        s.push(at(10), 2.0);
        s.push(at(9), 2.0);
        s.push(at(20), f64::NAN);
        s.push(at(20), f64::INFINITY);
        assert_eq!((s.len(), s.last()), (1, Some((at(10), 1.0))));
    }

    #[test]
    fn a_history_of_two_weeks_and_the_last_minutes_are_one_series() {
        let day = 86_400;
        let level = |t: i64| 12.0 + 16.0 * t as f64 / (14 * day) as f64;
        // Live readings of two minutes at the end of two weeks; their history is given in two steps, newest first.
        let end = 14 * day;
        let mut s = series((0..12).map(|i| (end - 110 + i * 10, level(end - 110 + i * 10))));
        s.backfill((0..60).map(|i| end - 3600 + i * 60).map(|t| (at(t), level(t))));
        s.backfill((0..48).map(|i| i * 7 * 3600).map(|t| (at(t), level(t))));
        assert!(s.points().zip(s.points().skip(1)).all(|((a, _), (b, _))| a < b));
        assert_eq!(s.last(), Some((at(end), level(end))));
        let t = s.trend(at(0)).unwrap();
        assert!(t.span >= Duration::from_secs(13 * 86_400), "{t:?}");
        assert!((t.per_hour - 16.0 / (14.0 * 24.0)).abs() < 0.002, "{t:?}");
    }

    #[test]
    fn a_trend_is_the_line_and_outliers_do_not_bend_it() {
        // 6 an hour with noise of ±0.2, and two readings far off.
        let mut s = Series::new();
        for i in 0..60 {
            let value = if i == 20 || i == 41 { 500.0 } else { 10.0 + i as f64 / 10.0 + noise(i) / 5.0 };
            s.push(at(i * 60), value);
        }
        let t = s.trend(at(0)).unwrap();
        assert!((t.per_hour - 6.0).abs() < 0.3, "{t:?}");
        assert!(t.steadiness > 0.9 && t.samples == 60 && t.scatter < 0.3, "{t:?}");
        let left = t.time_to(t.last + 3.0).unwrap().as_secs_f64();
        assert!((left - 1800.0).abs() < 100.0, "3 more at 6 an hour is half an hour, not {left} s");

        let flat = series((0..60).map(|i| (i * 60, 10.0 + noise(i)))).trend(at(0)).unwrap();
        assert!(flat.steadiness.abs() < 0.3 && flat.growth().abs() < 1.0, "{flat:?}");
        assert_eq!(series((0..60).map(|i| (i * 60, 10.0))).trend(at(0)).unwrap().time_to(20.0), None);
    }

    #[test]
    fn a_value_the_exporter_repeats_is_one_reading() {
        // Measured every 30 s, read every 5 s: 25 readings, five measurements.
        let s = series((0..25).map(|i| (i * 5, 100.0 + (i / 6) as f64)));
        assert_eq!(s.trend(at(0)), None);
        let s = series((0..40).map(|i| (i * 5, 100.0 + (i / 6) as f64)));
        assert_eq!(s.trend(at(0)).unwrap().samples, 7);
        assert_eq!(series((0..5).map(|i| (i, i as f64))).trend(at(0)), None, "five are too few");
    }
}
