//! Validation: the objects that the API server refuses with 422.
use crate::api::meta::status::{Cause, Status};
use crate::api::meta::{self, items, text};
use crate::api::schema::registry::Resource;
use crate::api::store::selector::LabelSelector;
use serde_json::{Value, json};

/// Checks a new object.
pub fn created(def: &Resource, o: &Value) -> Result<(), Status> {
    let mut causes = Vec::new();
    name(def, o, &mut causes);
    labels(o, &mut causes);
    spec(def, o, &mut causes);
    finish(def, meta::name(o), causes)
}

/// Checks a changed object.
pub fn updated(def: &Resource, before: &Value, after: &Value) -> Result<(), Status> {
    let mut causes = Vec::new();
    labels(after, &mut causes);
    spec(def, after, &mut causes);
    match &*def.key {
        "pods" => pod_update(before, after, &mut causes),
        "deployments.apps" | "replicasets.apps" | "daemonsets.apps"
            if before["spec"]["selector"] != after["spec"]["selector"] =>
        {
            causes.push(Cause::invalid("spec.selector", &after["spec"]["selector"], "field is immutable"));
        }
        "statefulsets.apps" => {
            let fixed = ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"];
            if fixed.iter().any(|k| before["spec"][k] != after["spec"][k]) {
                causes.push(Cause::forbidden("spec", "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
            }
        }
        "jobs.batch" => {
            for field in ["completions", "selector", "template"] {
                if before["spec"][field] != after["spec"][field] {
                    causes.push(Cause::invalid(
                        &format!("spec.{field}"),
                        &after["spec"][field],
                        "field is immutable",
                    ));
                }
            }
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io"
            if before["roleRef"] != after["roleRef"] =>
        {
            causes.push(Cause::invalid("roleRef", &after["roleRef"], "cannot change roleRef"));
        }
        "customresourcedefinitions.apiextensions.k8s.io" => definition_update(before, after, &mut causes),
        _ => {}
    }
    finish(def, meta::name(before), causes)
}

fn finish(def: &Resource, name: &str, causes: Vec<Cause>) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid(&def.kind, &def.qualified(), name, causes)) }
}

fn name(def: &Resource, o: &Value, causes: &mut Vec<Cause>) {
    let metadata = &o["metadata"];
    let name = meta::name(o);
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    // RBAC names may contain any character of a path segment.
    let rbac = def.group == "rbac.authorization.k8s.io";
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = name.len() <= 253
        && name.chars().all(inner)
        && edge(name.chars().next())
        && edge(name.chars().last());
    let label_only = matches!(&*def.key, "namespaces" | "services");
    if rbac {
        if name.contains(['/', '%']) || name == "." || name == ".." {
            causes.push(Cause::invalid("metadata.name", &metadata["name"], "may not contain '/' or '%'"));
        }
    } else if !good {
        causes.push(Cause::invalid("metadata.name", &metadata["name"], "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"));
    } else if label_only && (name.contains('.') || name.len() > 63) {
        causes.push(Cause::invalid("metadata.name", &metadata["name"], "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
    }
}

fn labels(o: &Value, causes: &mut Vec<Cause>) {
    for field in ["labels", "annotations"] {
        let map = &o["metadata"][field];
        match map.as_object() {
            Some(map) => {
                for (key, value) in map.iter().filter(|(_, v)| !v.is_string()) {
                    causes.push(Cause::invalid(
                        &format!("metadata.{field}[{key}]"),
                        value,
                        "must be a string",
                    ));
                }
            }
            None if !map.is_null() => {
                causes.push(Cause::invalid(&format!("metadata.{field}"), map, "must be a map of strings"));
            }
            None => {}
        }
    }
}

fn spec(def: &Resource, o: &Value, causes: &mut Vec<Cause>) {
    let spec = &o["spec"];
    match &*def.key {
        "pods" => pod_spec(spec, "spec", causes),
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            not_negative(spec, "replicas", causes);
            not_negative(spec, "minReadySeconds", causes);
            workload(spec, causes);
        }
        "replicationcontrollers" => not_negative(spec, "replicas", causes),
        "jobs.batch" => {
            for field in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"] {
                not_negative(spec, field, causes);
            }
            pod_spec(&spec["template"]["spec"], "spec.template.spec", causes);
            let policy = &spec["template"]["spec"]["restartPolicy"];
            if !matches!(policy.as_str(), Some("Never" | "OnFailure")) {
                causes.push(Cause::required(
                    "spec.template.spec.restartPolicy",
                    "valid values: \"OnFailure\", \"Never\"",
                ));
            }
        }
        "cronjobs.batch" => {
            if text(spec, &["schedule"]).is_empty() {
                causes.push(Cause::required("spec.schedule", ""));
            }
            pod_spec(
                &spec["jobTemplate"]["spec"]["template"]["spec"],
                "spec.jobTemplate.spec.template.spec",
                causes,
            );
        }
        "services" => {
            let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
            if !kinds.contains(&text(spec, &["type"])) {
                causes.push(Cause::not_supported("spec.type", &spec["type"], &kinds));
            }
            let headless = spec["clusterIP"] == "None" || spec["type"] == "ExternalName";
            if items(spec, "ports").next().is_none() && !headless {
                causes.push(Cause::required("spec.ports", ""));
            }
            for (i, port) in items(spec, "ports").enumerate() {
                port_number(&format!("spec.ports[{i}].port"), &port["port"], causes);
            }
        }
        "poddisruptionbudgets.policy"
            if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() =>
        {
            let value =
                json!({"minAvailable": spec["minAvailable"], "maxUnavailable": spec["maxUnavailable"]});
            causes.push(Cause::invalid("spec", &value, "minAvailable and maxUnavailable cannot be both set"));
        }
        "customresourcedefinitions.apiextensions.k8s.io" => {
            if crate::api::schema::registry::from_crd(o).is_empty() {
                causes.push(Cause::required(
                    "spec.versions",
                    "group, names and at least one served version are required",
                ));
            }
            let wanted = format!("{}.{}", text(spec, &["names", "plural"]), text(spec, &["group"]));
            if meta::name(o) != wanted {
                let name = json!(meta::name(o));
                causes.push(Cause::invalid(
                    "metadata.name",
                    &name,
                    "must be spec.names.plural+\".\"+spec.group",
                ));
            }
        }
        _ => {}
    }
}

