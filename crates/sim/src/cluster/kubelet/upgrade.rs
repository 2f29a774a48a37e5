//! Upgrades of a machine in place: the agent that installs a kubelet, and the static pods that follow its version.
use std::sync::Arc;

use serde_json::{Value, json};

use super::node;
use crate::api::store::DeleteOptions;
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::object::{self, Key, entry, text};
use crate::scenario::format::NodeChange;

/// The annotation by which the API server knows a pod of a kubelet's manifest directory.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Starts an installation where the node's annotation names another version than the one that runs.
pub(in crate::cluster) fn asked(engine: &mut Engine, name: &Arc<str>, node: &Value) {
    let Some(machine) = engine.machines.get_mut(name) else { return };
    let Some(agent) = &machine.agent else { return };
    let annotations = node.pointer("/metadata/annotations");
    let wanted =
        annotations.and_then(|a| a.get(&agent.annotation)).and_then(Value::as_str).unwrap_or_default();
    if wanted.is_empty() || wanted == machine.kubelet_version || machine.installing.as_deref() == Some(wanted)
    {
        return;
    }
    machine.installing = Some(wanted.to_owned());
    let after = agent.after.duration();
    engine.after(after, Timer::Upgraded(name.clone()));
}

/// Ends an installation: the kubelet restarts with its new version, and so do its static pods.
pub(in crate::cluster) fn install(engine: &mut Engine, name: &Arc<str>) {
    let Some(version) = engine.machines.get_mut(name).and_then(|m| m.installing.take()) else { return };
    let change = NodeChange { kubelet_version: Some(version), ..NodeChange::default() };
    node::change_node(engine, name, &change);
    write_static_pods(engine, name);
}

/// Creates the mirror pods of a node's manifests, in place of those of another version.
pub(in crate::cluster) fn write_static_pods(engine: &mut Engine, name: &Arc<str>) {
    let Some(machine) = engine.machines.get(name) else { return };
    let (manifests, version) = (machine.manifests.clone(), machine.kubelet_version.clone());
    let uid = engine.store().get("nodes", "", name).map(|n| object::uid(&n).to_owned()).unwrap_or_default();
    for manifest in manifests {
        let mut pod = manifest;
        fill(&mut pod, &version);
        let ns = text(&pod, "/metadata/namespace").to_owned();
        let own = format!("{}-{name}", text(&pod, "/metadata/name"));
        pod["metadata"]["name"] = json!(own);
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Node", "name": &**name, "uid": uid, "controller": true}]);
        let hash = format!("{:016x}", crate::cluster::chance::fnv(pod.to_string().as_bytes()));
        let annotations = entry(&mut pod["metadata"], "annotations");
        annotations.insert(MIRROR.into(), json!(hash));
        annotations.insert("kubernetes.io/config.source".into(), json!("file"));
        let spec = entry(&mut pod, "spec");
        spec.insert("nodeName".into(), json!(&**name));
        spec.insert("hostNetwork".into(), json!(true));
        spec.insert("tolerations".into(), json!([{"operator": "Exists", "effect": "NoExecute"}]));
        let key = Key::new(&ns, &own);
        let there = engine.store().get("pods", &key.ns, &key.name);
        if there.as_ref().is_some_and(|p| p["metadata"]["annotations"][MIRROR] == json!(hash)) {
            continue;
        }
        if there.is_some() {
            let now = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
            if let Err(status) = engine.store().delete("pods", &ns, &own, now) {
                tracing::debug!(%status, pod = own, "the old static pod was not deleted");
            }
        }
        if let Err(status) = engine.store().create("pods", &ns, pod) {
            tracing::warn!(%status, pod = own, "the static pod was not created");
        }
    }
}

fn fill(value: &mut Value, version: &str) {
    match value {
        Value::String(text) => *text = text.replace("{version}", version),
        Value::Array(items) => items.iter_mut().for_each(|v| fill(v, version)),
        Value::Object(fields) => fields.values_mut().for_each(|v| fill(v, version)),
        _ => {}
    }
}

/// The version of the API servers among the static pods; the oldest, where they differ. `None` where there are none.
pub(in crate::cluster) fn server_version(engine: &Engine) -> Option<String> {
    let images = engine.cache.in_namespace("pods", "kube-system").filter(|(_, p)| {
        p.pointer("/metadata/labels/component").is_some_and(|c| c == "kube-apiserver")
            && p["metadata"]["annotations"][MIRROR].is_string()
    });
    let versions = images.filter_map(|(_, p)| {
        let image = text(p, "/spec/containers/0/image");
        image.rsplit_once(':').map(|(_, tag)| tag.to_owned())
    });
    let key = |v: &String| -> Vec<u32> {
        v.trim_start_matches('v').split('.').map(|n| n.parse().unwrap_or(0)).collect()
    };
    versions.min_by_key(key)
}
