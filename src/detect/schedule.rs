//! Why the scheduler finds no node for a pod: its message taken apart, with what is asked for and what is free.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::{Kind, ObjectRef, Pod, Status, condition};

use super::config::seconds;
use super::pattern;
use super::signal::{Ctx, Out, Signal};
use super::text::{bytes, millicores};
use super::{room, volume};

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(\d{1,7}) (Insufficient [^,\s]*[^,.\s]|Too many pods|node\(s\) [^,]+?)(?:, |\. |\.$|$)")
});
static INSUFFICIENT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^Insufficient (\S+)$"));

/// Any GPU, where the message does not say which resource.
const GPU: &str = "gpu";

/// One reason of the message: how many nodes, and which cause it stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    pub nodes: u32,
    pub cause: &'static str,
    pub why: &'a str,
}

/// The filter that refused a node, in the order in which the scheduler runs them: a node refused by a later one passed
/// the earlier ones, so the latest is what stands between the pod and a node.
fn cause(why: &str) -> (&'static str, u8) {
    const WORDS: &[(&str, &str, u8)] = &[
        ("had unknown conditions", "schedule.taint", 1),
        ("were unschedulable", "schedule.cordoned", 1),
        ("requested node name", "schedule.selector", 1),
        ("taint", "schedule.taint", 2),
        ("Pod's node affinity", "schedule.selector", 3),
        ("node selector", "schedule.selector", 3),
        ("free ports", "schedule.host-port", 4),
        ("Insufficient", "schedule.insufficient", 5),
        ("Too many pods", "schedule.too-many-pods", 5),
        ("max volume count", "volume.attach", 6),
        ("available persistent volumes to bind", "volume.claim-unbound", 6),
        ("PersistentVolume's node affinity", "volume.zone", 6),
        ("volume node affinity conflict", "volume.zone", 6),
        ("no available volume zone", "volume.zone", 6),
        ("enough free storage", "volume.capacity", 6),
        ("topology spread constraints", "schedule.spread", 7),
        ("affinity", "schedule.pod-affinity", 8),
    ];
    WORDS
        .iter()
        .find(|(word, _, _)| why.contains(word))
        .map_or(("schedule.unknown", 0), |(_, cause, rank)| (cause, *rank))
}

