//! The resource quota controller: used amounts of each namespace.
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::cluster::controllers::Controller;
use crate::cluster::engine::Engine;
use crate::cluster::object::{self, Key, amount, entry, finished, list, text};
use crate::cluster::resources::{amounts, container_requests};

pub(in crate::cluster) struct QuotaController;

impl Controller for QuotaController {
    type Key = str;

    fn sync(engine: &mut Engine, ns: &str) {
        let quotas: Vec<_> =
            engine.cache.in_namespace("resourcequotas", ns).map(|(k, q)| (k.clone(), q.clone())).collect();
        if quotas.is_empty() {
            return;
        }
        let used = used_in(engine, ns);
        for (key, quota) in quotas {
            let hard = quota.pointer("/spec/hard").and_then(Value::as_object).cloned().unwrap_or_default();
            let told: Map<String, Value> = hard
                .iter()
                .map(|(k, h)| (k.clone(), json!(written(used.get(k).copied().unwrap_or(0.0), h))))
                .collect();
            engine.write_status("resourcequotas", &key, |o| {
                let status = entry(o, "status");
                status.insert("hard".into(), Value::Object(hard));
                status.insert("used".into(), Value::Object(told));
            });
        }
    }
}

fn used_in(engine: &Engine, ns: &str) -> BTreeMap<String, f64> {
    let mut used: BTreeMap<String, f64> = BTreeMap::new();
    let mut add = |name: String, more: f64| *used.entry(name).or_default() += more;
    for (_, pod) in engine.cache.in_namespace("pods", ns).filter(|(_, p)| !finished(p)) {
        add("pods".into(), 1.0);
        add("count/pods".into(), 1.0);
        for container in list(pod, "/spec/containers") {
            for (resource, value) in container_requests(container) {
                if resource == "cpu" || resource == "memory" || resource == "ephemeral-storage" {
                    add(resource.clone(), value);
                }
                add(format!("requests.{resource}"), value);
            }
            for (resource, value) in amounts(container.pointer("/resources/limits")) {
                add(format!("limits.{resource}"), value);
            }
        }
    }
    for (resource, name) in [
        ("services", "services"),
        ("configmaps", "configmaps"),
        ("secrets", "secrets"),
        ("persistentvolumeclaims", "persistentvolumeclaims"),
        ("deployments.apps", "count/deployments.apps"),
        ("jobs.batch", "count/jobs.batch"),
    ] {
        let count = engine.cache.in_namespace(resource, ns).count() as f64;
        add(name.into(), count);
        if !name.contains('/') {
            add(format!("count/{name}"), count);
        }
    }
    for (_, claim) in engine.cache.in_namespace("persistentvolumeclaims", ns) {
        let storage = claim.pointer("/spec/resources/requests/storage").and_then(amount).unwrap_or(0.0);
        add("requests.storage".into(), storage);
    }
    used
}

/// Why a pod's claims make it unschedulable on every node.
pub(in crate::cluster) fn unbound_volume(engine: &Engine, key: &Key, pod: &Value) -> Option<String> {
    let mut unbound = false;
    for volume in list(pod, "/spec/volumes") {
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if claim.is_empty() {
            continue;
        }
        let Some(claim_object) = engine.cache.find("persistentvolumeclaims", &key.ns, claim) else {
            return Some(format!("persistentvolumeclaim {claim:?} not found"));
        };
        if object::deleting(claim_object) {
            return Some(format!("persistentvolumeclaim {claim:?} is being deleted"));
        }
        let bound = text(claim_object, "/status/phase") == "Bound";
        let class = text(claim_object, "/spec/storageClassName");
        let waits = engine
            .cache
            .find("storageclasses.storage.k8s.io", "", class)
            .is_some_and(|c| text(c, "/volumeBindingMode") == "WaitForFirstConsumer");
        unbound |= !bound && !waits;
    }
    unbound.then(|| "pod has unbound immediate PersistentVolumeClaims".to_owned())
}

/// Formats an amount in the unit of its limit.
fn written(used: f64, hard: &Value) -> String {
    let suffix = hard.as_str().map_or("", |h| h.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
    for (unit, scale) in
        [("Ti", 1024_f64.powi(4)), ("Gi", 1024_f64.powi(3)), ("Mi", 1024_f64.powi(2)), ("Ki", 1024.0)]
    {
        let scaled = used / scale;
        if (suffix.ends_with('i') || used >= 1e6) && scaled >= 1.0 && scaled.fract().abs() < 1e-9 {
            return format!("{scaled}{unit}");
        }
    }
    if used.fract() != 0.0 { format!("{}m", (used * 1000.0).round()) } else { format!("{used}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_written_as_quantities() {
        assert_eq!(written(0.0, &json!("10")), "0");
        assert_eq!(written(209_715_200.0, &json!("256Mi")), "200Mi");
        assert_eq!(written(0.25, &json!("2")), "250m");
        assert_eq!(written(3.0, &json!("10")), "3");
    }
}
