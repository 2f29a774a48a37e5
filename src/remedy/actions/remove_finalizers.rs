//! Remove finalizers: let an object go whose controller will never let it go.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::Change;
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{JSON_PATCH, Job, Params, Stop, patch};
use crate::remedy::{kubectl, seen};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Remove finalizers",
    about: "let an object go that waits for a controller that is gone",
    options: &[Spec::value("finalizer", "NAME", "only this one")],
    rights: &[Right::on_target("patch")],
    causes: &[("delete.stuck", 2)],
    dangerous: true,
    kubectl,
    ..Action::new("remove-finalizers", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    // With several objects the plan shows each patch once its object was read.
    match params.contains_key("finalizer") {
        true => String::new(),
        false => format!(
            "kubectl patch {} --type merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
            kubectl::object(target)
        ),
    }
}

/// The condition a finalizer waits for, where Kubernetes itself sets it.
fn meaning(finalizer: &str) -> &'static str {
    match finalizer {
        "kubernetes.io/pvc-protection" => "a pod still uses the claim: delete the pod instead",
        "kubernetes.io/pv-protection" => "a claim is still bound to the volume: delete the claim instead",
        "foregroundDeletion" => "what it owns is being deleted first: look at what holds that",
        "orphan" => "the garbage collector is about to cut what it owns off it",
        f if f.starts_with("external-attacher/") => "the volume is still attached to a node",
        f if f.starts_with("external-provisioner.") => "the storage behind it is not removed yet",
        f if f.starts_with("service.kubernetes.io/load-balancer") => {
            "the cloud's load balancer is not removed yet"
        }
        f if f.starts_with("batch.kubernetes.io/job-tracking") => "the job has not counted the pod yet",
        _ => "its controller's clean-up is skipped; what it made outside stays",
    }
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let all: Vec<String> = object["metadata"]["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|f| f.as_str().map(str::to_owned))
            .collect();
        if all.is_empty() {
            let content = target.kind == Kind::Namespace && object["spec"]["finalizers"].is_array();
            return Err(Stop::Refused(match content {
                true => format!(
                    "{target} has no finalizers in its metadata: it waits for what is in it, which its conditions name"
                ),
                false => format!("{target} has no finalizers"),
            }));
        }
        let going: Vec<String> = match params.get("finalizer") {
            None => all.clone(),
            Some(one) if all.contains(one) => vec![one.clone()],
            Some(one) => {
                let has = all.join(", ");
                return Err(Stop::Refused(format!("{target} has no finalizer {one}; it has {has}")));
            }
        };
        let deleted = object["metadata"]["deletionTimestamp"].as_str();
        cx.guard(
            "it is being deleted",
            deleted.is_some(),
            match deleted {
                Some(at) => format!("deleted at {at}"),
                None => {
                    "nobody has deleted it: without its finalizers a later delete would skip the clean-up"
                        .to_owned()
                }
            },
        );
        for finalizer in &going {
            cx.impact(finalizer.clone(), Severity::Critical, meaning(finalizer));
        }
        let left: Vec<&String> = all.iter().filter(|f| !going.contains(f)).collect();
        let mut after = object.clone();
        after["metadata"]["finalizers"] = json!(left);
        let body = json!([
            {"op": "test", "path": "/metadata/uid", "value": object["metadata"]["uid"]},
            {"op": "test", "path": "/metadata/finalizers", "value": all},
            {"op": "replace", "path": "/metadata/finalizers", "value": left},
        ]);
        if params.contains_key("finalizer") {
            let shown = kubectl::quoted(&Value::to_string(&body)).into_owned();
            cx.kubectl(format!("kubectl patch {} --type json -p {shown}", kubectl::object(&target)));
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        let change = Change {
            target: &target,
            object: &object,
            after,
            call: patch(&target, JSON_PATCH, body),
            question: format!("Let {target} go without its clean-up?"),
            typed: Some(target.name.clone()),
        };
        change.carry_out(&cx).await?;
        if !left.is_empty() {
            let done = format!("{target} waits for {} only", left.len());
            return seen::read_back(&cx, &target, done, move |o| {
                let now = o["metadata"]["finalizers"].as_array().into_iter().flatten();
                !now.filter_map(Value::as_str).any(|f| going.iter().any(|g| g == f))
            })
            .await;
        }
        seen::gone(&cx, &target, &uid, std::time::Duration::from_secs(30)).await
    }))
}
