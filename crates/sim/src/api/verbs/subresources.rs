//! scale, eviction, binding, tokens, finalize, approval: subresources that need only the store.
use super::write::parse_delete_options;
use crate::api::access::auth::User;
use crate::api::handler::{Api, Call};
use crate::api::meta::patch::{Patch, PatchKind};
use crate::api::meta::status::{Cause, Details, Status};
use crate::api::meta::{self, child, object, text};
use crate::api::schema::registry::Resource;
use crate::api::store::selector::LabelSelector;
use crate::api::store::{Part, Rewrite};
use crate::api::tables::print::plain;
use crate::api::wire::body::{self, Answer};
use crate::api::wire::decode;
use crate::api::wire::request::RequestInfo;
use crate::clock::rfc3339;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Answers a subresource that is not another form of the object; None for the others.
pub fn answer(
    api: &Api,
    call: &Call,
    info: &RequestInfo,
    def: &Resource,
    user: &User,
) -> Option<Result<Answer, Status>> {
    match (&*def.key, info.subresource.as_str()) {
        (_, "scale") => Some(scale(api, call, info, def)),
        ("pods", "eviction") => Some(evict(api, call, info)),
        ("pods", "binding") => {
            let binding = decode::any(call, "Binding");
            Some(binding.and_then(|b| bind(api, call, &info.namespace, &info.name, &b)))
        }
        ("serviceaccounts", "token") => Some(token(api, call, info, user)),
        _ => None,
    }
}

fn trusted(call: &Call) -> Result<Rewrite, Status> {
    Ok(Rewrite { part: Part::Main, dry_run: call.query.dry_run()?, trusted: true })
}

/// The `autoscaling/v1` Scale of a workload.
fn scale_of(o: &Value) -> Value {
    let metadata = json!({"name": meta::name(o), "namespace": meta::namespace(o), "uid": meta::uid(o),
        "resourceVersion": meta::version(o), "creationTimestamp": o["metadata"]["creationTimestamp"]});
    let labels = &o["spec"]["selector"]["matchLabels"];
    let labels = if labels.is_object() { labels } else { &o["spec"]["selector"] };
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, v)| v.is_string())
        .map(|(k, v)| format!("{k}={}", plain(v)))
        .collect();
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": o["spec"]["replicas"].as_i64().unwrap_or(0)},
        "status": {"replicas": o["status"]["replicas"].as_i64().unwrap_or(0), "selector": pairs.join(",")}})
}

fn scale(api: &Api, call: &Call, info: &RequestInfo, def: &Resource) -> Result<Answer, Status> {
    let current = api.store.get(&def.key, &info.namespace, &info.name);
    let current = current.ok_or_else(|| Status::not_found(&def.qualified(), &info.name))?;
    let wanted = match info.verb {
        "get" => return Ok(body::json(200, scale_of(&current).to_string())),
        "update" => decode::any(call, "Scale")?,
        _ => {
            let kind = PatchKind::of(call.content_type())?;
            let mut wanted = scale_of(&current);
            Patch::read(kind, &call.body)?.apply(&mut wanted)?;
            wanted
        }
    };
    let replicas = wanted["spec"]["replicas"].clone();
    if !replicas.as_i64().is_some_and(|n| (0..=i64::from(i32::MAX)).contains(&n)) && !replicas.is_null() {
        let cause = Cause::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
        return Err(Status::invalid("Scale", "scales.autoscaling", &info.name, vec![cause]));
    }
    let uid = meta::uid(&wanted);
    if !uid.is_empty() && uid != meta::uid(&current) {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            meta::uid(&current)
        );
        return Err(Status::conflict_because(&def.qualified(), &info.name, &why));
    }
    let sent = meta::version(&wanted).to_string();
    let got = api.store.rewrite(&def.key, &info.namespace, &info.name, trusted(call)?, |o| {
        if !sent.is_empty() && info.verb == "update" {
            meta::metadata(o).insert("resourceVersion".into(), sent.into());
        }
        object(child(o, "spec")).insert("replicas".into(), replicas.as_i64().unwrap_or(0).into());
        Ok(())
    })?;
    Ok(body::json(200, scale_of(&got).to_string()))
}

/// Binds a pod to a node, as a scheduler does.
pub fn bind(api: &Api, call: &Call, ns: &str, name: &str, binding: &Value) -> Result<Answer, Status> {
    let node = text(binding, &["target", "name"]).to_string();
    if node.is_empty() {
        return Err(Status::invalid("Binding", "bindings", name, vec![Cause::required("target.name", "")]));
    }
    let now = rfc3339(api.store.clock().now());
    api.store.rewrite("pods", ns, name, trusted(call)?, |pod| {
        let bound = text(pod, &["spec", "nodeName"]);
        if !bound.is_empty() {
            let why = format!("pod {name} is already assigned to node \"{bound}\"");
            return Err(Status::conflict_because("pods/binding", name, &why));
        }
        object(child(pod, "spec")).insert("nodeName".into(), node.into());
        Ok(())
    })?;
    if !call.query.dry_run()? {
        api.store.modify("pods", ns, name, Part::Status, |pod| {
            let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
            let status = child(pod, "status");
            let mut all: Vec<Value> =
                meta::items(status, "conditions").filter(|c| c["type"] != "PodScheduled").cloned().collect();
            all.push(condition);
            object(status).insert("conditions".into(), all.into());
        })?;
    }
    Ok(Status::success(201).into())
}

