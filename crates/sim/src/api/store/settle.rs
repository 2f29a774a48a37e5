//! Restores the fields that a write may not change, and counts `metadata.generation`.
use super::Part;
use crate::api::meta;
use crate::api::meta::status::Status;
use crate::api::schema::registry::Resource;
use serde_json::Value;

/// Kinds with a `metadata.generation` (as seen in `captures/list`).
pub fn has_generation(def: &Resource) -> bool {
    def.custom
        || matches!(
            def.plural.as_str(),
            "pods"
                | "deployments"
                | "replicasets"
                | "statefulsets"
                | "daemonsets"
                | "replicationcontrollers"
                | "jobs"
                | "cronjobs"
                | "poddisruptionbudgets"
                | "ingresses"
                | "networkpolicies"
                | "endpointslices"
                | "priorityclasses"
                | "customresourcedefinitions"
        )
}

pub fn bump_generation(value: &mut Value) {
    let metadata = meta::metadata(value);
    if let Some(n) = metadata.get("generation").and_then(Value::as_u64) {
        metadata.insert("generation".into(), (n + 1).into());
    }
}

/// Restores the fields that this write may not change, and updates the generation.
pub fn settle(def: &Resource, before: &Value, after: &mut Value, part: Part) -> Result<(), Status> {
    let sent = meta::version(after);
    if !sent.is_empty() && sent != meta::version(before) {
        return Err(Status::conflict(&def.qualified(), meta::name(before)));
    }
    let sent = meta::uid(after);
    if !sent.is_empty() && sent != meta::uid(before) {
        let why = format!(
            "Precondition failed: UID in precondition: {sent}, UID in object meta: {}",
            meta::uid(before)
        );
        return Err(Status::conflict_because(&def.qualified(), meta::name(before), &why));
    }
    if part == Part::Status {
        let status = after.get("status").cloned();
        *after = before.clone();
        match status {
            Some(status) => meta::object(after).insert("status".into(), status),
            None => meta::object(after).remove("status"),
        };
        return Ok(());
    }
    let map = meta::object(after);
    for key in ["apiVersion", "kind"] {
        meta::carry(map, before, key);
    }
    if def.has_status() {
        meta::carry(map, before, "status");
    }
    if def.kind == "CustomResourceDefinition" {
        stored_versions(after);
    }
    let metadata = meta::metadata(after);
    for key in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "generation",
    ] {
        meta::carry(metadata, &before["metadata"], key);
    }
    let spec_only = |v: &Value| -> Vec<(String, Value)> {
        let map = v.as_object().into_iter().flatten();
        map.filter(|(k, _)| !matches!(k.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    // Binding a pod does not change its generation.
    let bound = def.kind == "Pod" && before["spec"]["nodeName"] != after["spec"]["nodeName"];
    if has_generation(def) && !bound && spec_only(before) != spec_only(after) {
        bump_generation(after);
    }
    Ok(())
}

/// Adds the version that is stored now to those that objects may be stored in.
fn stored_versions(definition: &mut Value) {
    let stored = meta::items(&definition["spec"], "versions").find(|v| v["storage"] == true);
    let Some(name) = stored.map(|v| v["name"].clone()) else { return };
    if let Some(all) = definition["status"]["storedVersions"].as_array_mut()
        && !all.contains(&name)
    {
        all.push(name);
    }
}
