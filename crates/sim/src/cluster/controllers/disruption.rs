//! The disruption controller: how many pods of each budget may be disrupted now.
use serde_json::{Value, json};

use crate::api::store::Object;

use crate::cluster::controllers::Controller;
use crate::cluster::engine::Engine;
use crate::cluster::object::{self, Key, entry, finished, int, int_or_percent, selects, set_condition};

const PDBS: &str = "poddisruptionbudgets.policy";

pub(in crate::cluster) struct DisruptionController;

impl Controller for DisruptionController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(budget) = engine.cached(PDBS, key) else { return };
        let selector = budget.pointer("/spec/selector");
        let pods: Vec<Object> = engine
            .cache
            .in_namespace("pods", &key.ns)
            .filter(|(_, p)| selects(selector, p.pointer("/metadata/labels")) && !finished(p))
            .map(|(_, p)| p.clone())
            .collect();
        let expected = expected_pods(engine, &pods);
        let most = budget.pointer("/spec/maxUnavailable");
        let least = budget.pointer("/spec/minAvailable");
        let (desired, expected) = match (most, least) {
            (Some(most), _) => (expected - int_or_percent(Some(most), expected, true).unwrap_or(0), expected),
            (None, Some(Value::String(_))) => (int_or_percent(least, expected, true).unwrap_or(0), expected),
            (None, Some(least)) => (least.as_i64().unwrap_or(0), pods.len() as i64),
            (None, None) => (0, pods.len() as i64),
        };
        let desired = desired.max(0);
        let healthy = pods.iter().filter(|p| object::ready(p) && !object::deleting(p)).count() as i64;
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        let generation = int(&budget, "/metadata/generation").unwrap_or(1);
        let now = engine.stamp();
        engine.write_status(PDBS, key, |o| {
            let status = entry(o, "status");
            status.insert("currentHealthy".into(), json!(healthy));
            status.insert("desiredHealthy".into(), json!(desired));
            status.insert("expectedPods".into(), json!(expected));
            status.insert("disruptionsAllowed".into(), json!(allowed));
            status.insert("observedGeneration".into(), json!(generation));
            // An eviction in `disruptedPods` is removed once its pod is terminating.
            if let Some(Value::Object(disrupted)) = status.get_mut("disruptedPods") {
                disrupted
                    .retain(|name, _| pods.iter().any(|p| object::name(p) == name && !object::deleting(p)));
            }
            let (is, reason) =
                if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
            let conditions = status.entry("conditions").or_insert_with(|| json!([]));
            if let Value::Array(list) = conditions
                && set_condition(list, "DisruptionAllowed", is, reason, "", &now)
            {
                for c in list {
                    c["observedGeneration"] = json!(generation);
                    if let Some(map) = c.as_object_mut() {
                        map.remove("lastUpdateTime");
                    }
                }
            }
        });
    }
}

/// The number of pods their controllers want.
fn expected_pods(engine: &Engine, pods: &[Object]) -> i64 {
    let mut scales = std::collections::BTreeMap::new();
    for pod in pods {
        let Some((kind, name, uid)) = object::controller(pod) else { continue };
        let ns = object::namespace(pod);
        let resource = match kind {
            "ReplicaSet" => "replicasets.apps",
            "StatefulSet" => "statefulsets.apps",
            _ => continue,
        };
        let Some(owner) = engine.cache.find(resource, ns, name) else { continue };
        // The Deployment has the wanted number, however many ReplicaSets it has.
        let top = object::controller(owner)
            .and_then(|o| Some((o.2.to_owned(), engine.cache.find("deployments.apps", ns, o.1)?)));
        let (uid, scale) = match top {
            Some((uid, deployment)) => (uid, int(deployment, "/spec/replicas")),
            None => (uid.to_owned(), int(owner, "/spec/replicas")),
        };
        scales.insert(uid, scale.unwrap_or(1));
    }
    scales.values().sum()
}