/// The reasons of a FailedScheduling message, without what it says of preemption.
pub fn reasons(message: &str) -> Vec<Reason<'_>> {
    let body = message.split_once("nodes are available:").map_or("", |(_, rest)| rest);
    let body = body.split(" preemption:").next().unwrap_or(body);
    ITEM.captures_iter(body)
        .filter_map(|m| {
            let why = m.get(2)?.as_str();
            Some(Reason { nodes: m[1].parse().unwrap_or(0), cause: cause(why).0, why })
        })
        .collect()
}

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let root = ctx.root(object);
    let created = pod.meta.created.unwrap_or(ctx.now);
    let Some(scheduled) = condition(&pod.conditions, "PodScheduled").filter(|c| c.status == Status::False)
    else {
        return;
    };
    let since = scheduled.since.unwrap_or(created);
    let fires = since.plus(seconds(ctx.limits.unschedulable));
    if &*scheduled.reason == "SchedulingGated" {
        out.push(
            Signal::new("schedule.gated", root, since)
                .title("held back by a scheduling gate")
                .row("scheduling gate")
                .evidence("condition PodScheduled", &*scheduled.message, object, scheduled.since),
        );
        return;
    }
    let message = &*scheduled.message;
    if message.is_empty() {
        return;
    }
    if message.contains("ersistentvolumeclaim") || message.contains("PersistentVolumeClaims") {
        return volume::unschedulable(ctx, pod, object, root, message, since, fires, out);
    }
    let found = reasons(message);
    let main = found.iter().max_by_key(|r| main_rank(ctx, pod, r));
    let cause = never_fits(ctx, pod).or(main.map(|r| r.cause)).unwrap_or("schedule.unknown");
    let nodes = found.iter().map(|r| r.nodes).sum::<u32>();
    let of = |r: &Reason| {
        if found.len() > 1 && r.cause == cause {
            format!(" on {} of {nodes} nodes", r.nodes)
        } else {
            String::new()
        }
    };
    let mut signal = Signal::new(cause, root, since).fires_at(fires);
    let (title, row) = match (cause, main) {
        ("schedule.insufficient", r) => {
            let (what, free) = insufficient(ctx, pod, &found);
            if let Some(free) = free {
                signal = signal.evidence("nodes", free, object, None);
            }
            (format!("no node has {what} free{}", r.map_or(String::new(), of)), format!("needs {what}"))
        }
        ("schedule.selector", _) => {
            let wanted: Vec<String> =
                pod.spec.node_selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if wanted.is_empty() {
                ("no node matches the pod's node affinity".into(), "no node matches".into())
            } else {
                let wanted = wanted.join(",");
                (format!("no node has the labels {wanted}"), format!("no node with {wanted}"))
            }
        }
        ("schedule.taint", Some(r)) => {
            (format!("only nodes with taints it does not tolerate are left{}", of(r)), "taints".into())
        }
        ("schedule.cordoned", _) => {
            ("the nodes that could take it are cordoned".into(), "nodes cordoned".into())
        }
        ("schedule.host-port", _) => {
            ("its host port is taken on every node".into(), "host port taken".into())
        }
        ("schedule.too-many-pods", _) => {
            ("the nodes run as many pods as they may".into(), "too many pods".into())
        }
        ("schedule.spread", _) => {
            ("no node satisfies its topology spread constraints".into(), "topology spread".into())
        }
        ("schedule.pod-affinity", Some(r)) => {
            let anti = if r.why.contains("anti-affinity") { "anti-affinity" } else { "affinity" };
            (format!("no node satisfies its pod {anti} rules"), format!("pod {anti}"))
        }
        ("volume.zone", _) => ("its volume lives where no fitting node is".into(), "volume zone".into()),
        ("volume.capacity", _) => ("no node has enough free storage".into(), "storage full".into()),
        ("volume.claim-unbound", _) => {
            ("no persistent volume is available for its claim".into(), "claim unbound".into())
        }
        ("volume.attach", _) => {
            ("the nodes carry as many volumes as they may".into(), "too many volumes".into())
        }
        _ => ("the scheduler finds no node".into(), "cannot be scheduled".into()),
    };
    signal =
        signal.title(title).row(row).evidence("condition PodScheduled", message, object, scheduled.since);
    if ctx.now < fires {
        out.again(fires);
    }
    out.push(signal);
}

/// What keeps the pod from every node there is, whatever the scheduler met first on each: a label no node carries, more
/// GPUs than any node has.
fn never_fits(ctx: &Ctx, pod: &Pod) -> Option<&'static str> {
    if !ctx.world.synced(&Kind::Node) || ctx.world.nodes.is_empty() {
        return None;
    }
    let nodes = || ctx.world.nodes.values();
    if !pod.spec.node_selector.is_empty() && !nodes().any(|n| selected(pod, &n.meta.labels)) {
        return Some("schedule.selector");
    }
    let gpus = room::asks(pod, GPU);
    (gpus > nodes().filter_map(|n| n.allocatable.gpu).max().unwrap_or(0)).then_some("schedule.insufficient")
}

/// Taints are tested before selectors. Where the selector matches some node, the taint is what stands in the way.
fn main_rank(ctx: &Ctx, pod: &Pod, r: &Reason) -> u8 {
    let (_, rank) = cause(r.why);
    if r.cause != "schedule.selector" || pod.spec.node_selector.is_empty() {
        return rank;
    }
    if ctx.world.nodes.values().any(|n| selected(pod, &n.meta.labels)) { 0 } else { 9 }
}

