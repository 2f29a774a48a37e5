//! What is counted over all pods and nodes: the header's numbers, what is requested on each node, who tells of GPUs.
//! Kept by each change and never counted over.

use std::collections::{BTreeSet, HashMap};

use crate::app::table::health::{self, Health};
use crate::telemetry;
use crate::world::{Node, Phase, Pod, Role, Slot, Status, Text, Time, condition};

/// What pods ask of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    pub pods: u32,
    pub gpus: u64,
    /// Millicores.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct PodShare {
    node: Text,
    asks: Requested,
    sick: bool,
    counted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NodeShare {
    ready: bool,
    gpus: u64,
    /// As many as it ever had, or says it has.
    meant_gpus: u64,
    counted: bool,
}

#[derive(Debug, Default)]
pub struct Vitals {
    pods: Vec<PodShare>,
    nodes: Vec<NodeShare>,
    by_node: HashMap<Text, Requested>,
    pub pods_all: usize,
    pub pods_sick: usize,
    pub nodes_all: usize,
    pub nodes_ready: usize,
    pub gpus_requested: u64,
    pub gpus_allocatable: u64,
    /// What nodes ever had while khud looked, or say they have: what they offer less was lost.
    pub gpus_meant: u64,
    /// When a kube-proxy container ended, newest last; bounded to an hour.
    proxy_restarts: Vec<Time>,
    proxies: HashMap<Slot, u32>,
    exporters: BTreeSet<Slot>,
    warnings: Vec<Time>,
}

impl Vitals {
    pub fn requested(&self, node: &str) -> Requested {
        self.by_node.get(node).copied().unwrap_or_default()
    }

    /// Pods that a telemetry source reads.
    pub fn exporters(&self) -> impl Iterator<Item = Slot> {
        self.exporters.iter().copied()
    }

    /// The pod in this slot looks like this now (`None`: gone).
    pub fn pod(&mut self, slot: Slot, pod: Option<&Pod>, now: Time) {
        let new = pod.map_or_else(PodShare::default, |p| PodShare {
            node: p.node.clone(),
            asks: asks(p),
            sick: health::pod_alone(p).sick(),
            counted: true,
        });
        let i = slot.0 as usize;
        if self.pods.len() <= i {
            self.pods.resize(i + 1, PodShare::default());
        }
        if let Some(p) = pod.filter(|p| is_kube_proxy(p)) {
            self.proxy(slot, p, now);
        } else {
            self.proxies.remove(&slot);
        }
        if pod.is_some_and(telemetry::concerns) {
            self.exporters.insert(slot);
        } else {
            self.exporters.remove(&slot);
        }
        if self.pods[i] == new {
            return;
        }
        let old = std::mem::replace(&mut self.pods[i], new);
        let new = &self.pods[i];
        if old.counted {
            self.pods_all -= 1;
            self.pods_sick -= usize::from(old.sick);
            self.gpus_requested -= if old.node.is_empty() { 0 } else { old.asks.gpus };
        }
        if new.counted {
            self.pods_all += 1;
            self.pods_sick += usize::from(new.sick);
            self.gpus_requested += if new.node.is_empty() { 0 } else { new.asks.gpus };
        }
        if let Some(sum) = self.by_node.get_mut(&old.node) {
            sum.pods -= old.asks.pods;
            sum.gpus -= old.asks.gpus;
            sum.cpu -= old.asks.cpu;
            sum.memory -= old.asks.memory;
        }
        if new.counted && !new.node.is_empty() {
            let sum = self.by_node.entry(new.node.clone()).or_default();
            sum.pods += new.asks.pods;
            sum.gpus += new.asks.gpus;
            sum.cpu += new.asks.cpu;
            sum.memory += new.asks.memory;
        }
    }

