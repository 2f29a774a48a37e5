//! The eviction manager: memory and disk pressure on nodes, and pods over their local storage limits.
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::store::Object;

use super::{Machine, PodRun, memory_request, priority, since};
use super::{node, stop};
use crate::cluster::controllers::nodes;
use crate::cluster::engine::{Engine, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::object::{self, Key, amount, list, text};
use crate::cluster::usage;

/// The pause after an eviction: the kubelet waits for the pod to be gone.
const BETWEEN: Duration = Duration::from_secs(30);
/// How often a kubelet under pressure checks again.
const LOOK: Duration = Duration::from_secs(10);
/// How long a pressure condition stays after the pressure ended (eviction-pressure-transition-period).
const HOLD: Duration = Duration::from_secs(300);
/// The threshold of memory.available, in bytes.
const MEMORY_THRESHOLD: f64 = 100.0 * 1_048_576.0;
/// The threshold of nodefs.available, as a share of the disk.
const DISK_THRESHOLD: f64 = 0.1;
/// The share of the disk used by the system and its images.
const DISK_SYSTEM: f64 = 0.31;
/// The lowest priority of system-critical pods.
const CRITICAL: i64 = 2_000_000_000;

/// A resource that a node can run short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scarce {
    Memory,
    Disk,
}

impl Scarce {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "ephemeral-storage",
        }
    }

    /// The bytes that must be free.
    fn threshold(self, machine: &Machine) -> f64 {
        match self {
            Self::Memory => MEMORY_THRESHOLD,
            Self::Disk => machine.storage * DISK_THRESHOLD,
        }
    }

    fn capacity(self, machine: &Machine) -> f64 {
        match self {
            Self::Memory => machine.memory,
            Self::Disk => machine.storage,
        }
    }

    fn used(self, run: &PodRun, now: Timestamp) -> f64 {
        match self {
            Self::Memory => run.memory(now),
            Self::Disk => run.disk(now),
        }
    }

    fn asked(self, pod: &Object) -> f64 {
        match self {
            Self::Memory => memory_request(pod),
            Self::Disk => list(pod, "/spec/containers")
                .iter()
                .filter_map(|c| amount(c.pointer("/resources/requests/ephemeral-storage")?))
                .sum(),
        }
    }
}

/// Schedules a check for when something may be used up, after the pods of a node changed.
pub(in crate::cluster) fn watch_usage(engine: &mut Engine, node: &Arc<str>) {
    let now = engine.now();
    let Some(wait) = used_up_in(engine, node, now) else { return };
    look_at(engine, node, wait);
}

/// Schedules the next check of a node; it replaces a later one.
pub(in crate::cluster) fn look_at(engine: &mut Engine, node: &Arc<str>, wait: Duration) {
    let now = engine.now();
    let Some(machine) = engine.machines.get_mut(node) else { return };
    let at = now.checked_add(wait).unwrap_or(now);
    if machine.look.is_none_or(|planned| planned > at) {
        machine.look = Some(at);
        engine.at(at, Timer::Pressure(node.clone()));
    }
}

/// When memory, disk or a pod's limit will be used up at the current rates.
fn used_up_in(engine: &Engine, node: &str, now: Timestamp) -> Option<Duration> {
    let machine = engine.machines.get(node)?;
    let runs: Vec<&PodRun> = runs_on(engine, node).collect();
    let left = |scarce: Scarce| scarce.capacity(machine) - scarce.threshold(machine);
    let memory = |t: Timestamp| usage::node_usage(engine, node, t).1 - left(Scarce::Memory);
    let disk = |t: Timestamp| node_disk(engine, node, t) - left(Scarce::Disk);
    let mut moments: Vec<Duration> = runs.iter().flat_map(|r| r.bends(now)).collect();
    moments.sort_unstable();
    moments.dedup();
    let mut first =
        [crossing(&moments, now, memory), crossing(&moments, now, disk)].into_iter().flatten().min();
    for run in runs {
        for share in shares(&run.pod) {
            let over = |t: Timestamp| share.used(run, t) - share.limit;
            first = first.into_iter().chain(crossing(&moments, now, over)).min();
        }
    }
    first
}

