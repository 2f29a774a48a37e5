//! A bounded series of readings that remembers where readings were missing.

use std::collections::VecDeque;
use std::time::Duration;

use crate::world::Time;

/// Readings of one number, oldest first.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    points: VecDeque<(Time, f32)>,
    limit: usize,
}

impl Series {
    /// Keeps at most `limit` readings.
    pub fn new(limit: usize) -> Series {
        Series { points: VecDeque::new(), limit: limit.max(2) }
    }

    /// Takes a reading in. One no younger than the last, or that is no number, is ignored.
    pub fn push(&mut self, at: Time, value: f64) {
        if !value.is_finite() || self.points.back().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        if self.points.len() == self.limit {
            self.points.pop_front();
        }
        self.points.push_back((at, value as f32));
    }

    pub fn last(&self) -> Option<(Time, f64)> {
        self.points.back().map(|(t, v)| (*t, f64::from(*v)))
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The time before `now` cut into `cells`, each with the mean of its readings; `None` where there was none: a gap
    /// is shown as a gap.
    pub fn cells(&self, now: Time, span: Duration, cells: usize) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0u32); cells];
        let (from, span) = (now.minus(span).0, i128::try_from(span.as_millis()).unwrap_or(i128::MAX).max(1));
        for (at, value) in &self.points {
            let passed = i128::from(at.0 - from);
            // A reading at the very end belongs to the last cell.
            if passed < 0 || passed > span || cells == 0 {
                continue;
            }
            let i = usize::try_from(passed * cells as i128 / span).unwrap_or(0).min(cells - 1);
            sums[i].0 += f64::from(*value);
            sums[i].1 += 1;
        }
        sums.into_iter().map(|(sum, n)| (n > 0).then(|| sum / f64::from(n))).collect()
    }

    /// Change per hour by least squares over the readings of the last `span`; `None` with fewer than three, or when
    /// they cover less than a third of it.
    pub fn slope_per_hour(&self, now: Time, span: Duration) -> Option<f64> {
        let from = now.minus(span);
        let recent: Vec<(f64, f64)> = self
            .points
            .iter()
            .filter(|(at, _)| *at >= from)
            .map(|(at, v)| ((at.0 - from.0) as f64 / 3_600_000.0, f64::from(*v)))
            .collect();
        let covered = recent.last()?.0 - recent.first()?.0;
        if recent.len() < 3 || covered * 3.0 < span.as_secs_f64() / 3600.0 {
            return None;
        }
        let n = recent.len() as f64;
        let (sx, sy) = recent.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        let (mx, my) = (sx / n, sy / n);
        let (num, den) = recent
            .iter()
            .fold((0.0, 0.0), |(a, b), (x, y)| (a + (x - mx) * (y - my), b + (x - mx) * (x - mx)));
        (den > 0.0).then(|| num / den)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_stay_gaps_and_slopes_are_per_hour() {
        let at = |s: i64| Time(s * 1000);
        let mut s = Series::new(100);
        for i in 0..=60 {
            // 2 an hour, with half an hour of silence in the middle.
            if !(15..45).contains(&i) {
                s.push(at(i * 60), 10.0 + i as f64 / 30.0);
            }
        }
        let cells = s.cells(at(3600), Duration::from_secs(3600), 4);
        assert!(cells[0].is_some() && cells[1].is_none() && cells[2].is_none() && cells[3].is_some());
        let slope = s.slope_per_hour(at(3600), Duration::from_secs(3600)).unwrap();
        assert!((slope - 2.0).abs() < 0.01, "{slope}");
        assert_eq!(
            s.slope_per_hour(at(3600), Duration::from_secs(86400)),
            None,
            "too little of the day is known"
        );
        s.push(at(10), 1.0);
        s.push(at(4000), f64::NAN);
        assert_eq!(s.last().unwrap().0, at(3600));
        assert_eq!(s.cells(at(3600), Duration::from_secs(1), 0), []);
    }

    #[test]
    fn old_readings_make_room() {
        let mut s = Series::new(3);
        for i in 0..5 {
            s.push(Time(i), i as f64);
        }
        assert_eq!((s.len(), s.last()), (3, Some((Time(4), 4.0))));
    }
}
