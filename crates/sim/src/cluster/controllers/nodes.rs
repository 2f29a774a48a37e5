//! The node lifecycle controller: expired leases, taints for conditions, and evictions by taint.
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::DeleteOptions;

use crate::cluster::controllers::Controller;
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::events::Source;
use crate::cluster::kubelet::lease_grace;
use crate::cluster::kubelet::{node, upgrade};
use crate::cluster::object::{self, Key, condition, entry, flag, list, stamp, text};

const WHO: Source<'static> = Source::Controller("node-controller");
const EVICTOR: Source<'static> = Source::Controller("taint-eviction-controller");
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Runs when a node's lease may have expired.
pub(in crate::cluster) fn lease_ran_out(engine: &mut Engine, name: &Arc<str>) {
    let now = engine.now();
    let Some(machine) = engine.machines.get(name) else { return };
    if machine.kubelet || crate::cluster::kubelet::since(machine.renewed, now) < lease_grace() {
        return;
    }
    let Some(node) = engine.cached("nodes", &Key::new("", name)) else { return };
    if condition(&node, "Ready").is_some_and(|c| c["status"] == "Unknown") {
        return;
    }
    let at = stamp(now);
    engine.write_status("nodes", &Key::new("", name), |o| {
        if let Some(Value::Array(conditions)) = o.pointer_mut("/status/conditions") {
            for c in conditions {
                c["status"] = json!("Unknown");
                c["lastTransitionTime"] = json!(at);
                c["reason"] = json!("NodeStatusUnknown");
                c["message"] = json!("Kubelet stopped posting node status.");
            }
        }
    });
    let said = format!("Node {name} status is now: NodeNotReady");
    engine.event(WHO, &node, "Normal", "NodeNotReady", &said);
}

/// Sets a node's taints by its conditions and cordon, and its pods' readiness by its own.
pub(in crate::cluster) struct NodeController;

impl Controller for NodeController {
    type Key = Arc<str>;

    fn sync(engine: &mut Engine, name: &Arc<str>) {
        node::warmed_up(engine, name);
        engine.absorb();
        let Some(node) = engine.cached("nodes", &Key::new("", name)) else { return };
        node::tell_cordon(engine, &node);
        upgrade::asked(engine, name, &node);
        let status = |kind: &str| condition(&node, kind).map_or("", |c| text(c, "/status")).to_owned();
        let ready = status("Ready");
        let mut want: Vec<(&str, &str)> = Vec::new();
        match ready.as_str() {
            "Unknown" => want.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
            "False" => want.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
            _ => {}
        }
        for (kind, taint) in [
            ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
            ("DiskPressure", "node.kubernetes.io/disk-pressure"),
            ("PIDPressure", "node.kubernetes.io/pid-pressure"),
            ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
        ] {
            if status(kind) == "True" {
                want.push((taint, "NoSchedule"));
            }
        }
        if flag(&node, "/spec/unschedulable") {
            want.push(("node.kubernetes.io/unschedulable", "NoSchedule"));
        }
        set_taints(engine, name, &node, &want);
        if ready == "True" {
            return;
        }
        mark_pods_not_ready(engine, name);
        if !ready.is_empty() {
            plan_evictions(engine, name);
        }
    }
}

fn set_taints(engine: &mut Engine, name: &str, node: &Value, want: &[(&str, &str)]) {
    let now = engine.stamp();
    let old = list(node, "/spec/taints");
    let managed = |t: &Value| {
        text(t, "/key").starts_with("node.kubernetes.io/")
            && text(t, "/key") != "node.kubernetes.io/out-of-service"
    };
    let mut taints: Vec<Value> = old.iter().filter(|t| !managed(t)).cloned().collect();
    for (key, effect) in want {
        let kept = old.iter().find(|t| t["key"] == *key && t["effect"] == *effect).cloned();
        taints.push(kept.unwrap_or_else(|| json!({"key": key, "effect": effect, "timeAdded": now})));
    }
    if taints == old {
        return;
    }
    engine.write("nodes", &Key::new("", name), |o| {
        let spec = entry(o, "spec");
        if taints.is_empty() {
            spec.remove("taints");
        } else {
            spec.insert("taints".into(), Value::Array(taints));
        }
    });
}

fn mark_pods_not_ready(engine: &mut Engine, name: &str) {
    let now = engine.stamp();
    let pods: Vec<_> = engine.cache.on_node(name).filter(|p| object::ready(p)).cloned().collect();
    for pod in pods {
        engine.write_status("pods", &Key::of(&pod), |o| {
            if let Some(Value::Array(conditions)) = o.pointer_mut("/status/conditions")
                && let Some(c) = conditions.iter_mut().find(|c| c["type"] == "Ready")
            {
                c["status"] = json!("False");
                c["lastTransitionTime"] = json!(now);
            }
        });
        engine.event(WHO, &pod, "Warning", "NodeNotReady", "Node is not ready");
    }
}

