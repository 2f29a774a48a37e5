//! The scheduler: finds a node for each pod, or reports in the real scheduler's words why none fits.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::store::Object;
use crate::scenario::units::glob;

use super::controllers::nodes::tolerates;
use super::controllers::{Controller, quota};
use super::engine::Engine;
use super::events::{Said, Source};
use super::object::{self, Key, amount, entry, expression, flag, list, stamp, text};
use super::resources::{Amounts, pod_requests};

/// Why a node does not fit, and whether preemption could help.
struct Misfits {
    reasons: Vec<String>,
    preemptible: bool,
}

/// Tries each pod without a node that was not tried since the cluster changed.
pub(super) struct Scheduler;

impl Controller for Scheduler {
    type Key = ();

    fn sync(engine: &mut Engine, (): &()) {
        let mut waiting: Vec<Key> =
            engine.pending.iter().filter(|k| !engine.tried.contains(*k)).cloned().collect();
        // Sorted by priority, then by age.
        waiting.sort_by_cached_key(|k| {
            let pod = engine.cache.get("pods", k);
            let age = pod.map(|p| text(p, "/metadata/creationTimestamp").to_owned());
            (std::cmp::Reverse(pod.map_or(0, |p| super::kubelet::priority(p))), age)
        });
        for key in waiting {
            engine.absorb();
            let Some(pod) = engine.cached("pods", &key) else { continue };
            if !text(&pod, "/spec/nodeName").is_empty() || object::deleting(&pod) {
                continue;
            }
            engine.tried.insert(key.clone());
            place(engine, &key, &pod);
        }
    }
}

/// Retries unschedulable pods after a change of the cluster.
pub(super) fn misplaced_retry(engine: &mut Engine) {
    engine.tried.clear();
}

