//! Validation of a pod's resize: refuses anything but cpu and memory, another QoS class, more than its node has.
use crate::api::meta::quantity::parse;
use crate::api::meta::status::{Cause, Details, Status};
use crate::api::meta::{self, items, text};
use serde_json::Value;

/// Checks a pod's spec before and after a PATCH or PUT of its `resize` subresource.
///
/// `node`: the node that it is bound to, as far as there is one.
pub fn check(before: &Value, after: &Value, node: Option<&Value>) -> Result<(), Status> {
    let name = meta::name(before);
    let mut causes = Vec::new();
    if fixed(before) != fixed(after) {
        causes.push(Cause::forbidden("spec", "only cpu and memory resources are mutable"));
    }
    if quality(before) != quality(after) {
        let why = "Pod QOS Class may not change as a result of resizing";
        causes.push(Cause::invalid("spec", &quality(before).into(), why));
    }
    for (i, container) in items(&after["spec"], "containers").enumerate() {
        let old = items(&before["spec"], "containers").find(|c| c["name"] == container["name"]);
        for (part, noun) in [("requests", "requests"), ("limits", "limits")] {
            let had = old.and_then(|c| c["resources"][part].as_object());
            let gone = had.is_some_and(|had| had.keys().any(|k| container["resources"][part][k].is_null()));
            if gone {
                let at = format!("spec.containers[{i}].resources.{part}");
                causes.push(Cause::forbidden(&at, &format!("resource {noun} cannot be removed")));
            }
        }
        super::validate::resources(container, &format!("spec.containers[{i}]"), &mut causes);
    }
    if !causes.is_empty() {
        return Err(Status::invalid("Pod", "pods", name, causes));
    }
    room(name, after, node)
}

/// Refused where the node could not hold the pod even if it were alone (captures/kubectl/resize-infeasible-refused).
fn room(name: &str, pod: &Value, node: Option<&Value>) -> Result<(), Status> {
    let Some(node) = node else { return Ok(()) };
    for resource in ["cpu", "memory"] {
        let wanted: f64 = items(&pod["spec"], "containers")
            .filter_map(|c| parse(&c["resources"]["requests"][resource]))
            .sum();
        let Some(has) = parse(&node["status"]["allocatable"][resource]) else { continue };
        if wanted > has {
            let scale = if resource == "cpu" { 1000.0 } else { 1.0 };
            let why = format!(
                "node didn't have enough allocatable resources: {resource}, requested: {}, allocatable: {}",
                (wanted * scale).round(),
                (has * scale).round()
            );
            let cause = Cause { reason: "NodeCapacity".into(), message: String::new(), field: String::new() };
            let details =
                Details { name: name.into(), kind: "pods".into(), causes: vec![cause], ..Details::default() };
            return Err(Status::forbidden("pods", name, why).with_details(details));
        }
    }
    Ok(())
}

/// The spec without what a resize may change.
fn fixed(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for list in ["containers", "initContainers"] {
        for c in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for part in ["requests", "limits"] {
                if let Some(amounts) = c["resources"].get_mut(part).and_then(Value::as_object_mut) {
                    amounts.retain(|name, _| name != "cpu" && name != "memory");
                }
            }
            // Nothing left is the same as nothing there.
            if let Some(resources) = c["resources"].as_object_mut() {
                resources.retain(|_, v| v.as_object().is_none_or(|m| !m.is_empty()));
            }
            if c["resources"].as_object().is_none_or(|m| m.is_empty()) {
                meta::object(c).remove("resources");
            }
        }
    }
    spec
}

fn quality(pod: &Value) -> &'static str {
    let containers = || items(&pod["spec"], "containers").chain(items(&pod["spec"], "initContainers"));
    let asks = |c: &Value, part: &str, name: &str| parse(&c["resources"][part][name]);
    let names = ["cpu", "memory"];
    let none =
        |c: &Value| names.iter().all(|n| asks(c, "requests", n).is_none() && asks(c, "limits", n).is_none());
    if containers().all(none) {
        return "BestEffort";
    }
    let bound = |c: &Value| {
        names.iter().all(|n| {
            let limit = asks(c, "limits", n);
            limit.is_some() && asks(c, "requests", n).is_none_or(|r| Some(r) == limit)
        })
    };
    if containers().all(bound) { "Guaranteed" } else { "Burstable" }
}

/// The name of the node a pod is bound to; empty before it is.
pub fn node_of(pod: &Value) -> &str {
    text(pod, &["spec", "nodeName"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(requests: Value, limits: Value) -> Value {
        json!({"metadata": {"name": "app"}, "spec": {"nodeName": "n", "containers": [
            {"name": "app", "image": "busybox", "resources": {"requests": requests, "limits": limits}}]}})
    }

    /// The messages of captures/kubectl/resize-*.
    #[test]
    fn a_resize_is_refused_in_the_words_of_the_real_one() {
        let before = pod(json!({"cpu": "50m", "memory": "32Mi"}), json!({"cpu": "100m", "memory": "64Mi"}));
        let node = json!({"status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}});
        let to = |after: &Value| check(&before, after, Some(&node));
        assert!(
            to(&pod(json!({"cpu": "100m", "memory": "32Mi"}), json!({"cpu": "200m", "memory": "64Mi"})))
                .is_ok()
        );
        let mut bare = before.clone();
        bare["spec"]["containers"][0]["resources"] = json!({});
        assert_eq!(
            to(&bare).unwrap_err().message,
            "Pod \"app\" is invalid: [spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of \
             resizing, spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed, \
             spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed]"
        );
        let huge = pod(json!({"cpu": "64", "memory": "32Mi"}), json!({"cpu": "64", "memory": "64Mi"}));
        let refused = to(&huge).unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (
                403,
                "pods \"app\" is forbidden: node didn't have enough allocatable resources: cpu, requested: 64000, \
                 allocatable: 2000"
            )
        );
        let mut image = before.clone();
        image["spec"]["containers"][0]["image"] = json!("other");
        assert_eq!(to(&image).unwrap_err().code, 422);
    }
}
