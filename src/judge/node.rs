//! What is wrong with a node: readiness, pressure, known problems, GPUs that are gone.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::quantity;
use crate::world::scheduling::requests;
use crate::world::{Condition, ContainerState, Node, ObjectRef, Phase, Pod, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::limits::seconds;
use super::node_held;
use super::pattern;
use super::registry::causes;
use super::text::{bytes, plural};

const WHY_NODE: &str =
    "all pods of a node share its fate, and the scheduler may fill it again before anybody looks";
const WHY_GPU: &str =
    "GPUs are the dearest thing there is: vanished or sick ones fail jobs that ran for days, often silently";

causes! {
    NOT_READY = "node.not-ready" Critical Watch("nodes, pods") tree "node":
        "the kubelet stopped reporting, or reports not ready",
        why WHY_NODE, source "condition Ready";
    RUNTIME_DOWN = "node.runtime-down" Critical Watch("nodes, pods") tree "node":
        "the container runtime fails while old pods run",
        why WHY_NODE, source "message of condition Ready";
    NETWORK = "node.network" Critical Watch("nodes") tree "node":
        "the node's network is not set up",
        why WHY_NODE, source "conditions NetworkUnavailable and Ready";
    PRESSURE_MEMORY = "node.pressure-memory" Critical Watch("nodes, pods") tree "node":
        "the node runs low on memory",
        why WHY_NODE, source "condition MemoryPressure";
    PRESSURE_DISK = "node.pressure-disk" Critical Watch("nodes") tree "node":
        "the node runs low on disk",
        why WHY_NODE, source "condition DiskPressure";
    PRESSURE_PID = "node.pressure-pid" Critical Watch("nodes") tree "node":
        "the node runs low on process ids",
        why WHY_NODE, source "condition PIDPressure";
    PROBLEM = "node.problem" Warning Watch("nodes") tree "node":
        "Node Problem Detector reports a permanent problem; judged by the condition's polarity",
        why WHY_NODE, source "node-problem-detector's own rules";
    GPU_VANISHED = "gpu.vanished" Critical Watch("nodes") tree "gpu":
        "a GPU node offers no GPUs, or fewer than it has or had",
        why WHY_GPU, source "labels, allocatable and what it offered before";
}

/// Everything about a node's readiness folds into one line.
pub const FAMILY: &str = "node.ready";

/// What nodes that are not ready fold under.
pub const NODES: &str = "nodes not ready";
/// What nodes that lost GPUs fold under.
pub const GPUS: &str = "nodes without their GPUs";

/// Conditions that Node Problem Detector and the cloud providers' builds of it set: bad when True.
const PROBLEMS: &[&str] = &[
    "KernelDeadlock",
    "ReadonlyFilesystem",
    "CorruptDockerOverlay2",
    "FrequentKubeletRestart",
    "FrequentDockerRestart",
    "FrequentContainerdRestart",
    "FrequentUnregisterNetDevice",
    "KubeletUnhealthy",
    "KubeletProblem",
    "ContainerRuntimeUnhealthy",
    "ContainerRuntimeProblem",
    "XfsShutdown",
    "CperHardwareErrorFatal",
    "FilesystemCorruptionProblem",
    // Azure's.
    "GPUMissing",
    "NVLinkStatusInactive",
    "XIDErrors",
    "IBLinkFlapping",
    "GPUClockThrottling",
    "UnhealthyNvidiaDevicePlugin",
    "UnhealthyNvidiaDCGMServices",
];

/// Conditions that other rules judge, or that say nothing bad whatever their value.
const JUDGED: &[&str] = &[
    "Ready",
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "NetworkUnavailable",
    "OutOfDisk",
    "VMEventScheduled",
    "EtcdIsVoter",
];

/// Whether a condition that khud does not know is bad: where its reason says so, or where this node alone differs from
/// at least two others that have it. Its value alone says nothing: some are bad when True, some when False.
fn abnormal(ctx: &Ctx, node: &Node, c: &Condition) -> bool {
    if [PROBLEMS, HEALTHS, JUDGED].iter().any(|known| known.contains(&&*c.kind)) {
        return false;
    }
    // Node Problem Detector's plugins set conditions named after the problem: NTPProblem, DiskProblem.
    if c.kind.ends_with("Problem") {
        return c.status == Status::True;
    }
    if c.reason.ends_with("IsNotHealthy") || c.reason.ends_with("Unhealthy") || c.reason.ends_with("Problem")
    {
        return c.status != Status::False || c.reason.ends_with("Unhealthy");
    }
    let mut peers = 0;
    for other in ctx.world.nodes.values().filter(|n| n.meta.name != node.meta.name) {
        match condition(&other.conditions, &c.kind) {
            Some(theirs) if theirs.status == c.status => return false,
            Some(_) => peers += 1,
            None => {}
        }
    }
    peers > 1
}

/// Conditions of EKS's node monitoring agent: bad when False.
const HEALTHS: &[&str] =
    &["KernelReady", "NetworkingReady", "StorageReady", "ContainerRuntimeReady", "AcceleratedHardwareReady"];

/// What Node Problem Detector calls itself in its events: a monitor each.
const DETECTORS: &[&str] = &[
    "kernel-monitor",
    "docker-monitor",
    "systemd-monitor",
    "abrt-adaptor",
    "health-checker",
    "network-custom-plugin-monitor",
    "ntp-custom-plugin-monitor",
    "node-problem-detector",
];

/// Pieces of evidence taken from its events.
const EXPLAINED: usize = 2;

static GROWER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Container (\S+) was using (\S+), request is (\S+),"));

/// Whether the kubelet reports Ready. A node without the condition has not reported yet.
pub fn ready(node: &Node) -> bool {
    condition(&node.conditions, "Ready").is_none_or(|c| c.status == Status::True)
}

/// The GPU driver a node's labels name.
pub fn driver(node: &Node) -> Option<&str> {
    let l = &node.meta.labels;
    l.get("nvidia.com/cuda.driver-version.full").or_else(|| l.get("nvidia.com/cuda.driver.full"))
}

/// Whether the node is under that pressure now.
pub fn pressed(ctx: &Ctx, node: &str, kind: &str) -> bool {
    ctx.world
        .nodes
        .find("", node)
        .and_then(|n| condition(&n.conditions, kind))
        .is_some_and(|c| c.status == Status::True)
}

/// Who was using how much, in an eviction's message, and how much more than it asked for. The kubelet names the evicted
/// pod's own containers that went over their requests: a pod without that clause is a victim of others.
pub fn grower(message: &str) -> Option<(u64, String)> {
    let m = GROWER.captures(message)?;
    let over = quantity::value(&m[2])?.saturating_sub(quantity::value(&m[3])?);
    Some((over, format!("{} was using {} with a request of {}", &m[1], &m[2], &m[3])))
}

pub fn judge(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    state(ctx, node, object, out);
    node_held::judge(ctx, node, object, out);
    // What Node Problem Detector saw explains a node that is sick, and says nothing of one that is well.
    let hour = ctx.now.minus(seconds(3600));
    if let Some(signal) = out.signals.iter_mut().find(|s| s.key.root == *object) {
        let events = ctx.world.events_of(object).into_iter();
        let told = events.filter(|e| e.warning && e.last >= hour && DETECTORS.contains(&&*e.source));
        *signal = told.take(EXPLAINED).fold(signal.clone(), |s, e| s.event(e));
    }
}

fn state(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let name = &node.meta.name;
    let created = node.meta.created.unwrap_or(ctx.now);
    if node.meta.deleting.is_some() {
        return;
    }
    if let Some(c) = condition(&node.conditions, "Ready").filter(|c| c.status != Status::True) {
        let since = c.since.unwrap_or(ctx.now);
        let said = c.message.to_ascii_lowercase();
        let stopped = c.status == Status::Unknown;
        let (rule, title) = if stopped {
            (NOT_READY, format!("node {name} is not ready: its kubelet stopped reporting"))
        } else if said.contains("container runtime is down") || said.contains("pleg is not healthy") {
            (RUNTIME_DOWN, format!("the container runtime of node {name} is down"))
        } else if said.contains("network not ready") || said.contains("cni") {
            (NETWORK, format!("the network of node {name} is not set up"))
        } else {
            (NOT_READY, format!("node {name} reports not ready: {}", first_clause(&c.message)))
        };
        let mut signal = Diagnosis::new(rule, object.clone(), since)
            .family(FAMILY)
            .fold(NODES)
            .title(title)
            .row(if rule == RUNTIME_DOWN {
                "container runtime down"
            } else if stopped {
                "kubelet stopped reporting"
            } else {
                "not ready"
            })
            .evidence("condition Ready", format!("{}: {}", c.reason, c.message), object, c.since);
        if rule == RUNTIME_DOWN {
            let (old, new) = running_and_creating(ctx, name);
            let quote = format!("{} Running, {} ContainerCreating", plural(old, "pod"), new);
            signal = signal.evidence("pods on the node", quote, object, Some(ctx.now));
        }
        // A node that joins or that somebody took out on purpose is not an incident, for a while.
        let young = created.plus(seconds(ctx.limits.young_node));
        let serviced = since.plus(seconds(ctx.limits.serviced_node));
        if ctx.now < young && !stopped {
            out.again(young);
            if !ctx.is_asked(object) {
                return;
            }
            signal = signal.fires_at(young);
        }
        if node.unschedulable && ctx.now < serviced {
            out.again(serviced);
            let quote = "cordoned: it is being serviced";
            signal = signal.severity(Severity::Info).evidence("node spec", quote, object, None);
        }
        out.push(signal);
        // The rest of a dead node's conditions are as old as its last word.
        return;
    }
    for (kind, rule, what) in [
        ("MemoryPressure", PRESSURE_MEMORY, "memory"),
        ("DiskPressure", PRESSURE_DISK, "disk"),
        ("PIDPressure", PRESSURE_PID, "process ids"),
        ("NetworkUnavailable", NETWORK, ""),
    ] {
        let Some(c) = condition(&node.conditions, kind).filter(|c| c.status == Status::True) else {
            continue;
        };
        let since = c.since.unwrap_or(ctx.now);
        let young = created.plus(seconds(ctx.limits.young_node));
        let mut signal = Diagnosis::new(rule, object.clone(), since);
        signal = if what.is_empty() {
            let fires = if ctx.now < young { young } else { since };
            if ctx.now < fires {
                out.again(fires);
            }
            signal
                .fires_at(fires)
                .title(format!("the network of node {name} is not set up"))
                .row("network unavailable")
        } else {
            signal.title(format!("node {name} runs low on {what}")).row(format!("low on {what}"))
        };
        signal = signal.evidence(
            format!("condition {kind}"),
            format!("{}: {}", c.reason, c.message),
            object,
            c.since,
        );
        if rule == PRESSURE_MEMORY {
            let growers = growers(ctx, name);
            if let Some((pod, says, _)) = growers.first() {
                let pod = format!("{}/{}", pod.namespace, pod.name);
                signal = signal.title(format!("node {name} runs low on memory; in pod {pod} {says}"));
            }
            let evicted = !growers.is_empty();
            for (pod, says, at) in growers.into_iter().take(3) {
                signal = signal.evidence("eviction", says, &pod, at);
            }
            let measured = measured_growers(ctx, name);
            if let Some((pod, says)) = measured.first().filter(|_| !evicted) {
                let pod = format!("{}/{}", pod.namespace, pod.name);
                signal = signal.title(format!("node {name} runs low on memory; pod {pod} {says}"));
            }
            for (pod, says) in measured.into_iter().take(3) {
                signal = signal.evidence("usage", says, &pod, Some(ctx.now));
            }
        }
        out.push(signal);
    }
    let bad = |c: &&Condition| match c.status {
        Status::True => PROBLEMS.contains(&&*c.kind),
        Status::False => HEALTHS.contains(&&*c.kind),
        Status::Unknown => false,
    };
    for c in node.conditions.iter().filter(|c| bad(c) || abnormal(ctx, node, c)) {
        // `KernelDeadlock` says itself what is wrong; `KernelReady` does not.
        let says = match c.status {
            Status::True => c.kind.to_string(),
            Status::False => format!("{} False", c.kind),
            Status::Unknown => format!("{} Unknown", c.kind),
        };
        out.push(
            Diagnosis::new(PROBLEM, object.clone(), c.since.unwrap_or(ctx.now))
                .family(&format!("node.problem.{}", c.kind))
                .title(format!("node {name} reports {says}: {}", first_clause(&c.message)))
                .row(&says)
                .evidence(
                    format!("condition {}", c.kind),
                    format!("{}: {}", c.reason, c.message),
                    object,
                    c.since,
                ),
        );
    }
    gpus(ctx, node, object, out);
    super::fleet::judge(ctx, node, object, out);
}

/// A node that says it has GPUs and offers none, or fewer than it did.
fn gpus(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let l = &node.meta.labels;
    let name = &node.meta.name;
    let offers = node.allocatable.gpu.unwrap_or(0);
    let had = ctx.past.most_gpus(name);
    let labelled = node.labelled_gpus();
    let says = ["nvidia.com/gpu.present", "nvidia.com/gpu"].iter().any(|k| l.get(k) == Some("true"))
        || ["nvidia.com/gpu.product", "amd.com/gpu.product-name", "cloud.google.com/gke-accelerator"]
            .iter()
            .any(|k| l.get(k).is_some())
        || labelled > 0
        || had > 0;
    let want = labelled.max(had).max(node.capacity.gpu.unwrap_or(0));
    if !says || (offers > 0 && offers >= want) {
        return;
    }
    // Where a driver of dynamic resource allocation offers the devices, the node has no extended resource to offer.
    let devices = ctx.world.resource_slices.values().filter(|s| s.node == *name && s.devices > 0);
    if offers == 0 && had == 0 && devices.into_iter().any(|s| s.driver.contains("gpu")) {
        return;
    }
    let lost = want.saturating_sub(offers);
    let title = match (offers, lost) {
        (0, 0) => format!("GPU node {name} offers no GPUs"),
        (0, n) => format!("node {name} lost {}", plural(n as usize, "GPU")),
        (_, n) => format!("node {name} lost {} of {}", n, plural(want as usize, "GPU")),
    };
    let created = node.meta.created.unwrap_or(ctx.now);
    let ready_since = condition(&node.conditions, "Ready").and_then(|c| c.since).unwrap_or(created);
    // The device plugin registers some time after the kubelet.
    let due = created.max(ready_since).plus(seconds(if had > 0 { 0 } else { ctx.limits.young_node }));
    let fires = if ctx.now < due { due } else { ctx.now.min(due.max(ready_since)) };
    if ctx.now < due {
        out.again(due);
    }
    let labels: Vec<String> = l
        .iter()
        .filter(|(k, _)| {
            matches!(
                *k,
                "nvidia.com/gpu.present"
                    | "nvidia.com/gpu"
                    | "nvidia.com/gpu.count"
                    | "nvidia.com/gpu.product"
            )
        })
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    // A node that was so when khud came has been for as long as it is ready, for all one can know.
    let since = ctx.past.fewer_gpus(name).unwrap_or(ready_since);
    let mut signal = Diagnosis::new(GPU_VANISHED, object.clone(), since)
        .fires_at(fires)
        .fold(GPUS)
        .title(title)
        .row(format!("gpu {offers}/{want}"))
        .evidence(
            "node status",
            format!("allocatable GPUs {offers}, capacity {}", node.capacity.gpu.unwrap_or(0)),
            object,
            None,
        );
    if !labels.is_empty() {
        signal = signal.evidence("node labels", labels.join(" "), object, None);
    }
    if had > 0 {
        signal = signal.evidence("history", format!("it offered {had} while khud watched"), object, None);
    }
    if let Some(driver) = driver(node) {
        signal = signal.evidence("node labels", format!("driver {driver}"), object, None);
    }
    if node.unschedulable {
        signal = signal.severity(Severity::Warning);
    }
    out.push(signal);
}

fn running_and_creating(ctx: &Ctx, node: &str) -> (usize, usize) {
    ctx.world.pods_on(node).fold((0, 0), |(old, new), (_, p)| match p.phase {
        Phase::Running => (old + 1, new),
        Phase::Pending
            if p.containers.iter().any(
                |c| matches!(&c.state, ContainerState::Waiting { reason, .. } if &**reason == "ContainerCreating"),
            ) =>
        {
            (old, new + 1)
        }
        _ => (old, new),
    })
}

/// Who grew, by the evictions from a node: the one that went furthest over its request first.
fn growers(ctx: &Ctx, node: &str) -> Vec<(ObjectRef, String, Option<crate::world::Time>)> {
    let evicted = ctx.world.pods_on(node).filter(|(_, p)| &*p.reason == "Evicted");
    let mut out: Vec<_> = evicted.filter_map(|(_, p)| Some((grower(&p.message)?, p))).collect();
    out.sort_by(|((a, _), p), ((b, _), q)| b.cmp(a).then_with(|| p.meta.name.cmp(&q.meta.name)));
    out.into_iter().map(|((_, says), p)| (super::pod::reference(p), says, p.ready_since)).collect()
}

/// A measurement older than this says nothing of the pressure of now.
const MEASURED: u64 = 300;

/// The pods that run on a node beyond their memory requests, by the last measurement: the one that is furthest over
/// first. It grew, whether or not it was evicted.
fn measured_growers(ctx: &Ctx, node: &str) -> Vec<(ObjectRef, String)> {
    let over = |p: &Pod| {
        let usage = &ctx.world.readings.pod(&p.meta.namespace, &p.meta.name)?.usage;
        let used = usage.memory().filter(|_| ctx.now < usage.at.plus(seconds(MEASURED)))?;
        let asked = requests(p, "memory");
        let says = match asked {
            0 => format!("uses {} of memory and requests none", bytes(used)),
            _ => format!("uses {} of memory with a request of {}", bytes(used), bytes(asked)),
        };
        (used > asked).then(|| (used - asked, says))
    };
    let running = ctx.world.pods_on(node).filter(|(_, p)| p.phase == Phase::Running);
    let mut out: Vec<_> = running.filter_map(|(_, p)| Some((over(p)?, super::pod::reference(p)))).collect();
    out.sort_by(|((a, _), p), ((b, _), q)| b.cmp(a).then_with(|| p.cmp(q)));
    out.into_iter().map(|((_, says), pod)| (pod, says)).collect()
}

fn first_clause(message: &str) -> &str {
    message.split([';', '\n']).next().unwrap_or(message).trim_end_matches('.')
}
