//! Kinds that are served in two versions and stored in one: events as core/v1, autoscalers as autoscaling/v2.
use super::registry::Resource;
use crate::api::meta::status::Status;
use crate::api::meta::{self, child, items, object, text};
use serde_json::{Map, Value, json};

/// Converts a stored object to its resource's version; None if that is the stored one.
pub fn view(def: &Resource) -> Option<fn(&Value) -> Value> {
    match (&*def.api_version, def.kind.as_str()) {
        ("events.k8s.io/v1", _) => Some(|event| rename(event, true)),
        ("autoscaling/v1", "HorizontalPodAutoscaler") => Some(autoscaler_v1),
        _ => None,
    }
}

/// Converts an object of any version to the stored version.
pub fn stored(object: Value) -> Value {
    match (text(&object, &["apiVersion"]), text(&object, &["kind"])) {
        ("events.k8s.io/v1", _) => rename(&object, false),
        ("autoscaling/v1", "HorizontalPodAutoscaler") => autoscaler_v2(object),
        _ => object,
    }
}

/// Changes a stored object through the version of its resource.
pub fn change(
    def: &Resource,
    current: &mut Value,
    f: impl FnOnce(&mut Value) -> Result<(), Status>,
) -> Result<(), Status> {
    let Some(view) = view(def) else { return f(current) };
    let mut shown = view(current);
    f(&mut shown)?;
    *current = stored(shown);
    Ok(())
}

/// Field names in core/v1 and in events.k8s.io/v1.
const FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(event: &Value, to_new: bool) -> Value {
    let name = |key: &str| {
        let pair = FIELDS.iter().find(|(old, new)| key == if to_new { *old } else { *new });
        pair.map_or(key.to_string(), |(old, new)| (if to_new { *new } else { *old }).to_string())
    };
    let map: Map<String, Value> =
        event.as_object().into_iter().flatten().map(|(k, v)| (name(k), v.clone())).collect();
    let mut event = Value::Object(map);
    meta::object(&mut event)
        .insert("apiVersion".into(), if to_new { "events.k8s.io/v1" } else { "v1" }.into());
    event
}

/// The annotation that holds the metrics without a field in the older version.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

fn is_cpu(metric: &Value) -> bool {
    let resource = &metric["resource"];
    resource["name"] == "cpu"
        && (resource["target"]["averageUtilization"].is_i64()
            || resource["current"]["averageUtilization"].is_i64())
}

fn autoscaler_v1(v2: &Value) -> Value {
    let mut v1 = v2.clone();
    object(&mut v1).insert("apiVersion".into(), "autoscaling/v1".into());
    let (cpu, others): (Vec<&Value>, Vec<&Value>) = items(&v2["spec"], "metrics").partition(|m| is_cpu(m));
    let spec = object(child(&mut v1, "spec"));
    spec.remove("metrics");
    if let Some(cpu) = cpu.first() {
        let target = cpu["resource"]["target"]["averageUtilization"].clone();
        spec.insert("targetCPUUtilizationPercentage".into(), target);
    }
    if !others.is_empty() {
        let annotations = child(child(&mut v1, "metadata"), "annotations");
        object(annotations).insert(METRICS.into(), json!(others).to_string().into());
    }
    if let Some(status) = v1.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("currentMetrics");
        if let Some(cpu) = items(&v2["status"], "currentMetrics").find(|m| is_cpu(m)) {
            let now = cpu["resource"]["current"]["averageUtilization"].clone();
            status.insert("currentCPUUtilizationPercentage".into(), now);
        }
    }
    v1
}

fn autoscaler_v2(mut v1: Value) -> Value {
    object(&mut v1).insert("apiVersion".into(), "autoscaling/v2".into());
    let mut metrics = Vec::new();
    if let Some(Value::Object(annotations)) = v1.pointer_mut("/metadata/annotations")
        && let Some(others) = annotations.remove(METRICS)
    {
        metrics = serde_json::from_str(others.as_str().unwrap_or_default()).unwrap_or_default();
    }
    let spec = object(child(&mut v1, "spec"));
    if let Some(percent) = spec.remove("targetCPUUtilizationPercentage") {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        metrics.insert(0, json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    if !metrics.is_empty() {
        spec.insert("metrics".into(), metrics.into());
    }
    if let Some(status) = v1.get_mut("status").and_then(Value::as_object_mut)
        && let Some(percent) = status.remove("currentCPUUtilizationPercentage")
    {
        let current = json!({"averageUtilization": percent});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "current": current}});
        status.insert("currentMetrics".into(), json!([metric]));
    }
    v1
}

#[cfg(test)]
mod tests {
    use super::*;

    // captures/list/events.json and events-core.json contain the same event.
    #[test]
    fn both_views_show_the_same_event() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"kind": "Node"}, "reason": "NodeNotSchedulable",
            "message": "m", "source": {"component": "kubelet"}, "firstTimestamp": "t1", "lastTimestamp": "t2", "count": 2,
            "type": "Normal", "eventTime": null, "reportingComponent": "kubelet", "reportingInstance": "n"});
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "eventTime": null, "reportingController": "kubelet",
            "reportingInstance": "n", "reason": "NodeNotSchedulable", "regarding": {"kind": "Node"}, "note": "m", "type": "Normal",
            "deprecatedSource": {"component": "kubelet"}, "deprecatedFirstTimestamp": "t1", "deprecatedLastTimestamp": "t2",
            "deprecatedCount": 2});
        assert_eq!(rename(&core, true), new);
        assert_eq!(stored(new), core);
    }

    #[test]
    fn an_autoscaler_loses_nothing_in_the_older_version() {
        let metric = |name: &str, target: Value| json!({"type": "Resource", "resource": {"name": name, "target": target}});
        let cpu = metric("cpu", json!({"type": "Utilization", "averageUtilization": 50}));
        let memory = metric("memory", json!({"type": "AverageValue", "averageValue": "1Gi"}));
        let v2 = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"annotations": {}},
            "spec": {"maxReplicas": 5, "metrics": [cpu, memory]},
            "status": {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}}]}});
        let v1 = autoscaler_v1(&v2);
        assert_eq!(v1["spec"], json!({"maxReplicas": 5, "targetCPUUtilizationPercentage": 50}));
        assert_eq!(v1["status"], json!({"currentCPUUtilizationPercentage": 7}));
        assert_eq!(stored(v1), v2);
    }
}