fn definition_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    for (field, at) in [
        ("spec.group", "/spec/group"),
        ("spec.scope", "/spec/scope"),
        ("spec.names.kind", "/spec/names/kind"),
    ] {
        if before.pointer(at) != after.pointer(at) {
            causes.push(Cause::invalid(
                field,
                after.pointer(at).unwrap_or(&Value::Null),
                "field is immutable",
            ));
        }
    }
    for (i, stored) in items(&after["status"], "storedVersions").enumerate() {
        if !items(&after["spec"], "versions").any(|v| v["name"] == *stored) {
            let name = stored.as_str().unwrap_or_default();
            let why = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {name} and removes \
                 {name} from status.storedVersions"
            );
            causes.push(Cause::invalid(&format!("status.storedVersions[{i}]"), stored, &why));
        }
    }
}

fn not_negative(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    let value = &spec[field];
    if value.is_null() || value.as_i64().is_some_and(|n| n >= 0) {
        return;
    }
    let why = if value.is_i64() { "must be greater than or equal to 0" } else { "must be an integer" };
    causes.push(Cause::invalid(&format!("spec.{field}"), value, why));
}

fn workload(spec: &Value, causes: &mut Vec<Cause>) {
    let selector = &spec["selector"];
    let empty = |v: &Value| v.as_object().is_none_or(|m| m.is_empty());
    if empty(selector)
        || (empty(&selector["matchLabels"]) && items(selector, "matchExpressions").next().is_none())
    {
        causes.push(Cause::required("spec.selector", ""));
    } else if !LabelSelector::from_object(selector).matches_labels(&spec["template"]["metadata"]["labels"]) {
        let labels = &spec["template"]["metadata"]["labels"];
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    pod_spec(&spec["template"]["spec"], "spec.template.spec", causes);
}

fn pod_spec(spec: &Value, at: &str, causes: &mut Vec<Cause>) {
    if items(spec, "containers").next().is_none() {
        causes.push(Cause::required(&format!("{at}.containers"), ""));
    }
    let policies = ["Always", "OnFailure", "Never"];
    if !policies.contains(&text(spec, &["restartPolicy"])) {
        causes.push(Cause::not_supported(&format!("{at}.restartPolicy"), &spec["restartPolicy"], &policies));
    }
    let mut seen: Vec<&str> = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (i, c) in items(spec, list).enumerate() {
            let at = format!("{at}.{list}[{i}]");
            let name = text(c, &["name"]);
            if name.is_empty() {
                causes.push(Cause::required(&format!("{at}.name"), ""));
            } else if seen.contains(&name) {
                let message = format!("Duplicate value: {name:?}");
                causes.push(Cause {
                    reason: "FieldValueDuplicate".into(),
                    message,
                    field: format!("{at}.name"),
                });
            }
            seen.push(name);
            if text(c, &["image"]).is_empty() {
                causes.push(Cause::required(&format!("{at}.image"), ""));
            }
            for (i, port) in items(c, "ports").enumerate() {
                port_number(&format!("{at}.ports[{i}].containerPort"), &port["containerPort"], causes);
            }
            resources(c, &at, causes);
        }
    }
}

fn port_number(at: &str, value: &Value, causes: &mut Vec<Cause>) {
    if !value.as_i64().is_some_and(|n| (1..=65535).contains(&n)) {
        causes.push(Cause::invalid(at, value, "must be between 1 and 65535, inclusive"));
    }
}

pub(super) fn resources(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    use crate::api::meta::quantity::parse;
    for kind in ["requests", "limits"] {
        for (name, amount) in container["resources"][kind].as_object().into_iter().flatten() {
            let at = format!("{at}.resources.{kind}[{name}]");
            match parse(amount) {
                None => causes.push(Cause::invalid(&at, amount, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")),
                Some(n) if n < 0.0 => causes.push(Cause::invalid(&at, amount, "must be greater than or equal to 0")),
                Some(n) => {
                    let limit = &container["resources"]["limits"][name];
                    if kind == "requests" && parse(limit).is_some_and(|l| n > l) {
                        let why = format!("must be less than or equal to {name} limit of {}", crate::api::tables::print::plain(limit));
                        causes.push(Cause::invalid(&at, amount, &why));
                    }
                }
            }
        }
    }
}

/// A pod update may change only images, tolerations, deadlines and gates.
fn pod_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let fixed = |o: &Value| {
        let mut spec = o["spec"].clone();
        let map = meta::object(&mut spec);
        for key in
            ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"]
        {
            map.remove(key);
        }
        for list in ["containers", "initContainers"] {
            for c in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                meta::object(c).remove("image");
            }
        }
        spec
    };
    if fixed(before) != fixed(after) {
        causes.push(Cause::forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
    }
}
