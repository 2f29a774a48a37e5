//! Nodes that a DaemonSet is meant for and that a taint keeps it from.

use crate::world::{Kind, Node, ObjectRef, Taint, Workload};

use super::diagnosis::{Ctx, Diagnosis};
use super::evidence::Severity;
use super::schedule;

/// Taints of these prefixes are everyday life: roles keep workloads away on purpose, and the DaemonSet controller
/// tolerates a node's own troubles for its pods.
const USUAL: &[&str] =
    &["node-role.kubernetes.io/", "node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

/// A DaemonSet that lacks nodes because of their taints. Everything it does not want to run on is its own choice.
pub fn kept_away(ctx: &Ctx, w: &Workload, object: &ObjectRef) -> Option<Diagnosis> {
    let spec = &w.template.pod;
    if w.kind != Kind::DaemonSet
        || spec.node_affinity
        || !ctx.world.synced(&Kind::Node)
        || w.observed_generation < w.meta.generation
    {
        return None;
    }
    let chosen = |n: &&Node| {
        n.meta.deleting.is_none()
            && spec.node_selector.iter().all(|(k, v)| n.meta.labels.get(k) == Some(&**v))
    };
    let shut = |t: &&Taint| {
        matches!(&*t.effect, "NoSchedule" | "NoExecute")
            && !USUAL.iter().any(|p| t.key.starts_with(p))
            && !spec.tolerates(t)
    };
    let runs_on = |n: &Node| {
        ctx.world
            .pods_on(&n.meta.name)
            .any(|(_, p)| p.meta.owner.as_ref().is_some_and(|o| o.uid == w.meta.uid))
    };
    let mut away: Vec<(&Node, &Taint)> = ctx
        .world
        .nodes
        .values()
        .filter(chosen)
        .filter_map(|n| Some((n, n.taints.iter().find(shut)?)))
        .filter(|(n, _)| !runs_on(n))
        .collect();
    away.sort_by(|a, b| a.0.meta.name.cmp(&b.0.meta.name));
    let (node, taint) = *away.first()?;
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    let written = format!("{}{value}:{}", taint.key, taint.effect);
    let more = match away.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let name = &w.meta.name;
    let since = taint.added.or(w.meta.created).unwrap_or(ctx.now);
    let none = w.desired == 0;
    let title = if none {
        format!("DaemonSet {name} runs on no node: taint {written} keeps it from {}{more}", node.meta.name)
    } else {
        format!("DaemonSet {name} does not run on {}{more}: taint {written} keeps it away", node.meta.name)
    };
    let of = ObjectRef::new(Kind::Node, "", node.meta.name.clone());
    Some(
        Diagnosis::new(schedule::TAINT, object.clone(), since)
            // A dedicated node is kept free of agents on purpose more often than not.
            .severity(if none { Severity::Warning } else { Severity::Info })
            .title(title)
            .row("kept away by a taint")
            .evidence("node taints", written, &of, taint.added)
            .evidence("daemonset status", format!("desired {}, ready {}", w.desired, w.ready), object, None),
    )
}