fn selected(pod: &Pod, labels: &crate::world::Labels) -> bool {
    pod.spec.node_selector.iter().all(|(k, v)| labels.get(k) == Some(&**v))
}

/// `16 nvidia.com/gpu`, and what the best node has: `most free: 4 of 8 on gpu-worker-042`.
fn insufficient(ctx: &Ctx, pod: &Pod, found: &[Reason]) -> (String, Option<String>) {
    let scarce: Vec<&Reason> = found.iter().filter(|r| r.cause == "schedule.insufficient").collect();
    let first = scarce.iter().max_by_key(|r| r.nodes);
    let resource = first
        .and_then(|r| INSUFFICIENT.captures(r.why))
        .and_then(|m| m.get(1))
        .map_or(GPU, |resource| resource.as_str());
    let show = |n: u64| match resource {
        "cpu" => millicores(n),
        "memory" | "ephemeral-storage" => bytes(n),
        _ => n.to_string(),
    };
    let need = room::asks(pod, resource);
    let fits = |name: &str| {
        ctx.world.nodes.find("", name).is_some_and(|n| !n.unschedulable && selected(pod, &n.meta.labels))
    };
    let free = match ctx.room.most_free(ctx.world, ctx.now, resource, fits) {
        Some((node, free, all)) => {
            format!("needs {} {resource}; most free: {} of {} on {node}", show(need), show(free), show(all))
        }
        None if ctx.world.synced(&Kind::Node) => format!("no node that fits offers {resource}"),
        None => return (format!("{} {resource}", show(need)), None),
    };
    (format!("{} {resource}", show(need)), Some(free))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(message: &str) -> Vec<(u32, &'static str)> {
        reasons(message).into_iter().map(|r| (r.nodes, r.cause)).collect()
    }

    /// The wordings of 1.36 (captures) and of older schedulers (facts 4.2).
    #[test]
    fn scheduler_messages_come_apart() {
        let tail = " no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        let m = |s: &str| format!("0/9 nodes are available: {s}{tail}");
        assert_eq!(causes(&m("1 Insufficient nvidia.com/gpu.")), [(1, "schedule.insufficient")]);
        assert_eq!(causes(&m("1 Insufficient nvidia.com/mig-3g.40gb.")), [(1, "schedule.insufficient")]);
        assert_eq!(
            causes(&m(
                "2 Insufficient cpu, 3 node(s) had untolerated taint(s), 4 node(s) were unschedulable."
            )),
            [(2, "schedule.insufficient"), (3, "schedule.taint"), (4, "schedule.cordoned")]
        );
        for taint in [
            "1 node(s) had untolerated taint {dedicated: gpu}.",
            "1 node(s) had taints that the pod didn't tolerate.",
            "1 node(s) had taint {dedicated: gpu}, that the pod didn't tolerate.",
        ] {
            assert_eq!(causes(&m(taint))[0], (1, "schedule.taint"), "{taint}");
        }
        assert_eq!(
            causes(&m("1 node(s) didn't match Pod's node affinity/selector.")),
            [(1, "schedule.selector")]
        );
        assert_eq!(causes(&m("1 node(s) didn't match pod affinity rules.")), [(1, "schedule.pod-affinity")]);
        assert_eq!(
            causes(&m("1 node(s) didn't satisfy existing pods anti-affinity rules.")),
            [(1, "schedule.pod-affinity")]
        );
        assert_eq!(
            causes(&m("1 node(s) didn't match pod topology spread constraints (missing required label).")),
            [(1, "schedule.spread")]
        );
        assert_eq!(
            causes(&m("1 node(s) didn't have free ports for the requested pod ports.")),
            [(1, "schedule.host-port")]
        );
        assert_eq!(
            causes(&m("1 node(s) didn't match PersistentVolume's node affinity.")),
            [(1, "volume.zone")]
        );
        assert_eq!(causes(&m("1 Too many pods.")), [(1, "schedule.too-many-pods")]);
        assert_eq!(causes("no scheduler is running"), []);
    }
}