    fn proxy(&mut self, slot: Slot, pod: &Pod, now: Time) {
        let restarts = pod.status().restarts;
        match self.proxies.insert(slot, restarts) {
            Some(before) => {
                for _ in before..restarts {
                    self.proxy_restarts.push(now);
                }
            }
            // First seen: of its past only the last exit is known.
            None => {
                if restarts > 0
                    && let Some((_, at)) = health::last_exit(&pod.containers)
                {
                    self.proxy_restarts.push(at);
                }
            }
        }
        self.proxy_restarts.retain(|t| now.0 - t.0 < 3_600_000);
    }

    pub fn node(&mut self, slot: Slot, node: Option<&Node>) {
        let mut new = node.map_or_else(NodeShare::default, |n| NodeShare {
            ready: condition(&n.conditions, "Ready").is_some_and(|c| c.status == Status::True),
            gpus: n.allocatable.gpu.unwrap_or(0),
            meant_gpus: n.capacity.gpu.unwrap_or(0).max(n.labelled_gpus()),
            counted: true,
        });
        let i = slot.0 as usize;
        if self.nodes.len() <= i {
            self.nodes.resize(i + 1, NodeShare::default());
        }
        if new.counted {
            new.meant_gpus = new.meant_gpus.max(self.nodes[i].meant_gpus);
        }
        let old = std::mem::replace(&mut self.nodes[i], new);
        self.nodes_all = self.nodes_all + usize::from(new.counted) - usize::from(old.counted);
        self.nodes_ready = self.nodes_ready + usize::from(new.ready) - usize::from(old.ready);
        self.gpus_allocatable = self.gpus_allocatable + new.gpus - old.gpus;
        self.gpus_meant = self.gpus_meant + new.meant_gpus - old.meant_gpus;
    }

    /// A warning event was seen.
    pub fn warning(&mut self, at: Time, now: Time) {
        if now.0 - at.0 < 60_000 {
            self.warnings.push(at);
        }
        if self.warnings.len() > 4096 {
            self.warnings.drain(..2048);
        }
    }

    /// Warnings in the last minute.
    pub fn warnings_a_minute(&self, now: Time) -> usize {
        self.warnings.iter().filter(|t| now.0 - t.0 < 60_000).count()
    }

    /// kube-proxy restarts seen in the last 15 minutes.
    pub fn proxy_restarts_15m(&self, now: Time) -> usize {
        self.proxy_restarts.iter().filter(|t| now.0 - t.0 < 15 * 60_000).count()
    }
}

/// What the scheduler counts a pod as: the larger of its containers together and each init container alone.
fn asks(pod: &Pod) -> Requested {
    if matches!(pod.phase, Phase::Succeeded | Phase::Failed) {
        return Requested::default();
    }
    let mut out = Requested { pods: 1, ..Requested::default() };
    let mut init = Requested::default();
    for c in pod.containers.iter() {
        let r = &c.spec.requests;
        let (gpu, cpu, memory) = (r.gpu.unwrap_or(0), r.cpu.unwrap_or(0), r.memory.unwrap_or(0));
        match c.spec.role {
            Role::Init => {
                init.gpus = init.gpus.max(gpu);
                init.cpu = init.cpu.max(cpu);
                init.memory = init.memory.max(memory);
            }
            Role::App | Role::Sidecar => {
                out.gpus += gpu;
                out.cpu += cpu;
                out.memory += memory;
            }
            Role::Ephemeral => {}
        }
    }
    out.gpus = out.gpus.max(init.gpus);
    out.cpu = out.cpu.max(init.cpu);
    out.memory = out.memory.max(init.memory);
    out
}

pub fn is_kube_proxy(pod: &Pod) -> bool {
    pod.meta.labels.get("k8s-app") == Some("kube-proxy")
        || (&*pod.meta.namespace == "kube-system" && pod.meta.name.starts_with("kube-proxy-"))
}

/// The pod's place in a list that shows the sick first.
pub fn rank(health: Health) -> i64 {
    health as i64
}
