//! How the pods of each workload came and went while khud looked: how many are wanted, how many ready.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::app::table::picture;
use crate::world::{ObjectRef, Time};

/// Changes kept of each workload.
const KEPT: usize = 120;
/// Spans that a line may cover: the shortest that has all that is known.
const SPANS: [Duration; 4] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900), Duration::from_secs(3600)];

/// The counts of a workload from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    at: Time,
    desired: u32,
    ready: u32,
}

/// The counts of every workload over time, each change once.
#[derive(Debug, Default)]
pub struct Progress(HashMap<ObjectRef, VecDeque<Point>>);

impl Progress {
    /// So many pods of the workload are wanted and ready now (`None`: it is gone).
    pub fn note(&mut self, object: &ObjectRef, pods: Option<(u32, u32)>, now: Time) {
        let Some((desired, ready)) = pods else {
            self.0.remove(object);
            return;
        };
        let point = Point { at: now, desired, ready };
        let points = match self.0.get_mut(object) {
            Some(points) => points,
            None => self.0.entry(object.clone()).or_default(),
        };
        match points.back() {
            Some(last) if (last.desired, last.ready) == (desired, ready) => return,
            _ if points.len() == KEPT => drop(points.pop_front()),
            _ => {}
        }
        points.push_back(point);
    }

    /// The ready pods as levels of a line of so many cells, with the span that it covers; 0 where nothing is known.
    /// `None` where the count never changed.
    pub fn ready(&self, object: &ObjectRef, now: Time, cells: usize) -> Option<(Duration, Vec<u8>)> {
        let points = self.0.get(object).filter(|points| points.len() > 1)?;
        let known = points.front()?.at.age(now);
        let span = SPANS.into_iter().find(|span| *span >= known).unwrap_or(SPANS[SPANS.len() - 1]);
        let most = points.iter().map(|p| p.desired.max(p.ready)).max()?;
        let cell = span.as_millis() as i64 / cells.max(1) as i64;
        let level = |i: usize| {
            let end = now.0 - cell * (cells - 1 - i) as i64;
            let then = points.iter().rev().find(|p| p.at.0 <= end);
            then.map_or(0, |p| picture::level(p.ready, most))
        };
        Some((span, (0..cells).map(level).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Kind;

    #[test]
    fn a_rollout_that_loses_its_pods_falls_and_what_was_before_khud_looked_stays_empty() {
        let api = ObjectRef::new(Kind::Deployment, "prod", "api");
        let mut progress = Progress::default();
        let at = |seconds: i64| Time(seconds * 1000);
        progress.note(&api, Some((4, 4)), at(110));
        assert_eq!(progress.ready(&api, at(130), 4), None, "nothing happened yet");
        progress.note(&api, Some((4, 4)), at(120));
        progress.note(&api, Some((4, 0)), at(130));
        let (span, levels) = progress.ready(&api, at(145), 4).unwrap();
        assert_eq!((span, levels), (Duration::from_secs(60), vec![0, 8, 1, 1]));
        progress.note(&api, None, at(150));
        assert_eq!(progress.ready(&api, at(150), 4), None);
    }
}
