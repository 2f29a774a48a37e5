//! The results of reading telemetry sources: GPUs, inference engines, kube-proxies, usage of pods and nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::gpu::Gpu;
use super::traffic::Traffic;
use super::{Text, Time};

/// Everything one answer held.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Measured {
    pub gpus: Vec<Gpu>,
    pub engine: Option<Engine>,
    pub proxy: Option<Proxy>,
    pub pods: Vec<PodUsage>,
    pub nodes: Vec<NodeUsage>,
    /// Values from before khud looked.
    pub past: Vec<Past>,
    pub traffic: Vec<Traffic>,
    pub waits: Vec<Wait>,
}

/// The reason why the tasks of a container do not run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WaitFor {
    /// Its CPU limit: the scheduler stops it for the rest of a period (CFS throttling).
    CpuLimit,
    /// A free CPU, memory or a disk: pressure stall information, the share of time in which some task waited.
    Cpu,
    Memory,
    Io,
}

/// How a source counts waiting.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Counted {
    /// CFS periods in which the container was stopped, of those in which it ran, since it started.
    Periods { throttled: f64, of: f64 },
    /// Seconds since it started.
    Seconds(f64),
    /// The share of the last seconds, 0 to 1.
    Share { share: f64, over: Duration },
}

/// How much a container waits.
#[derive(Clone, PartialEq, Debug)]
pub struct Wait {
    pub namespace: Text,
    pub pod: Text,
    pub container: Text,
    pub of: WaitFor,
    pub counted: Counted,
    pub at: Time,
}

/// The number that a history is of.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PastOf {
    /// Used memory in bytes of a GPU, or of an instance of it, while this pod held it.
    Gpu { uuid: Text, instance: Text, namespace: Text, pod: Text },
    /// The working set in bytes of all containers of a pod.
    Memory { namespace: Text, pod: Text },
    /// Seconds that a request to this inference server takes.
    Latency { namespace: Text, pod: Text },
}

/// The values of one number over one window, oldest first.
#[derive(Clone, PartialEq, Debug)]
pub struct Past {
    pub of: PastOf,
    /// The window's place among those that a source asks for: each is taken in once.
    pub window: u8,
    pub points: Vec<(Time, f64)>,
}

/// Sum and count of a histogram since its process began.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Total {
    pub sum: f64,
    pub count: f64,
}

impl Total {
    /// The mean of what came after `before`. A counter that went down began again: then all it has is new.
    pub fn mean_since(&self, before: &Total) -> Option<f64> {
        let reset = self.count < before.count || self.sum < before.sum;
        let from = if reset { Total::default() } else { *before };
        let count = self.count - from.count;
        (count > 0.0).then(|| (self.sum - from.sum) / count)
    }

    /// The mean since the process began.
    pub fn mean(&self) -> Option<f64> {
        self.mean_since(&Total::default())
    }
}

/// An inference server as its own `/metrics` describes it. What its kind does not report is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Engine {
    /// `vLLM`, `SGLang`, `TGI`, `Triton`.
    pub kind: Text,
    pub namespace: Text,
    pub pod: Text,
    /// Models served, comma-separated.
    pub model: Text,
    /// Requests being worked on, and those that wait for their turn.
    pub running: Option<f64>,
    pub waiting: Option<f64>,
    /// Share of the KV cache in use, 0 to 1.
    pub kv_cache: Option<f64>,
    /// Requests whose cache was taken away for others, since its start.
    pub preemptions: Option<f64>,
    /// Requests that failed and that were answered, since its start.
    pub failed: Option<f64>,
    pub answered: Option<f64>,
    /// Seconds until the first token, between tokens, and for the whole request.
    pub first_token: Option<Total>,
    pub next_token: Option<Total>,
    pub request: Option<Total>,
    /// Whether the server takes its GPU memory once, at its start.
    pub preallocates: bool,
    /// Which share of each GPU's memory it takes then (0 to 1), where it says so.
    pub memory_share: Option<f64>,
    pub read_at: Time,
}

/// kube-proxy as its own pages describe it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Proxy {
    pub node: Text,
    /// `iptables`, `ipvs`, `nftables`; empty where it does not say.
    pub mode: Text,
    /// Whether `/healthz` says so.
    pub healthy: Option<bool>,
    /// Since when `/healthz` has said that it is not; [`super::Readings`] keeps it.
    pub unhealthy_since: Option<Time>,
    /// When rules were last written, and when a change last asked for it: the older of both IP families.
    pub last_sync: Option<Time>,
    pub last_queued: Option<Time>,
    /// Rules by table, both IP families together.
    pub rules: BTreeMap<Text, u64>,
    /// Attempts to write rules that failed, since its start.
    pub failures: Option<u64>,
    /// Since when attempts have failed with none that succeeded in between; [`super::Readings`] keeps it.
    pub failing_since: Option<Time>,
    pub read_at: Time,
}

impl Proxy {
    pub fn all_rules(&self) -> u64 {
        self.rules.values().sum()
    }
}

/// A container's usage.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ContainerUsage {
    pub name: Text,
    /// Millicores.
    pub cpu: Option<u64>,
    /// The working set in bytes.
    pub memory: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PodUsage {
    pub namespace: Text,
    pub pod: Text,
    pub containers: Box<[ContainerUsage]>,
    /// When it was measured.
    pub at: Time,
}

impl PodUsage {
    /// All containers together, in millicores; `None` where none was measured.
    pub fn cpu(&self) -> Option<u64> {
        self.containers.iter().filter_map(|c| c.cpu).reduce(|a, b| a + b)
    }

    /// All containers together, in bytes.
    pub fn memory(&self) -> Option<u64> {
        self.containers.iter().filter_map(|c| c.memory).reduce(|a, b| a + b)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeUsage {
    pub node: Text,
    pub cpu: Option<u64>,
    pub memory: Option<u64>,
    pub at: Time,
}