fn runs_on<'a>(engine: &'a Engine, node: &'a str) -> impl Iterator<Item = &'a PodRun> {
    let on = engine.cache.on_node(node).filter_map(|p| engine.runs.get(object::uid(p)));
    on.filter(|r| !r.done && r.stopping.is_none())
}

/// Bytes in use on a node's disk.
pub(in crate::cluster) fn node_disk(engine: &Engine, node: &str, now: Timestamp) -> f64 {
    let system = engine.machines.get(node).map_or(0.0, |m| m.storage * DISK_SYSTEM);
    system + runs_on(engine, node).map(|r| r.disk(now)).sum::<f64>()
}

/// Checks a node: evicts pods over their own limits, then one pod that relieves the shortage.
pub(in crate::cluster) fn relieve_pressure(engine: &mut Engine, node: &Arc<str>) {
    let now = engine.now();
    let Some(machine) = engine.machines.get_mut(node).filter(|m| m.kubelet) else { return };
    if machine.look.is_none_or(|planned| planned > now) {
        return;
    }
    machine.look = None;
    let machine = machine.clone();
    for (uid, message) in over_their_limits(engine, node, now) {
        // A pod over its own limit gets no DisruptionTarget condition (captures/list/pods.json,
        // evicted-by-its-limit).
        evict_pod(engine, &uid, &message);
    }
    let free = |scarce: Scarce| match scarce {
        Scarce::Memory => machine.memory - usage::node_usage(engine, node, now).1,
        Scarce::Disk => machine.storage - node_disk(engine, node, now),
    };
    // One MiB of tolerance for rounded times.
    let short = |scarce: Scarce| free(scarce) < scarce.threshold(&machine) + 1_048_576.0;
    let (memory, disk) = (short(Scarce::Memory), short(Scarce::Disk));
    let available = if disk { free(Scarce::Disk) } else { free(Scarce::Memory) };
    if let Some(m) = engine.machines.get_mut(node) {
        m.starved = if memory { Some(now) } else { m.starved.filter(|s| since(*s, now) < HOLD) };
        m.full = if disk { Some(now) } else { m.full.filter(|s| since(*s, now) < HOLD) };
        let changed =
            (m.starved.is_some(), m.full.is_some()) != (machine.starved.is_some(), machine.full.is_some());
        if changed {
            node::post_node(engine, node);
            engine.add(Work::Node(node.clone()));
        }
    }
    let told = (machine.memory_pressure, machine.disk_pressure);
    let scarce = match (memory || told.0, disk || told.1) {
        (true, _) => Scarce::Memory,
        (_, true) => Scarce::Disk,
        _ => {
            let held = engine.machines.get(node).is_some_and(|m| m.starved.is_some() || m.full.is_some());
            if held {
                look_at(engine, node, LOOK);
            }
            watch_usage(engine, node);
            return;
        }
    };
    evict_one(engine, node, &machine, scarce, available.min(scarce.threshold(&machine) * 0.8));
    look_at(engine, node, BETWEEN);
}

/// Evicts the pod that exceeds its request the most; among equals the least important.
fn evict_one(engine: &mut Engine, node: &Arc<str>, machine: &Machine, scarce: Scarce, available: f64) {
    let Some(object) = engine.cached("nodes", &Key::new("", node)) else { return };
    let said = format!("Attempting to reclaim {}", scarce.name());
    engine.event(Source::Kubelet(node), &object, "Warning", "EvictionThresholdMet", &said);
    let now = engine.now();
    let mut ranked: Vec<(bool, i64, i64, Arc<str>, Object)> = Vec::new();
    for run in runs_on(engine, node).filter(|r| priority(&r.pod) < CRITICAL) {
        let over = scarce.used(run, now) - scarce.asked(&run.pod);
        ranked.push((over <= 0.0, priority(&run.pod), -(over as i64), run.uid.clone(), run.pod.clone()));
    }
    ranked.sort_by(|a, b| (a.0, a.1, a.2, &a.3).cmp(&(b.0, b.1, b.2, &b.3)));
    let Some((.., uid, pod)) = ranked.into_iter().next() else { return };
    let Some(run) = engine.runs.get(&uid) else { return };
    let name = run.containers.iter().find(|c| c.main()).map(|c| c.name.clone()).unwrap_or_default();
    let what = scarce.name();
    let message = format!(
        "The node was low on resource: {what}. Threshold quantity: {}, available: {}. Container {name} was using {}, request is {}, has larger consumption of {what}. ",
        binary(scarce.threshold(machine)),
        kib(available),
        kib(scarce.used(run, now)),
        kib(scarce.asked(&pod)),
    );
    nodes::disrupt(engine, &Key::of(&pod), "TerminationByKubelet", &message);
    evict_pod(engine, &uid, &message);
}

