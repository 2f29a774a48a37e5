//! The facts of an object that a snapshot keeps: what a person would call a change if it differed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::remedy::{diff, transfer};
use crate::world::{Phase, World};

/// Annotations and labels that controllers, kubectl and khud write for themselves.
const NOISE: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "control-plane.alpha.kubernetes.io/leader",
    "node.alpha.kubernetes.io/ttl",
    "volumes.kubernetes.io/controller-managed-attach-detach",
    "volume.kubernetes.io/selected-node",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "khud.dev/waves",
];

/// Taints that the node controller sets by itself.
const OWN_TAINTS: &str = "node.kubernetes.io/";

/// The facts of an object; `None` where it says nothing that matters.
pub(super) fn of(kind: &str, object: &Value) -> Option<Value> {
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    Some(match kind {
        "Node" => node(object),
        // Every namespace has one with the cluster's certificate.
        "ConfigMap" if name == "kube-root-ca.crt" => return None,
        "ConfigMap" => json!({"data": hashed(&object["data"]), "binaryData": hashed(&object["binaryData"])}),
        "Deployment" | "StatefulSet" => workload(object, "/spec/replicas", "/status/readyReplicas"),
        "DaemonSet" => workload(object, "/status/desiredNumberScheduled", "/status/numberReady"),
        "CustomResourceDefinition" => definition(object),
        "PersistentVolumeClaim" | "PersistentVolume" | "Namespace" => {
            let mut out = plain(object);
            out["phase"] = object["status"]["phase"].clone();
            out
        }
        "APIService" => {
            let conditions = object["status"]["conditions"].as_array();
            let available = conditions.into_iter().flatten().find(|c| c["type"] == "Available");
            let mut out = plain(object);
            out["available"] = available.map_or(Value::Null, |c| c["status"].clone());
            out
        }
        _ => plain(object),
    })
}

fn without_noise(value: &Value) -> Value {
    let keep = |(key, _): &(&String, &Value)| !NOISE.contains(&key.as_str());
    value.as_object().into_iter().flatten().filter(keep).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Values of a ConfigMap by their checksum: whether they changed counts, not what they hold.
fn hashed(data: &Value) -> Value {
    let sum =
        |v: &Value| transfer::hex(&Sha256::digest(v.as_str().unwrap_or("").as_bytes()))[..16].to_owned();
    data.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), json!(sum(v)))).collect()
}

/// Labels, annotations, and all that stands beside metadata and status.
fn plain(object: &Value) -> Value {
    let meta = &object["metadata"];
    let mut out = Map::new();
    for key in ["labels", "annotations"] {
        let kept = without_noise(&meta[key]);
        if kept.as_object().is_some_and(|m| !m.is_empty()) {
            out.insert(key.to_owned(), kept);
        }
    }
    for (key, value) in object.as_object().into_iter().flatten() {
        if !["apiVersion", "kind", "metadata", "status"].contains(&key.as_str()) {
            out.insert(key.clone(), value.clone());
        }
    }
    let mut out = Value::Object(out);
    hide(&mut out);
    out
}

/// Replaces values of variables whose name says that they are secret.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let secret = fields.get("name").and_then(Value::as_str).is_some_and(diff::sensitive);
            if let Some(value) = fields.get_mut("value").filter(|_| secret) {
                *value = json!("<hidden>");
            }
            fields.remove("restartedAt");
            fields.values_mut().for_each(hide);
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

fn workload(object: &Value, desired: &str, ready: &str) -> Value {
    let count = |path: &str, default: i64| object.pointer(path).and_then(Value::as_i64).unwrap_or(default);
    let mut out = plain(object);
    out["ready"] = json!(format!("{} of {}", count(ready, 0), count(desired, 1)));
    out
}

fn node(object: &Value) -> Value {
    let info = &object["status"]["nodeInfo"];
    let ready =
        object["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
    let taints: Vec<String> = object["spec"]["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|t| !t["key"].as_str().is_some_and(|k| k.starts_with(OWN_TAINTS)))
        .map(|t| {
            let text = |key: &str| t[key].as_str().unwrap_or("").to_owned();
            format!("{}={}:{}", text("key"), text("value"), text("effect"))
        })
        .collect();
    json!({
        "kubelet": info["kubeletVersion"], "os": info["osImage"], "kernel": info["kernelVersion"],
        "runtime": info["containerRuntimeVersion"],
        "ready": ready.map_or(Value::Null, |c| c["status"].clone()),
        "cordoned": object["spec"]["unschedulable"] == true,
        "taints": taints,
        "labels": without_noise(&object["metadata"]["labels"]),
        "gpus": object["status"]["allocatable"]["nvidia.com/gpu"],
    })
}

/// Versions of a custom resource; its schema is left out.
fn definition(object: &Value) -> Value {
    let versions: Map<String, Value> = object["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|v| {
            Some((v["name"].as_str()?.to_owned(), json!({"served": v["served"], "storage": v["storage"]})))
        })
        .collect();
    json!({"versions": versions, "stored": object["status"]["storedVersions"], "conversion": object["spec"]["conversion"]["strategy"]})
}

/// Pods that no controller replaces, and static pods. The others come and go; their workloads say how many are ready.
pub(super) fn pods(world: &World) -> BTreeMap<String, Value> {
    let lone = world.pods.values().filter(|p| p.mirror || p.meta.owner.is_none());
    let of = |p: &crate::world::Pod| {
        let images: Vec<&str> = p.containers.iter().map(|c| &*c.spec.image).collect();
        let phase = match p.phase {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            _ => "Unknown",
        };
        json!({"phase": phase, "ready": p.ready, "images": images, "node": &*p.node})
    };
    lone.map(|p| (format!("Pod {}/{}", p.meta.namespace, p.meta.name), of(p))).collect()
}
