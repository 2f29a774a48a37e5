//! How containers waited over time: their CPU limit, and pressure on CPU, memory and disks.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::measured::{Counted, Wait, WaitFor};
use super::{Text, Time};

/// A share of waiting from which on it is high. The alert CPUThrottlingHigh of the Kubernetes mixin uses the same.
pub const HIGH: f64 = 0.25;
/// The length of a CFS period in seconds, unless the kubelet's cpuCFSQuotaPeriod says otherwise.
const PERIOD: f64 = 0.1;
/// Fewer periods than half a minute has say nothing.
const FEWEST: f64 = 300.0;

/// One number of one container.
#[derive(Clone, PartialEq, Debug)]
pub struct Waiting {
    /// The newest share of time or periods, 0 to 1; `None` until two counters were read where one says nothing.
    pub share: Option<f64>,
    /// The time that the share covers; `None`: since the container started.
    pub over: Option<Duration>,
    /// Since when the share has been high.
    pub high_since: Option<Time>,
    /// When it was read.
    pub at: Time,
    last: Option<Counted>,
}

/// The waiting of every container that a source told of.
#[derive(Debug, Default)]
pub struct Waits(HashMap<(Text, Text), BTreeMap<(Text, WaitFor), Waiting>>);

impl Waits {
    /// Takes a reading in.
    pub fn take(&mut self, wait: Wait) {
        let Wait { namespace, pod, container, of, counted, at } = wait;
        let known = self.0.entry((namespace, pod)).or_default();
        let waiting = known.entry((container, of)).or_insert_with(|| Waiting {
            share: None,
            over: None,
            high_since: None,
            at,
            last: None,
        });
        waiting.take(counted, at);
    }

    /// The waiting of one container; `None` where no source told of it.
    pub fn of(&self, namespace: &Text, pod: &Text, container: &Text, of: WaitFor) -> Option<&Waiting> {
        self.0.get(&(namespace.clone(), pod.clone()))?.get(&(container.clone(), of))
    }

    /// Whether a source told of this pod.
    pub fn is_told(&self, namespace: &Text, pod: &Text) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(namespace.clone(), pod.clone()))
    }

    pub(super) fn forget(&mut self, namespace: &Text, pod: &Text) {
        self.0.remove(&(namespace.clone(), pod.clone()));
    }
}

impl Waiting {
    fn take(&mut self, counted: Counted, at: Time) {
        let between = self.at.age(at);
        // The kubelet measures every 10 s or so: the same counters again are no news.
        if self.last == Some(counted) && between < Duration::from_secs(30) {
            return;
        }
        let (share, over) = match (counted, self.last) {
            (Counted::Share { share, over }, _) => (Some(share), Some(over)),
            (Counted::Periods { throttled, of }, Some(Counted::Periods { throttled: t0, of: of0 }))
                if of >= of0 && throttled >= t0 =>
            {
                // A container that did not run was not stopped either.
                (Some(if of > of0 { (throttled - t0) / (of - of0) } else { 0.0 }), Some(between))
            }
            // The first reading, or a container that started again.
            (Counted::Periods { throttled, of }, _) => ((of >= FEWEST).then(|| throttled / of), None),
            (Counted::Seconds(now), Some(Counted::Seconds(before)))
                if now >= before && !between.is_zero() =>
            {
                (Some(((now - before) / between.as_secs_f64()).min(1.0)), Some(between))
            }
            (Counted::Seconds(_), _) => (None, None),
        };
        let began = match (counted, over) {
            (_, Some(over)) => at.minus(over),
            (Counted::Periods { of, .. }, None) => at.minus(Duration::from_secs_f64(of * PERIOD)),
            _ => at,
        };
        let high = share.is_some_and(|s| s >= HIGH);
        self.high_since = high.then(|| self.high_since.unwrap_or(began));
        (self.share, self.over, self.at, self.last) = (share, over, at, Some(counted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time(1_700_000_000_000 + seconds * 1000)
    }

    fn fed(readings: &[(i64, Counted)]) -> Waiting {
        let mut waits = Waits::default();
        for (seconds, counted) in readings {
            waits.take(Wait {
                namespace: "shop".into(),
                pod: "api-0".into(),
                container: "api".into(),
                of: WaitFor::CpuLimit,
                counted: *counted,
                at: at(*seconds),
            });
        }
        waits.of(&"shop".into(), &"api-0".into(), &"api".into(), WaitFor::CpuLimit).unwrap().clone()
    }

    fn periods(throttled: f64, of: f64) -> Counted {
        Counted::Periods { throttled, of }
    }

    #[test]
    fn one_reading_tells_of_the_whole_run_and_two_of_the_time_between() {
        let w = fed(&[(0, periods(400.0, 1000.0))]);
        assert_eq!((w.share, w.over, w.high_since), (Some(0.4), None, Some(at(-100))));
        let w = fed(&[(0, periods(400.0, 1000.0)), (60, periods(400.0, 1600.0))]);
        assert_eq!((w.share, w.over), (Some(0.0), Some(Duration::from_secs(60))));
        assert_eq!(w.high_since, None, "it was throttled long ago");
        let w =
            fed(&[(0, periods(0.0, 1000.0)), (60, periods(300.0, 1600.0)), (120, periods(600.0, 2200.0))]);
        assert_eq!((w.share, w.high_since), (Some(0.5), Some(at(0))));
    }

    #[test]
    fn few_periods_restarts_and_repeated_answers_say_nothing_new() {
        assert_eq!(fed(&[(0, periods(40.0, 100.0))]).share, None, "ten seconds of running");
        let restarted = fed(&[(0, periods(900.0, 1000.0)), (60, periods(10.0, 500.0))]);
        assert_eq!((restarted.share, restarted.over), (Some(0.02), None));
        let repeated =
            fed(&[(0, periods(0.0, 1000.0)), (60, periods(300.0, 1600.0)), (70, periods(300.0, 1600.0))]);
        assert_eq!((repeated.share, repeated.at), (Some(0.5), at(60)));
        let idle = fed(&[(0, periods(300.0, 1000.0)), (60, periods(300.0, 1000.0))]);
        assert_eq!(idle.share, Some(0.0), "it did not run");
    }

    #[test]
    fn pressure_is_a_share_of_the_time_between_two_readings() {
        let w = fed(&[(0, Counted::Seconds(10.0))]);
        assert_eq!((w.share, w.high_since), (None, None));
        let w = fed(&[(0, Counted::Seconds(10.0)), (60, Counted::Seconds(40.0))]);
        assert_eq!((w.share, w.over), (Some(0.5), Some(Duration::from_secs(60))));
        let over = Duration::from_secs(300);
        let w = fed(&[(0, Counted::Share { share: 0.3, over })]);
        assert_eq!((w.share, w.high_since), (Some(0.3), Some(at(-300))));
    }
}