/// Pods over their local storage limits, with the kubelet's messages.
fn over_their_limits(engine: &Engine, node: &str, now: Timestamp) -> Vec<(Arc<str>, String)> {
    let over = |run: &PodRun| {
        let exceeded = shares(&run.pod).into_iter().find(|s| s.used(run, now) + 1_048_576.0 > s.limit);
        exceeded.map(|share| (run.uid.clone(), share.message))
    };
    runs_on(engine, node).filter_map(over).collect()
}

/// Ends a pod because of node pressure or its own limit.
fn evict_pod(engine: &mut Engine, uid: &Arc<str>, message: &str) {
    let Some((pod, node)) = engine.runs.get(uid).map(|r| (r.pod.clone(), r.node.clone())) else { return };
    engine.event(Source::Kubelet(&node), &pod, "Warning", "Evicted", message);
    stop::stop_pod(engine, uid, Some(("Evicted".to_owned(), message.to_owned(), Duration::ZERO)));
}

/// A local storage limit of a pod.
struct Share {
    /// The emptyDir it applies to; none for the whole pod.
    volume: Option<String>,
    /// In bytes.
    limit: f64,
    /// The kubelet's message when the limit is exceeded.
    message: String,
}

impl Share {
    fn used(&self, run: &PodRun, now: Timestamp) -> f64 {
        match &self.volume {
            Some(volume) => run.volume_bytes(volume, now),
            None => run.disk(now),
        }
    }
}

fn shares(pod: &Object) -> Vec<Share> {
    let mut all: Vec<Share> = list(pod, "/spec/volumes")
        .iter()
        .filter_map(|v| {
            let (name, written) = (text(v, "/name"), v.pointer("/emptyDir/sizeLimit")?);
            let message = format!(
                "Usage of EmptyDir volume {name:?} exceeds the limit {:?}. ",
                written.as_str().unwrap_or_default()
            );
            Some(Share { volume: Some(name.to_owned()), limit: amount(written)?, message })
        })
        .collect();
    let limit = |c: &Value| amount(c.pointer("/resources/limits/ephemeral-storage")?);
    let limits: Vec<Option<f64>> = list(pod, "/spec/containers").iter().map(limit).collect();
    if !limits.is_empty() && limits.iter().all(Option::is_some) {
        let limit = limits.into_iter().flatten().sum();
        let message = format!(
            "Pod ephemeral local storage usage exceeds the total limit of containers {}. ",
            binary(limit)
        );
        all.push(Share { volume: None, limit, message });
    }
    all
}

/// When a piecewise linear function with bends at these moments first reaches zero.
fn crossing(moments: &[Duration], now: Timestamp, f: impl Fn(Timestamp) -> f64) -> Option<Duration> {
    let at = |t: Duration| f(now.checked_add(t).unwrap_or(now));
    let (mut before, mut value) = (Duration::ZERO, at(Duration::ZERO));
    if value >= 0.0 {
        return Some(Duration::ZERO);
    }
    for &moment in moments {
        let next = at(moment);
        if next >= 0.0 {
            return Some(before + (moment - before).mul_f64(value / (value - next)));
        }
        (before, value) = (moment, next);
    }
    None
}

fn kib(bytes: f64) -> String {
    if bytes == 0.0 { "0".to_owned() } else { format!("{}Ki", (bytes / 1024.0) as u64) }
}

/// Formats a binary quantity like Kubernetes, with the largest unit that divides it.
fn binary(bytes: f64) -> String {
    let (mut value, mut unit) = (bytes as u64, 0);
    while value != 0 && value.is_multiple_of(1024) && unit < 4 {
        value /= 1024;
        unit += 1;
    }
    format!("{value}{}", ["", "Ki", "Mi", "Gi", "Ti"][unit])
}
