//! Rollback: the request `kubectl rollout undo` sends, behind khud's guards.
//!
//! Deployment: the ReplicaSet of the wanted revision (default: the second highest) gives template and annotations; one
//! JSON patch replaces both, with a test on the resourceVersion in front so that a racing change is never overwritten.
//! StatefulSet and DaemonSet: the ControllerRevision's own patch, as kubectl does.
//! Source: kubectl `pkg/polymorphichelpers/rollback.go`.

use serde_json::{Map, Value, json};

use super::diff;
use super::guard::{Permission, configuration};
use super::plan::Severity;
use super::rollout;
use super::run::{Cx, Done, JSON_PATCH, Job, Params, STRATEGIC, Stop, patch};
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef, Time};

/// Annotations that belong to the Deployment and not to a revision.
const KEPT: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

pub(super) fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let to = match params.get("to-revision").map(|t| (t, t.parse::<i64>())) {
        None => 0,
        Some((_, Ok(n))) if n >= 0 => n,
        Some((t, _)) => return Err(format!("--to-revision {t:?} is not a revision number")),
    };
    Ok(Box::pin(async move { rollback(cx, target, to).await }))
}

async fn rollback(cx: Cx, target: ObjectRef, to: i64) -> Result<Done, Stop> {
    let object = cx.get(target.path()).await?;
    let (call, revision, template, created) = if target.kind == Kind::Deployment {
        deployment(&cx, &target, &object, to).await?
    } else {
        controller_revision(&cx, &target, &object, to).await?
    };
    let desired = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let pods = if target.kind == Kind::DaemonSet {
        "its pods on every node".to_owned()
    } else {
        format!("{desired} pods")
    };
    cx.impact(
        format!("{pods} replaced"),
        Severity::Warning,
        format!("back to revision {revision}, {}", strategy(&object)),
    );
    let namespace = target.namespace.clone();
    let spec = template.clone();
    let (named, changed) = cx.look(move |world, _| configuration(&spec, &namespace, world, created)).await?;
    if !changed.is_empty() {
        cx.impact(
            "configuration is newer than that revision",
            Severity::Warning,
            format!("not rolled back, and changed since: {}", changed.join(", ")),
        );
    } else if !named.is_empty() {
        cx.impact(
            "configuration is not rolled back",
            Severity::Info,
            format!("it keeps reading {}", named.join(", ")),
        );
    }
    cx.warn_of_owner(&object);
    cx.guards(&[Permission::on("patch", &target)]).await?;
    cx.cleared()?;
    let after = cx.dry_run(&call).await?;
    cx.change(target.clone(), diff::unified(&diff::essence(&object), &diff::essence(&after)));
    cx.confirm(format!("Roll {target} back to revision {revision}?"), None).await?;
    let done = cx.apply(call).await?;
    let generation = done["metadata"]["generation"].as_i64().unwrap_or(i64::MAX);
    match rollout::watch(&cx, &target, generation).await? {
        Done::Verified(line) => {
            Ok(Done::Verified(format!("{target} runs revision {revision}'s template: {line}")))
        }
        applied => Ok(applied),
    }
}

fn strategy(object: &Value) -> String {
    let s = if object["spec"]["strategy"].is_object() {
        &object["spec"]["strategy"]
    } else {
        &object["spec"]["updateStrategy"]
    };
    let kind = s["type"].as_str().unwrap_or("RollingUpdate");
    let part = |key: &str| match &s["rollingUpdate"][key] {
        Value::Null => None,
        Value::String(text) => Some(format!("{key} {text}")),
        other => Some(format!("{key} {other}")),
    };
    match (kind, part("maxSurge"), part("maxUnavailable")) {
        ("Recreate", ..) => "all at once (Recreate)".to_owned(),
        ("OnDelete", ..) => "only as pods are deleted (OnDelete)".to_owned(),
        (_, surge, unavailable) => {
            let parts: Vec<String> = [surge, unavailable].into_iter().flatten().collect();
            if parts.is_empty() {
                "one after another".to_owned()
            } else {
                format!("rolling with {}", parts.join(", "))
            }
        }
    }
}

type Planned = (Call, i64, Value, Option<Time>);

async fn deployment(cx: &Cx, target: &ObjectRef, object: &Value, to: i64) -> Result<Planned, Stop> {
    if object["spec"]["paused"].as_bool() == Some(true) {
        return Err(Stop::Refused(format!(
            "{target} is paused and cannot be rolled back; resume it first (khud do resume {})",
            target.name
        )));
    }
    let selector = selector(&object["spec"]["selector"]);
    let query =
        if selector.is_empty() { String::new() } else { format!("?labelSelector={}", encode(&selector)) };
    let path = format!("{}{query}", Kind::ReplicaSet.collection_path(&target.namespace));
    let list = cx.get(path).await?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or("");
    let revisions: Vec<(i64, &Value)> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|rs| owned_by(rs, uid))
        .filter_map(|rs| Some((annotation(rs, "deployment.kubernetes.io/revision")?.parse().ok()?, rs)))
        .collect();
    let (revision, set) = choose(&revisions, to, target)?;
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    let mut current = object["spec"]["template"].clone();
    for t in [&mut template, &mut current] {
        if let Some(meta) = t["metadata"].as_object_mut() {
            // Older servers write `creationTimestamp: null` into templates; it says nothing.
            meta.remove("creationTimestamp");
        }
    }
    if template == current {
        return Err(Stop::Refused(format!(
            "nothing to roll back: {target} already runs the template of revision {revision}"
        )));
    }
    let mut annotations = Map::new();
    let all = |o: &Value| o["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.extend(all(object).into_iter().filter(|(k, _)| KEPT.contains(&k.as_str())));
    annotations.extend(all(set).into_iter().filter(|(k, _)| !KEPT.contains(&k.as_str())));
    let mut body = Vec::new();
    if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
        body.push(json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
    }
    body.push(json!({"op": "replace", "path": "/spec/template", "value": template}));
    // `replace` needs something to replace.
    let op = if object["metadata"]["annotations"].is_object() { "replace" } else { "add" };
    body.push(json!({"op": op, "path": "/metadata/annotations", "value": annotations}));
    let mut after = object.clone();
    after["spec"]["template"] = template.clone();
    after["metadata"]["annotations"] = Value::Object(annotations);
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&after)));
    let created = set["metadata"]["creationTimestamp"].as_str().and_then(Time::parse);
    Ok((patch(target, JSON_PATCH, Value::Array(body)), revision, template, created))
}

