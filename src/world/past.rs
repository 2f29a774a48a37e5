//! Histories from before khud looked: kept until their number is read for the first time, then part of its series.

use std::collections::BTreeMap;

use super::gpu::Gpu;
use super::histories::{EngineHistory, GpuHistory, PodHistory};
use super::measured::{Past, PastOf};
use super::{Series, Text, Time};

/// Histories kept at most. A query brings the pods that grow most, and the GPUs of one cluster.
const MOST: usize = 20_000;

/// Histories by number and window.
#[derive(Debug, Default)]
pub(super) struct Pasts(BTreeMap<PastOf, Windows>);

/// The windows of one number: those that wait, and those that are in the series.
#[derive(Debug, Default)]
struct Windows {
    waiting: Vec<(u8, Vec<(Time, f64)>)>,
    /// A bit for each window that was merged. The series keeps its own newer readings from then on.
    merged: u32,
}

impl Pasts {
    /// Keeps a history until its number is read.
    pub fn hold(&mut self, past: Past) {
        if !self.0.contains_key(&past.of) && self.0.len() >= MOST {
            return;
        }
        let windows = self.0.entry(past.of).or_default();
        let known =
            windows.merged & bit(past.window) != 0 || windows.waiting.iter().any(|(w, _)| *w == past.window);
        if !known {
            windows.waiting.push((past.window, past.points));
        }
    }

    /// Merges what waits for the number into its series, and says when the oldest of it was read.
    fn merge(&mut self, of: &PastOf, series: &mut Series) -> Option<Time> {
        let windows = self.0.get_mut(of).filter(|w| !w.waiting.is_empty())?;
        let mut first = None;
        for (window, points) in std::mem::take(&mut windows.waiting) {
            windows.merged |= bit(window);
            first = first.into_iter().chain(points.iter().map(|(at, _)| *at)).min();
            series.backfill(points);
        }
        first
    }

    /// A GPU was read. The history of its memory counts for the one pod that holds it now.
    pub fn of_gpu(&mut self, gpu: &Gpu, history: &mut GpuHistory) {
        if self.0.is_empty() || gpu.uuid.is_empty() {
            return;
        }
        let [holder] = gpu.holders.as_slice() else { return };
        let of = PastOf::Gpu {
            uuid: gpu.uuid.clone(),
            instance: gpu.instance.clone(),
            namespace: holder.namespace.clone(),
            pod: holder.pod.clone(),
        };
        if let Some(first) = self.merge(&of, &mut history.memory) {
            history.since = history.since.min(first);
            history.has_past = true;
        }
    }

    /// A pod's usage was read.
    pub fn of_pod(&mut self, namespace: &Text, pod: &Text, history: &mut PodHistory) {
        if !self.0.is_empty() {
            let of = PastOf::Memory { namespace: namespace.clone(), pod: pod.clone() };
            self.merge(&of, &mut history.memory);
        }
    }

    /// An inference server was read.
    pub fn of_engine(&mut self, namespace: &Text, pod: &Text, history: &mut EngineHistory) {
        if !self.0.is_empty() {
            let of = PastOf::Latency { namespace: namespace.clone(), pod: pod.clone() };
            self.merge(&of, &mut history.latency);
        }
    }
}

fn bit(window: u8) -> u32 {
    1u32.checked_shl(window.into()).unwrap_or(0)
}