/// Schedules the eviction of pods whose toleration of a NoExecute taint ends.
fn plan_evictions(engine: &mut Engine, name: &str) {
    let Some(node) = engine.cached("nodes", &Key::new("", name)) else { return };
    let pods: Vec<_> = engine.cache.on_node(name).cloned().collect();
    for pod in pods {
        if let Some(wait) = tolerated_for(&node, &pod) {
            engine.after(wait + Duration::from_millis(5), Timer::Evict(object::uid(&pod).into()));
        }
    }
}

pub(in crate::cluster) fn evict_for_taint(engine: &mut Engine, uid: &Arc<str>) {
    let now = engine.now();
    let Some((resource, key)) = engine.cache.by_uid(uid).cloned() else { return };
    let Some(pod) = engine.cached(&resource, &key).filter(|p| !object::deleting(p)) else { return };
    let Some(node) = engine.cached("nodes", &Key::new("", text(&pod, "/spec/nodeName"))) else { return };
    // The toleration counts from the time of the taint.
    let taint = list(&node, "/spec/taints")
        .iter()
        .find(|t| t["effect"] == "NoExecute" && text(t, "/key").starts_with("node.kubernetes.io/"));
    let Some(added) = taint.and_then(|t| object::time(t, "/timeAdded")) else { return };
    let Some(wait) = tolerated_for(&node, &pod) else { return };
    if crate::cluster::kubelet::since(added, now) + Duration::from_secs(1) < wait {
        return;
    }
    disrupt(engine, &key, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint");
    let said = format!("Marking for deletion Pod {key}");
    engine.event(EVICTOR, &pod, "Normal", "TaintManagerEviction", &said);
    // Another client may have deleted the pod already.
    let _ = engine.store.delete("pods", &key.ns, &key.name, DeleteOptions::default());
}

/// Like the pod garbage collector, deletes the pods of a node that no longer exists.
pub(in crate::cluster) fn collect_orphans(engine: &mut Engine, node: &Arc<str>) {
    let now = engine.now();
    // A new machine may have the same name by now. Pods from before it are deleted all the same.
    let joined = engine.machines.get(node).map(|m| m.booted);
    let pods: Vec<_> = engine.cache.on_node(node).cloned().collect();
    for pod in pods {
        let made = object::time(&pod, "/metadata/creationTimestamp").unwrap_or(now);
        if joined.is_some_and(|j| made >= j) {
            continue;
        }
        let key = Key::of(&pod);
        disrupt(engine, &key, "DeletionByPodGC", "PodGC: node no longer exists");
        engine.store.remove("pods", &key.ns, &key.name);
    }
}

/// Sets the condition that tells why a pod is disrupted.
pub(in crate::cluster) fn disrupt(engine: &Engine, key: &Key, reason: &str, message: &str) {
    let now = engine.stamp();
    engine.write_status("pods", key, |o| {
        let conditions = entry(o, "status").entry("conditions").or_insert_with(|| json!([]));
        if let Value::Array(list) = conditions
            && !list.iter().any(|c| c["type"] == "DisruptionTarget")
        {
            let condition = json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": now, "reason": reason, "message": message});
            list.insert(0, condition);
        }
    });
}

/// How long the pod tolerates the node's NoExecute taints; None for ever, or without taints.
fn tolerated_for(node: &Value, pod: &Value) -> Option<Duration> {
    let taints = list(node, "/spec/taints").iter().filter(|t| t["effect"] == "NoExecute");
    let mut least: Option<Duration> = None;
    for taint in taints {
        let matching = list(pod, "/spec/tolerations").iter().filter(|t| tolerates(t, taint));
        let mut wait = Some(Duration::ZERO);
        for toleration in matching {
            match object::int(toleration, "/tolerationSeconds") {
                None => {
                    wait = None;
                    break;
                }
                Some(secs) => wait = wait.max(Some(Duration::from_secs(secs.max(0).unsigned_abs()))),
            }
        }
        if let Some(wait) = wait {
            least = Some(least.map_or(wait, |l| l.min(wait)));
        }
    }
    least
}

/// Whether a toleration covers a taint.
pub fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = text(toleration, "/effect");
    if !effect.is_empty() && effect != text(taint, "/effect") {
        return false;
    }
    let key = text(toleration, "/key");
    if key.is_empty() {
        return text(toleration, "/operator") == "Exists";
    }
    key == text(taint, "/key")
        && (text(toleration, "/operator") == "Exists" || text(toleration, "/value") == text(taint, "/value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_are_read_as_the_taint_manager_does() {
        let node = json!({"spec": {"taints": [{"key": UNREACHABLE, "effect": "NoExecute"}]}});
        let pod = |t: Value| json!({"spec": {"tolerations": t}});
        assert_eq!(tolerated_for(&node, &pod(json!([]))), Some(Duration::ZERO));
        let five = json!([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
        assert_eq!(tolerated_for(&node, &pod(five)), Some(Duration::from_secs(300)));
        assert_eq!(tolerated_for(&node, &pod(json!([{"operator": "Exists"}]))), None);
        assert_eq!(tolerated_for(&json!({}), &pod(json!([]))), None);
    }
}
