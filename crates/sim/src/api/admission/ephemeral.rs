//! Validation of a pod's ephemeral containers: they can be added, never changed or removed.
use serde_json::Value;

use crate::api::meta::status::{Cause, Status};
use crate::api::meta::{self, items, text};

/// The fields that only other containers have.
const NOT_HERE: [&str; 6] =
    ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"];

/// Checks a pod before and after a PATCH or PUT of its `ephemeralcontainers` subresource. What else the request
/// changes in the spec is dropped, as the API server does.
pub fn check(before: &Value, after: &mut Value) -> Result<(), Status> {
    let new = after["spec"]["ephemeralContainers"].clone();
    after["spec"] = before["spec"].clone();
    if new.is_array() {
        after["spec"]["ephemeralContainers"] = new;
    }
    let mut causes = Vec::new();
    if before["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some() {
        causes.push(Cause::forbidden("", "static pods do not support ephemeral containers"));
    }
    for old in items(&before["spec"], "ephemeralContainers") {
        let name = text(old, &["name"]);
        let same = items(&after["spec"], "ephemeralContainers").find(|c| c["name"] == name);
        let what = match same {
            Some(same) if same == old => continue,
            Some(_) => "changed",
            None => "removed",
        };
        // captures/kubectl/debug-ephemeral-same-name, which goes on with the difference.
        let why = format!("existing ephemeral containers {name:?} may not be {what}\n");
        causes.push(Cause::forbidden("spec.ephemeralContainers", &why));
    }
    let mut names: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| items(&after["spec"], list))
        .map(|c| text(c, &["name"]))
        .collect();
    let targets = names.clone();
    for (i, c) in items(&after["spec"], "ephemeralContainers").enumerate() {
        let at = format!("spec.ephemeralContainers[{i}]");
        let name = text(c, &["name"]);
        if name.is_empty() {
            causes.push(Cause::required(&format!("{at}.name"), ""));
        } else if names.contains(&name) {
            let message = format!("Duplicate value: {name:?}");
            causes.push(Cause { reason: "FieldValueDuplicate".into(), message, field: format!("{at}.name") });
        }
        names.push(name);
        if text(c, &["image"]).is_empty() {
            causes.push(Cause::required(&format!("{at}.image"), ""));
        }
        let target = text(c, &["targetContainerName"]);
        if !target.is_empty() && !targets.contains(&target) {
            let message = format!("Not found: {target:?}");
            let field = format!("{at}.targetContainerName");
            causes.push(Cause { reason: "FieldValueNotFound".into(), message, field });
        }
        for field in NOT_HERE.iter().filter(|f| !c[**f].is_null()) {
            causes
                .push(Cause::forbidden(&format!("{at}.{field}"), "cannot be set for an Ephemeral Container"));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid("Pod", "pods", meta::name(before), causes)) }
}