/// Deletes a pod if the disruption budgets allow it.
fn evict(api: &Api, call: &Call, info: &RequestInfo) -> Result<Answer, Status> {
    let eviction = decode::any(call, "Eviction")?;
    let named = meta::name(&eviction);
    if !named.is_empty() && named != info.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let options = parse_delete_options(&eviction["deleteOptions"], call)?;
    let pod = api.pod(info)?;
    let phase = text(&pod, &["status", "phase"]);
    let unguarded = matches!(phase, "Succeeded" | "Failed" | "Pending")
        || pod["metadata"]["deletionTimestamp"].is_string();
    if !unguarded {
        spend_budget(api, &info.namespace, &pod, options.dry_run)?;
    }
    if !options.dry_run {
        api.store.modify("pods", &info.namespace, &info.name, Part::Status, |pod| evicting(pod, api))?;
    }
    api.store.delete("pods", &info.namespace, &info.name, options)?;
    Ok(Status::success(201).into())
}

/// The condition that an evicted pod gets (captures/watch/drain-blocked-by-pdb).
fn evicting(pod: &mut Value, api: &Api) {
    let condition = json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": rfc3339(api.store.clock().now()),
        "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"});
    let status = child(pod, "status");
    let others = meta::items(status, "conditions").filter(|c| c["type"] != "DisruptionTarget").cloned();
    let all: Vec<Value> = std::iter::once(condition).chain(others).collect();
    object(status).insert("conditions".into(), all.into());
}

const PDB: &str = "poddisruptionbudgets.policy";

/// Takes one disruption from the pod's budget, or refuses.
fn spend_budget(api: &Api, ns: &str, pod: &Value, dry_run: bool) -> Result<(), Status> {
    let labels = &pod["metadata"]["labels"];
    let covers = |b: &Value| LabelSelector::from_object(&b["spec"]["selector"]).matches_labels(labels);
    let budgets: Vec<_> = api.store.list(PDB, Some(ns)).into_iter().filter(|b| covers(b)).collect();
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Status::failure(500, "InternalError", text));
        }
    };
    let ready =
        meta::items(&pod["status"], "conditions").any(|c| c["type"] == "Ready" && c["status"] == "True");
    let n = |o: &Value, key: &str| o["status"][key].as_i64().unwrap_or(0);
    if !ready {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        let spare =
            n(budget, "currentHealthy") >= n(budget, "desiredHealthy") && n(budget, "desiredHealthy") > 0;
        if always || spare {
            return Ok(());
        }
    }
    let (name, pod_name) = (meta::name(budget).to_string(), meta::name(pod).to_string());
    let at = rfc3339(api.store.clock().now());
    let how = Rewrite { part: Part::Status, dry_run, trusted: true };
    api.store.rewrite(PDB, ns, &name, how, |b| {
        let behind = n(b, "observedGeneration") < b["metadata"]["generation"].as_i64().unwrap_or(0);
        if behind {
            let message = format!("The disruption budget {name} is still being processed by the server.");
            return Err(refused(message, 10));
        }
        if n(b, "disruptionsAllowed") <= 0 {
            let (needs, has) = (n(b, "desiredHealthy"), n(b, "currentHealthy"));
            return Err(refused(
                format!("The disruption budget {name} needs {needs} healthy pods and has {has} currently"),
                0,
            ));
        }
        let allowed = n(b, "disruptionsAllowed") - 1;
        let status = child(b, "status");
        object(child(status, "disruptedPods")).insert(pod_name, at.into());
        object(status).insert("disruptionsAllowed".into(), allowed.into());
        Ok(())
    })?;
    Ok(())
}

fn refused(message: String, retry_after_seconds: u32) -> Status {
    let cause = Cause { reason: "DisruptionBudget".into(), message, field: String::new() };
    Status::failure(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
    )
    .with_details(Details { causes: vec![cause], retry_after_seconds, ..Details::default() })
}

/// Creates a token for a service account (`kubectl create token`).
fn token(api: &Api, call: &Call, info: &RequestInfo, _asked_by: &User) -> Result<Answer, Status> {
    let mut request = decode::any(call, "TokenRequest")?;
    let found = api.store.get("serviceaccounts", &info.namespace, &info.name);
    found.ok_or_else(|| Status::not_found("serviceaccounts", &info.name))?;
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600).clamp(600, 1 << 31);
    let now = api.store.clock().now();
    let until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
    let token = api.store.new_token();
    if !call.query.dry_run()? {
        api.users.add(&token, User::service_account(&info.namespace, &info.name));
    }
    let map = object(&mut request);
    map.insert("kind".into(), "TokenRequest".into());
    map.insert("apiVersion".into(), "authentication.k8s.io/v1".into());
    map.insert("status".into(), json!({"token": token, "expirationTimestamp": rfc3339(until)}));
    let metadata = meta::metadata(&mut request);
    metadata.insert("name".into(), info.name.as_str().into());
    metadata.insert("namespace".into(), info.namespace.as_str().into());
    Ok(body::json(201, request.to_string()))
}
