//! How the numbers of one GPU, inference server, pod or node moved over time.

use super::gpu::Gpu;
use super::measured::{Engine, NodeUsage, PodUsage, Total};
use super::{Series, Text, Time};

/// A GPU's usage over time, since it has its present holders.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GpuHistory {
    /// Used memory in bytes.
    pub memory: Series,
    /// Since when its holders are the ones they are.
    pub since: Time,
    /// Since when it is not busy at all though memory is used.
    pub idle_since: Option<Time>,
    /// When the error it last reported was first seen, and whether it was there already at the first look.
    pub xid_since: Option<(u32, Time, bool)>,
    /// Since when it is fully busy and does no work.
    pub stalled_since: Option<Time>,
    /// Since when its clocks are lowered for heat.
    pub hot_since: Option<Time>,
    /// Whether readings from before khud looked are in the series.
    pub has_past: bool,
    holders: Vec<(Text, Text)>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct EngineHistory {
    pub now: Engine,
    /// The reading before the newest.
    pub before: Option<Engine>,
    pub waiting: Series,
    pub kv_cache: Series,
    /// Seconds that a request takes.
    pub latency: Series,
    /// Since when requests wait, and since when the KV cache is full.
    pub queued_since: Option<Time>,
    pub full_since: Option<Time>,
}

/// A KV cache this full takes entries away from requests under way.
const KV_FULL: f64 = 0.95;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct PodHistory {
    pub usage: PodUsage,
    /// Working set of all containers in bytes.
    pub memory: Series,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct NodeHistory {
    pub usage: NodeUsage,
    pub memory: Series,
    pub cpu: Series,
}

impl GpuHistory {
    pub(super) fn take(&mut self, gpu: &Gpu, at: Time) {
        let holders: Vec<(Text, Text)> =
            gpu.holders.iter().map(|h| (h.namespace.clone(), h.pod.clone())).collect();
        let first = self.memory.is_empty() && self.since == Time::default();
        if first || holders != self.holders {
            // The usage of another pod says nothing about this one.
            self.memory = Series::new();
            self.since = at;
            self.has_past = false;
            self.holders = holders;
        }
        if let Some(used) = gpu.memory.used {
            self.memory.push(at, used as f64);
        }
        let idle = gpu.busy == Some(0.0) && !gpu.holders.is_empty();
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(at));
        self.stalled_since = gpu.is_stalled().then(|| self.stalled_since.unwrap_or(at));
        let code = gpu.xid.as_ref().map(|x| x.code);
        self.xid_since = code.map(|code| match self.xid_since {
            Some((old, since, known)) if old == code => (code, since, known),
            _ => (code, at, first),
        });
        let hot = gpu.slowdown.is_some_and(|s| s.thermal);
        self.hot_since = hot.then(|| self.hot_since.unwrap_or(at));
    }
}

impl EngineHistory {
    pub(super) fn take(&mut self, new: Engine, at: Time) {
        if let Some(waiting) = new.waiting {
            self.waiting.push(at, waiting);
        }
        if let Some(used) = new.kv_cache {
            self.kv_cache.push(at, used);
        }
        let since_last = |now: Total| now.mean_since(&self.now.request?);
        if let Some(seconds) = new.request.and_then(since_last) {
            self.latency.push(at, seconds);
        }
        let queued = new.waiting.is_some_and(|w| w >= 1.0);
        self.queued_since = queued.then(|| self.queued_since.unwrap_or(at));
        let full = new.kv_cache.is_some_and(|k| k >= KV_FULL);
        self.full_since = full.then(|| self.full_since.unwrap_or(at));
        let old = std::mem::replace(&mut self.now, new);
        self.before = (!old.kind.is_empty()).then_some(old);
    }

    /// The value of `of` between the last two readings, or over the whole time where there is one reading.
    pub fn recent(&self, of: impl Fn(&Engine) -> Option<Total>) -> Option<f64> {
        let now = of(&self.now)?;
        match self.before.as_ref().and_then(&of) {
            Some(before) => now.mean_since(&before).or_else(|| now.mean()),
            None => now.mean(),
        }
    }
}
