//! Nodes under pressure: the kubelet evicts whoever uses most beyond what it asked for.
use std::sync::Arc;
use std::time::Duration;

use crate::sim::api::store::Object;

use super::engine::{Engine, Timer};
use super::events::Source;
use super::kubelet::{memory_request, priority};
use super::object::{self, Key};
use super::resources::quality;

const BETWEEN: Duration = Duration::from_secs(30);

impl Engine {
    /// One round of eviction on a node under memory or disk pressure.
    pub(super) fn relieve_pressure(&mut self, node: &Arc<str>) {
        let Some(machine) = self.machines.get(node).filter(|m| m.kubelet).cloned() else { return };
        let (resource, threshold, available) = if machine.memory_pressure {
            ("memory", "100Mi", "84036Ki")
        } else if machine.disk_pressure {
            ("ephemeral-storage", "50Gi", "46118408Ki")
        } else {
            return;
        };
        let Some(object) = self.cached("nodes", &Key::new("", node)) else { return };
        let said = format!("Attempting to reclaim {resource}");
        self.event(Source::Kubelet(node), &object, "Warning", "EvictionThresholdMet", &said);
        self.after(BETWEEN, Timer::Pressure(node.clone()));
        let now = self.now();
        let mut ranked: Vec<(i64, i64, Arc<str>, Object)> = Vec::new();
        for run in self.runs.values().filter(|r| r.node == *node && !r.done && r.stopping.is_none()) {
            let critical = priority(&run.pod) >= 2_000_000_000;
            let daemon = object::controller(&run.pod).is_some_and(|o| o.0 == "DaemonSet");
            if critical || daemon {
                continue;
            }
            let used = if resource == "memory" { run.memory(now) } else { run.disk(now) };
            let asked = if resource == "memory" { memory_request(&run.pod) } else { 0.0 };
            if used > asked && quality(&run.pod) != "Guaranteed" {
                ranked.push((priority(&run.pod), -((used - asked) as i64), run.uid.clone(), run.pod.clone()));
            }
        }
        ranked.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        let Some((.., uid, pod)) = ranked.into_iter().next() else { return };
        let Some(run) = self.runs.get(&uid) else { return };
        let name = run.containers.iter().find(|c| !c.init).map(|c| c.name.clone()).unwrap_or_default();
        let used = if resource == "memory" { run.memory(now) } else { run.disk(now) };
        let asked = if resource == "memory" { memory_request(&pod) } else { 0.0 };
        let kib = |v: f64| if v == 0.0 { "0".to_owned() } else { format!("{}Ki", (v / 1024.0) as u64) };
        let message = format!(
            "The node was low on resource: {resource}. Threshold quantity: {threshold}, available: {available}. Container {name} was using {}, request is {}, has larger consumption of {resource}. ",
            kib(used),
            if asked == 0.0 { "0".to_owned() } else { kib(asked) }
        );
        self.evict_pod(&uid, &pod, &message);
    }

    /// The kubelet ends a pod for the node's or its own limit's sake.
    pub(super) fn evict_pod(&mut self, uid: &Arc<str>, pod: &Object, message: &str) {
        let key = Key::of(pod);
        let node = object::text(pod, "/spec/nodeName").to_owned();
        self.event(Source::Kubelet(&node), pod, "Warning", "Evicted", message);
        self.disrupt(&key, "TerminationByKubelet", message);
        let grace = Duration::ZERO;
        self.stop_pod(uid, Some(("Evicted".to_owned(), message.to_owned(), grace)));
    }
}
