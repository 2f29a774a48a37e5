//! The samples that Prometheus holds, by series.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Label names and values, the metric's name as `__name__` included.
pub type Labels = BTreeMap<String, String>;

/// Samples of one series: milliseconds since 1970 and the value. `None` is the staleness marker that Prometheus
/// writes when a target no longer has the series.
pub type Samples = Vec<(i64, Option<f64>)>;

/// An instant selector takes the newest sample of this long, in milliseconds.
const LOOKBACK: i64 = 300_000;
/// The retention in milliseconds.
const RETENTION: i64 = 24 * 3_600_000;

/// The time series database.
#[derive(Debug, Default)]
pub struct Tsdb {
    series: HashMap<Arc<Labels>, Samples>,
    /// The series of the last scrape.
    alive: HashSet<Arc<Labels>>,
}

impl Tsdb {
    /// Takes in all samples of one scrape. Series that are no longer there end.
    pub fn append(&mut self, at: i64, samples: Vec<(Labels, f64)>) {
        let mut alive = HashSet::with_capacity(samples.len());
        for (labels, value) in samples {
            let labels = Arc::new(labels);
            self.series.entry(labels.clone()).or_default().push((at, Some(value)));
            alive.insert(labels);
        }
        for gone in self.alive.difference(&alive) {
            if let Some(samples) = self.series.get_mut(gone) {
                samples.push((at, None));
            }
        }
        self.alive = alive;
        let oldest = at - RETENTION;
        self.series.retain(|_, samples| {
            if samples.first().is_some_and(|(t, _)| *t < oldest) {
                samples.retain(|(t, _)| *t >= oldest);
            }
            !samples.is_empty()
        });
    }

    /// The series whose labels pass.
    pub fn select(&self, pass: impl Fn(&Labels) -> bool) -> impl Iterator<Item = (&Labels, &Samples)> {
        self.series
            .iter()
            .filter(move |(labels, _)| pass(labels))
            .map(|(labels, samples)| (&**labels, samples))
    }

    /// The value of a series at a moment: its newest sample within the lookback, unless it ended.
    pub fn at(samples: &Samples, at: i64) -> Option<f64> {
        let end = samples.partition_point(|(t, _)| *t <= at);
        let (t, value) = samples.get(end.checked_sub(1)?)?;
        value.filter(|_| *t > at - LOOKBACK)
    }

    /// The samples after `from` up to `to`.
    pub fn between(samples: &Samples, from: i64, to: i64) -> Vec<(i64, f64)> {
        let (start, end) =
            (samples.partition_point(|(t, _)| *t <= from), samples.partition_point(|(t, _)| *t <= to));
        samples[start..end].iter().filter_map(|(t, v)| Some((*t, (*v)?))).collect()
    }
}
