//! The scheduler: finds a node that fits, or says in its own words why none does.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::store::Object;
use crate::scenario::units::glob;

use super::engine::Engine;
use super::events::{Said, Source};
use super::nodes::tolerates;
use super::object::{self, Key, amount, entry, expression, flag, list, stamp, text};
use super::resources::{Amounts, pod_requests};

/// Why a node does not fit, and whether evicting others there could help.
struct Misfits {
    reasons: Vec<String>,
    preemptible: bool,
}

impl Engine {
    /// Looks at every pod without a node that has not been tried since the cluster changed.
    pub(super) fn schedule(&mut self) {
        let mut waiting: Vec<Key> =
            self.pending.iter().filter(|k| !self.tried.contains(*k)).cloned().collect();
        // Higher priority first, then the older.
        waiting.sort_by_cached_key(|k| {
            let pod = self.cache.get("pods", k);
            let age = pod.map(|p| text(p, "/metadata/creationTimestamp").to_owned());
            (std::cmp::Reverse(pod.map_or(0, |p| super::kubelet::priority(p))), age)
        });
        for key in waiting {
            self.absorb();
            let Some(pod) = self.cached("pods", &key) else { continue };
            if !text(&pod, "/spec/nodeName").is_empty() || object::deleting(&pod) {
                continue;
            }
            self.tried.insert(key.clone());
            self.place(&key, &pod);
        }
    }

    /// The cluster changed: what did not fit may fit now.
    pub(super) fn misplaced_retry(&mut self) {
        self.tried.clear();
    }