async fn controller_revision(cx: &Cx, target: &ObjectRef, object: &Value, to: i64) -> Result<Planned, Stop> {
    let selector = selector(&object["spec"]["selector"]);
    let query =
        if selector.is_empty() { String::new() } else { format!("?labelSelector={}", encode(&selector)) };
    let path = format!("/apis/apps/v1/namespaces/{}/controllerrevisions{query}", target.namespace);
    let list = cx.get(path).await?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or("");
    let revisions: Vec<(i64, &Value)> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|r| owned_by(r, uid))
        .filter_map(|r| Some((r["revision"].as_i64()?, r)))
        .collect();
    let (revision, chosen) = choose(&revisions, to, target)?;
    let mut template = chosen["data"]["spec"]["template"].clone();
    if !template.is_object() {
        return Err(Stop::Failed(format!("revision {revision} of {target} holds no pod template")));
    }
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    if template == object["spec"]["template"] {
        return Err(Stop::Refused(format!(
            "nothing to roll back: {target} already runs the template of revision {revision}"
        )));
    }
    let mut after = object.clone();
    after["spec"]["template"] = template.clone();
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&after)));
    let mut body = chosen["data"].clone();
    if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
        // In a strategic merge patch the version is the precondition: a racing change answers 409.
        body["metadata"]["resourceVersion"] = json!(version);
    }
    let created = chosen["metadata"]["creationTimestamp"].as_str().and_then(Time::parse);
    Ok((patch(target, STRATEGIC, body), revision, template, created))
}

fn choose<'a>(revisions: &[(i64, &'a Value)], to: i64, target: &ObjectRef) -> Result<(i64, &'a Value), Stop> {
    let mut sorted: Vec<&(i64, &Value)> = revisions.iter().collect();
    sorted.sort_by_key(|(r, _)| std::cmp::Reverse(*r));
    let known = sorted.iter().map(|(r, _)| r.to_string()).collect::<Vec<_>>().join(", ");
    if to > 0 {
        return revisions.iter().find(|(r, _)| *r == to).copied().ok_or_else(|| {
            let have = if known.is_empty() {
                "it keeps no revisions".to_owned()
            } else {
                format!("it keeps {known}")
            };
            Stop::Refused(format!("{target} has no revision {to}; {have}"))
        });
    }
    sorted.get(1).map(|r| **r).ok_or_else(|| {
        Stop::Refused(format!(
            "{target} has no earlier revision to go back to (it keeps {})",
            if known.is_empty() { "none" } else { &known }
        ))
    })
}

fn owned_by(object: &Value, uid: &str) -> bool {
    object["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|o| o.iter().any(|o| o["controller"] == json!(true) && o["uid"].as_str() == Some(uid)))
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}

/// kubectl's notation of a LabelSelector.
fn selector(value: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(labels) = value["matchLabels"].as_object() {
        parts.extend(labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))));
    }
    for e in value["matchExpressions"].as_array().into_iter().flatten() {
        let key = e["key"].as_str().unwrap_or("");
        let values: Vec<&str> =
            e["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match e["operator"].as_str() {
            Some("In") => parts.push(format!("{key} in ({})", values.join(","))),
            Some("NotIn") => parts.push(format!("{key} notin ({})", values.join(","))),
            Some("Exists") => parts.push(key.to_owned()),
            Some("DoesNotExist") => parts.push(format!("!{key}")),
            _ => {}
        }
    }
    parts.join(",")
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_in_a_query_is_encoded_as_kubectl_does() {
        // captures/kubectl/rollout-undo.txt, drain-pdb-blocked.txt (there with + for a space)
        assert_eq!(encode(&selector(&json!({"matchLabels": {"app": "api-server"}}))), "app%3Dapi-server");
        let s = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector(&s), "app in (a,b)");
    }

    #[test]
    fn the_second_highest_revision_is_the_one_before() {
        let (a, b, c) = (json!({"n": 1}), json!({"n": 2}), json!({"n": 3}));
        let target = ObjectRef::new(Kind::Deployment, "prod", "api");
        let all = [(3, &c), (7, &a), (5, &b)];
        assert_eq!(choose(&all, 0, &target).ok().map(|r| r.0), Some(5));
        assert_eq!(choose(&all, 3, &target).ok().map(|r| r.0), Some(3));
        let Err(Stop::Refused(why)) = choose(&all, 4, &target) else { panic!("no revision 4") };
        assert_eq!(why, "deployment prod/api has no revision 4; it keeps 7, 5, 3");
        assert!(choose(&all[..1], 0, &target).is_err());
    }
}