fn place(engine: &mut Engine, key: &Key, pod: &Object) {
    if !list(pod, "/spec/schedulingGates").is_empty() {
        gate(engine, key);
        return;
    }
    if let Some(why) = quota::unbound_volume(engine, key, pod) {
        let total = engine.cache.all("nodes").count();
        unschedulable(engine, key, pod, &format!("0/{total} nodes are available: {why}. not found"));
        return;
    }
    let asked = pod_requests(pod);
    let mut best: Option<(i64, String)> = None;
    let mut total = 0_usize;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut preemptible = 0;
    let siblings = siblings_by_node(engine, pod);
    let told: Vec<_> = engine.misfits.iter().filter(|m| glob(&m.pod, &key.to_string())).cloned().collect();
    for (node_key, node) in engine.cache.all("nodes") {
        total += 1;
        let told = told.iter().find(|m| m.nodes.as_ref().is_none_or(|n| glob(n, &node_key.name)));
        let misfits = match told {
            Some(m) => Misfits { reasons: vec![m.reason.clone()], preemptible: false },
            None => misfits_of(engine, node, pod, &asked),
        };
        if misfits.reasons.is_empty() {
            let score = score(engine, node, &asked, siblings.get(&*node_key.name).copied().unwrap_or(0));
            if best.as_ref().is_none_or(|b| score > b.0) {
                best = Some((score, node_key.name.to_string()));
            }
        }
        preemptible += usize::from(misfits.preemptible);
        for reason in misfits.reasons {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    match best {
        Some((_, node)) => bind(engine, key, pod, &node),
        None => {
            let message = explain(total, &reasons, preemptible);
            unschedulable(engine, key, pod, &message);
        }
    }
}

fn siblings_by_node(engine: &Engine, pod: &Value) -> BTreeMap<String, i64> {
    let mut count = BTreeMap::new();
    if let Some((_, _, owner)) = object::controller(pod) {
        for sibling in engine.cache.owned("pods", owner) {
            *count.entry(text(&sibling, "/spec/nodeName").to_owned()).or_default() += 1;
        }
    }
    count
}

fn misfits_of(engine: &Engine, node: &Value, pod: &Value, asked: &Amounts) -> Misfits {
    let no = |reason: &str| Misfits { reasons: vec![reason.to_owned()], preemptible: false };
    let tolerations = list(pod, "/spec/tolerations");
    if flag(node, "/spec/unschedulable") {
        let taint = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if !tolerations.iter().any(|t| tolerates(t, &taint)) {
            return no("node(s) were unschedulable");
        }
    }
    let fatal = |t: &&Value| t["effect"] == "NoSchedule" || t["effect"] == "NoExecute";
    let untolerated =
        list(node, "/spec/taints").iter().filter(fatal).any(|t| !tolerations.iter().any(|o| tolerates(o, t)));
    if untolerated {
        return no("node(s) had untolerated taint(s)");
    }
    if !affine(node, pod) {
        return no("node(s) didn't match Pod's node affinity/selector");
    }
    let name = object::name(node);
    if ports_taken(engine, name, pod) {
        return Misfits {
            reasons: vec!["node(s) didn't have free ports for the requested pod ports".into()],
            preemptible: true,
        };
    }
    let allocatable =
        |r: &str| node.pointer("/status/allocatable").and_then(|a| a.get(r)).and_then(amount).unwrap_or(0.0);
    let mut reasons = Vec::new();
    let mut possible = true;
    if engine.allocations.used(name, "pods") + 1.0 > allocatable("pods") {
        reasons.push("Too many pods".to_owned());
    }
    for (resource, want) in asked.iter().filter(|(_, w)| **w > 0.0) {
        let have = allocatable(resource);
        if engine.allocations.used(name, resource) + want > have * (1.0 + 1e-9) {
            reasons.push(format!("Insufficient {resource}"));
            possible &= *want <= have;
        }
    }
    let preemptible = possible && !reasons.is_empty();
    Misfits { reasons, preemptible }
}

fn ports_taken(engine: &Engine, node: &str, pod: &Value) -> bool {
    let ports = |p: &Value| -> Vec<i64> {
        list(p, "/spec/containers")
            .iter()
            .flat_map(|c| list(c, "/ports"))
            .filter_map(|port| object::int(port, "/hostPort"))
            .filter(|p| *p > 0)
            .collect()
    };
    let wanted = ports(pod);
    !wanted.is_empty()
        && engine
            .cache
            .on_node(node)
            .filter(|p| !object::finished(p))
            .any(|p| ports(p).iter().any(|x| wanted.contains(x)))
}

/// Prefers empty nodes and nodes without siblings. Nodes with GPUs are reserved for pods that request GPUs.
fn score(engine: &Engine, node: &Value, asked: &Amounts, siblings: i64) -> i64 {
    let name = object::name(node);
    let share = |r: &str| {
        let have = node.pointer("/status/allocatable").and_then(|a| a.get(r)).and_then(amount).unwrap_or(1.0);
        (engine.allocations.used(name, r) + asked.get(r).copied().unwrap_or(0.0)) / have
    };
    let free = 1.0 - (share("cpu") + share("memory")) / 2.0;
    let wasted = node.pointer("/status/allocatable/nvidia.com~1gpu").is_some()
        && !asked.contains_key("nvidia.com/gpu");
    (free * 1000.0) as i64 - siblings * 2000 - if wasted { 5000 } else { 0 }
}

fn bind(engine: &mut Engine, key: &Key, pod: &Object, node: &str) {
    let topology = topology_of(engine, node);
    let bound = engine.write("pods", key, |o| {
        o["spec"]["nodeName"] = json!(node);
        entry(&mut o["metadata"], "labels").extend(topology);
    });
    if bound.is_none() {
        return;
    }
    scheduled_condition(engine, key, "True", "", "");
    let said = format!("Successfully assigned {key} to {node}");
    let event = Said { kind: "Normal", reason: "Scheduled", message: &said, field: None, action: "Binding" };
    let now = engine.now();
    engine.recorder.record(&engine.store, now, Source::Scheduler, pod, &event);
}

fn topology_of(engine: &Engine, node: &str) -> Vec<(String, Value)> {
    let Some(node) = engine.cache.find("nodes", "", node) else { return Vec::new() };
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
        .iter()
        .filter_map(|k| object::label(node, k).map(|v| ((*k).to_owned(), json!(v))))
        .collect()
}

fn gate(engine: &mut Engine, key: &Key) {
    scheduled_condition(
        engine,
        key,
        "False",
        "SchedulingGated",
        "Scheduling is blocked due to non-empty scheduling gates",
    );
}

fn unschedulable(engine: &mut Engine, key: &Key, pod: &Object, message: &str) {
    scheduled_condition(engine, key, "False", "Unschedulable", message);
    if engine.misplaced.get(key).is_some_and(|m| m == message) {
        return;
    }
    engine.misplaced.insert(key.clone(), message.to_owned());
    let event =
        Said { kind: "Warning", reason: "FailedScheduling", message, field: None, action: "Scheduling" };
    let now = engine.now();
    engine.recorder.record(&engine.store, now, Source::Scheduler, pod, &event);
}

fn scheduled_condition(engine: &mut Engine, key: &Key, is: &str, reason: &str, message: &str) {
    let now = stamp(engine.now());
    engine.write_status("pods", key, |o| {
        let generation = o.pointer("/metadata/generation").cloned().unwrap_or(json!(1));
        let conditions = entry(o, "status").entry("conditions").or_insert_with(|| json!([]));
        let Value::Array(list) = conditions else { return };
        let old = list.iter().position(|c| c["type"] == "PodScheduled");
        let since = old
            .and_then(|i| list.get(i))
            .filter(|c| c["status"] == is)
            .map(|c| c["lastTransitionTime"].clone());
        let mut condition = json!({"type": "PodScheduled", "status": is,
            "lastProbeTime": null, "lastTransitionTime": since.unwrap_or_else(|| json!(now))});
        if !reason.is_empty() {
            condition["observedGeneration"] = generation;
            condition["reason"] = json!(reason);
            condition["message"] = json!(message);
        }
        match old {
            Some(i) => list[i] = condition,
            None => list.push(condition),
        }
    });
}

/// The scheduler's message: counts sorted as text, then the result of preemption.
fn explain(total: usize, reasons: &BTreeMap<String, usize>, preemptible: usize) -> String {
    if total == 0 {
        return "no nodes available to schedule pods".into();
    }
    let mut parts: Vec<String> = reasons.iter().map(|(why, n)| format!("{n} {why}")).collect();
    parts.sort();
    let mut after = Vec::new();
    if preemptible > 0 {
        after.push(format!("{preemptible} No preemption victims found for incoming pod"));
    }
    if total > preemptible {
        after.push(format!("{} Preemption is not helpful for scheduling", total - preemptible));
    }
    after.sort();
    format!(
        "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are available: {}.",
        parts.join(", "),
        after.join(", ")
    )
}

/// Whether the pod's node selector and required node affinity match.
pub fn affine(node: &Value, pod: &Value) -> bool {
    let labels = |k: &str| object::label(node, k);
    let selector = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    if !selector.is_none_or(|s| s.iter().all(|(k, v)| labels(k) == v.as_str())) {
        return false;
    }
    let terms = list(
        pod,
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
    );
    let field = |k: &str| (k == "metadata.name").then(|| object::name(node));
    terms.is_empty()
        || terms.iter().any(|t| {
            list(t, "/matchExpressions").iter().all(|e| expression(e, labels))
                && list(t, "/matchFields").iter().all(|e| expression(e, field))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// captures/watch: failed-rollout-and-undo, node-notready-and-back.
    #[test]
    fn misfits_are_told_in_the_schedulers_words() {
        let one = |why: &str| BTreeMap::from([(why.to_owned(), 1)]);
        assert_eq!(
            explain(1, &one("Insufficient nvidia.com/gpu"), 0),
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
        let many = BTreeMap::from([
            ("Insufficient cpu".to_owned(), 3),
            ("node(s) had untolerated taint(s)".to_owned(), 12),
        ]);
        assert_eq!(
            explain(15, &many, 3),
            "0/15 nodes are available: 12 node(s) had untolerated taint(s), 3 Insufficient cpu. no new claims to deallocate, preemption: 0/15 nodes are available: 12 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod."
        );
    }
}