    fn place(&mut self, key: &Key, pod: &Object) {
        if !list(pod, "/spec/schedulingGates").is_empty() {
            self.gate(key);
            return;
        }
        if let Some(why) = self.unbound_volume(key, pod) {
            let total = self.cache.all("nodes").count();
            self.unschedulable(key, pod, &format!("0/{total} nodes are available: {why}. not found"));
            return;
        }
        let asked = pod_requests(pod);
        let mut best: Option<(i64, String)> = None;
        let mut total = 0_usize;
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut preemptible = 0;
        let siblings = self.siblings_by_node(pod);
        let told: Vec<_> = self.misfits.iter().filter(|m| glob(&m.pod, &key.to_string())).cloned().collect();
        for (node_key, node) in self.cache.all("nodes") {
            total += 1;
            let told = told.iter().find(|m| m.nodes.as_ref().is_none_or(|n| glob(n, &node_key.name)));
            let misfits = match told {
                Some(m) => Misfits { reasons: vec![m.reason.clone()], preemptible: false },
                None => self.misfits_of(node, pod, &asked),
            };
            if misfits.reasons.is_empty() {
                let score = self.score(node, &asked, siblings.get(&*node_key.name).copied().unwrap_or(0));
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
            Some((_, node)) => self.bind(key, pod, &node),
            None => {
                let message = explain(total, &reasons, preemptible);
                self.unschedulable(key, pod, &message);
            }
        }
    }

    fn siblings_by_node(&self, pod: &Value) -> BTreeMap<String, i64> {
        let mut count = BTreeMap::new();
        if let Some((_, _, owner)) = object::controller(pod) {
            for sibling in self.cache.owned("pods", owner) {
                *count.entry(text(&sibling, "/spec/nodeName").to_owned()).or_default() += 1;
            }
        }
        count
    }

    fn misfits_of(&self, node: &Value, pod: &Value, asked: &Amounts) -> Misfits {
        let no = |reason: &str| Misfits { reasons: vec![reason.to_owned()], preemptible: false };
        let tolerations = list(pod, "/spec/tolerations");
        if flag(node, "/spec/unschedulable") {
            let taint = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
            if !tolerations.iter().any(|t| tolerates(t, &taint)) {
                return no("node(s) were unschedulable");
            }
        }
        let fatal = |t: &&Value| t["effect"] == "NoSchedule" || t["effect"] == "NoExecute";
        let untolerated = list(node, "/spec/taints")
            .iter()
            .filter(fatal)
            .any(|t| !tolerations.iter().any(|o| tolerates(o, t)));
        if untolerated {
            return no("node(s) had untolerated taint(s)");
        }
        if !affine(node, pod) {
            return no("node(s) didn't match Pod's node affinity/selector");
        }
        let name = object::name(node);
        if self.ports_taken(name, pod) {
            return Misfits {
                reasons: vec!["node(s) didn't have free ports for the requested pod ports".into()],
                preemptible: true,
            };
        }
        let allocatable = |r: &str| {
            node.pointer("/status/allocatable").and_then(|a| a.get(r)).and_then(amount).unwrap_or(0.0)
        };
        let mut reasons = Vec::new();
        let mut possible = true;
        if self.allocations.used(name, "pods") + 1.0 > allocatable("pods") {
            reasons.push("Too many pods".to_owned());
        }
        for (resource, want) in asked.iter().filter(|(_, w)| **w > 0.0) {
            let have = allocatable(resource);
            if self.allocations.used(name, resource) + want > have * (1.0 + 1e-9) {
                reasons.push(format!("Insufficient {resource}"));
                possible &= *want <= have;
            }
        }
        let preemptible = possible && !reasons.is_empty();
        Misfits { reasons, preemptible }
    }

    fn ports_taken(&self, node: &str, pod: &Value) -> bool {
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
            && self
                .cache
                .on_node(node)
                .filter(|p| !object::finished(p))
                .any(|p| ports(p).iter().any(|x| wanted.contains(x)))
    }

    /// Empty nodes and nodes without siblings first; GPUs are kept for those that ask for them.
    fn score(&self, node: &Value, asked: &Amounts, siblings: i64) -> i64 {
        let name = object::name(node);
        let share = |r: &str| {
            let have =
                node.pointer("/status/allocatable").and_then(|a| a.get(r)).and_then(amount).unwrap_or(1.0);
            (self.allocations.used(name, r) + asked.get(r).copied().unwrap_or(0.0)) / have
        };
        let free = 1.0 - (share("cpu") + share("memory")) / 2.0;
        let wasted = node.pointer("/status/allocatable/nvidia.com~1gpu").is_some()
            && !asked.contains_key("nvidia.com/gpu");
        (free * 1000.0) as i64 - siblings * 2000 - if wasted { 5000 } else { 0 }
    }

    fn bind(&mut self, key: &Key, pod: &Object, node: &str) {
        let topology = self.topology_of(node);
        let bound = self.write("pods", key, |o| {
            o["spec"]["nodeName"] = json!(node);
            entry(&mut o["metadata"], "labels").extend(topology);
        });
        if bound.is_none() {
            return;
        }
        self.scheduled_condition(key, "True", "", "");
        let said = format!("Successfully assigned {key} to {node}");
        let event =
            Said { kind: "Normal", reason: "Scheduled", message: &said, field: None, action: "Binding" };
        let now = self.now();
        self.recorder.record(&self.store, now, Source::Scheduler, pod, &event);
    }

    fn topology_of(&self, node: &str) -> Vec<(String, Value)> {
        let Some(node) = self.cache.find("nodes", "", node) else { return Vec::new() };
        ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
            .iter()
            .filter_map(|k| object::label(node, k).map(|v| ((*k).to_owned(), json!(v))))
            .collect()
    }

    fn gate(&mut self, key: &Key) {
        self.scheduled_condition(
            key,
            "False",
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        );
    }

    fn unschedulable(&mut self, key: &Key, pod: &Object, message: &str) {
        self.scheduled_condition(key, "False", "Unschedulable", message);
        if self.misplaced.get(key).is_some_and(|m| m == message) {
            return;
        }
        self.misplaced.insert(key.clone(), message.to_owned());
        let event =
            Said { kind: "Warning", reason: "FailedScheduling", message, field: None, action: "Scheduling" };
        let now = self.now();
        self.recorder.record(&self.store, now, Source::Scheduler, pod, &event);
    }

    fn scheduled_condition(&mut self, key: &Key, is: &str, reason: &str, message: &str) {
        let now = stamp(self.now());
        self.write_status("pods", key, |o| {
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
}

/// The scheduler's sentence: counts sorted as text, then what preemption would have brought.
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

/// Node selector and required node affinity.
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
