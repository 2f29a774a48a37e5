//! Requests that workloads answer, as a metrics system counts them: rate, share of server errors, latency.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Text, Time};

/// The object that a count of requests is about.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Served {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: Text,
        /// Its name.
        name: Text,
    },
    /// A workload by name; its kind is not said.
    Workload {
        /// Its namespace.
        namespace: Text,
        /// Its name.
        name: Text,
    },
    /// A Service.
    Service {
        /// Its namespace.
        namespace: Text,
        /// Its name.
        name: Text,
    },
}

/// A part of what is known of the traffic to one object. One query brings rate and errors, another the latency.
#[derive(Clone, PartialEq, Debug)]
pub struct Traffic {
    /// Whose traffic it is.
    pub of: Served,
    /// Requests a second, of the last five minutes.
    pub rate: Option<f64>,
    /// Requests a second that were answered with a 5xx status.
    pub failing: Option<f64>,
    /// Seconds within which 95 % of the requests are answered.
    pub p95: Option<f64>,
    /// The counter that says so, such as `istio_requests_total`; of a latency the counter beside its histogram.
    pub metric: Text,
    /// When it was asked for.
    pub at: Time,
}

impl Traffic {
    /// Nothing yet, of an object by a counter's name.
    pub fn of(of: Served, metric: &str, at: Time) -> Traffic {
        Traffic { of, rate: None, failing: None, p95: None, metric: metric.into(), at }
    }

    /// Server errors of all requests, 0 to 1; `None` where nobody asked or statuses are not told.
    pub fn error_share(&self) -> Option<f64> {
        let (rate, failing) = (self.rate?, self.failing?);
        (rate > 0.0).then(|| (failing / rate).clamp(0.0, 1.0))
    }
}

/// Traffic older than this is not shown as the present one: three rounds were missed.
const OLD: Duration = Duration::from_secs(120);

/// The traffic that is known, by object and metric.
#[derive(Debug, Default)]
pub struct TrafficTable(BTreeMap<Served, BTreeMap<Text, Traffic>>);

impl TrafficTable {
    /// Takes a part in.
    pub fn take(&mut self, new: Traffic) {
        let known = self.0.entry(new.of.clone()).or_default();
        let place = known.entry(new.metric.clone()).or_insert_with(|| new.clone());
        place.rate = new.rate.or(place.rate);
        place.failing = new.failing.or(place.failing);
        place.p95 = new.p95.or(place.p95);
        place.at = place.at.max(new.at);
    }

    /// Forgets what nobody has counted for a while.
    pub fn expire(&mut self, now: Time) {
        self.0.retain(|_, metrics| {
            metrics.retain(|_, t| t.at.age(now) <= OLD);
            !metrics.is_empty()
        });
    }

    /// The traffic of all these objects together, from the metric that counts most of it; the slowest P95 of them.
    /// `None` where nothing is known: that is not "no traffic".
    pub fn of(&self, objects: impl Iterator<Item = Served>, now: Time) -> Option<Traffic> {
        let mut sums: BTreeMap<&Text, Traffic> = BTreeMap::new();
        for object in objects {
            for (metric, t) in self.0.get(&object).into_iter().flatten().filter(|(_, t)| t.at.age(now) <= OLD)
            {
                match sums.get_mut(metric) {
                    None => drop(sums.insert(metric, t.clone())),
                    Some(sum) => {
                        sum.rate = sum.rate.into_iter().chain(t.rate).reduce(|a, b| a + b);
                        sum.failing = sum.failing.into_iter().chain(t.failing).reduce(|a, b| a + b);
                        sum.p95 = sum.p95.into_iter().chain(t.p95).reduce(f64::max);
                        sum.at = sum.at.min(t.at);
                    }
                }
            }
        }
        let rate = |t: &Traffic| t.rate.unwrap_or(-1.0);
        sums.into_values().max_by(|a, b| rate(a).total_cmp(&rate(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(pod: &str, metric: &str, rate: Option<f64>, failing: Option<f64>, p95: Option<f64>) -> Traffic {
        let of = Served::Pod { namespace: "shop".into(), name: pod.into() };
        Traffic { of, rate, failing, p95, metric: metric.into(), at: Time(1000) }
    }

    fn pods(names: &[&str]) -> impl Iterator<Item = Served> {
        let all: Vec<Served> =
            names.iter().map(|n| Served::Pod { namespace: "shop".into(), name: (*n).into() }).collect();
        all.into_iter()
    }

    #[test]
    fn pods_of_a_workload_are_added_and_two_counts_of_one_request_are_not() {
        let mut table = TrafficTable::default();
        table.take(part("a", "http_requests_total", Some(10.0), Some(1.0), None));
        table.take(part("a", "http_requests_total", None, None, Some(0.2)));
        table.take(part("b", "http_requests_total", Some(30.0), Some(0.0), None));
        table.take(part("b", "http_requests_total", None, None, Some(0.9)));
        table.take(part("a", "istio_requests_total", Some(11.0), Some(1.0), None));
        let all = table.of(pods(&["a", "b", "c"]), Time(2000)).unwrap();
        assert_eq!((all.rate, all.failing, all.p95), (Some(40.0), Some(1.0), Some(0.9)));
        assert_eq!((&*all.metric, all.error_share()), ("http_requests_total", Some(0.025)));
        assert_eq!(table.of(pods(&["c"]), Time(2000)), None, "nobody counts it");
        assert_eq!(table.of(pods(&["a"]), Time(200_000)), None, "two minutes ago is not now");
        let calm = part("d", "http_requests_total", Some(0.0), Some(0.0), None);
        assert_eq!(calm.error_share(), None, "no request, no share");
    }
}
