//! Changes to the pod template of a workload: which container is meant, the patch of it, and the rollout that follows.

use serde_json::{Value, json};

use super::action::Spec;
use super::change;
use super::cx::Cx;
use super::rollout;
use super::run::{Done, Params, Stop};
use crate::world::{Kind, ObjectRef};

pub(super) const CONTAINER: Spec =
    Spec::value("container", "NAME", "the container, where there are several").short('c');

/// The workloads whose pods are replaced when their template changes.
pub(super) const ROLLED: &[Kind] = &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];

/// The pod spec of a workload's template, or of a pod.
pub(super) fn pod_spec<'o>(target: &ObjectRef, object: &'o Value) -> &'o Value {
    if target.kind == Kind::Pod { &object["spec"] } else { &object["spec"]["template"]["spec"] }
}

/// The container that is meant: the named one, or the only one there is.
///
/// # Errors
/// A sentence with the names to choose from.
pub(super) fn container<'o>(
    target: &ObjectRef,
    object: &'o Value,
    params: &Params,
) -> Result<(&'static str, &'o Value), Stop> {
    let spec = pod_spec(target, object);
    let of = |list: &str| spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |c: &Value| c["name"].as_str().unwrap_or("?").to_owned();
    let apps = of("containers");
    let Some(wanted) = params.get("container") else {
        return match apps {
            [one] => Ok(("containers", one)),
            many => {
                let names: Vec<String> = many.iter().map(name).collect();
                Err(Stop::Refused(format!(
                    "{target} has {} containers; name one with -c: {}",
                    many.len(),
                    names.join(", ")
                )))
            }
        };
    };
    for list in ["containers", "initContainers"] {
        if let Some(found) = of(list).iter().find(|c| c["name"] == wanted.as_str()) {
            return Ok((list, found));
        }
    }
    let names: Vec<String> = apps.iter().chain(of("initContainers")).map(name).collect();
    Err(Stop::Refused(format!("{target} has no container {wanted}; it has {}", names.join(", "))))
}

/// The strategic merge patch of one container, as kubectl sends it: with the order of all of its list.
pub(super) fn patch_of(
    target: &ObjectRef,
    object: &Value,
    list: &str,
    mut fields: Value,
    container: &Value,
) -> Value {
    fields["name"] = container["name"].clone();
    let all = pod_spec(target, object)[list].as_array();
    let order: Vec<Value> = all.into_iter().flatten().map(|c| json!({"name": c["name"]})).collect();
    let spec = json!({format!("$setElementOrder/{list}"): order, list: [fields]});
    if target.kind == Kind::Pod {
        json!({"spec": spec})
    } else {
        json!({"spec": {"template": {"spec": spec}}})
    }
}

/// Sends a patch of the template and watches the pods being replaced.
pub(super) async fn roll(
    cx: &Cx,
    target: &ObjectRef,
    object: &Value,
    body: Value,
    question: String,
) -> Result<Done, Stop> {
    if change::merged(object, &body)["spec"]["template"] == object["spec"]["template"] {
        return Ok(Done::Verified(format!("{target} is so already; nothing was sent")));
    }
    change::replaced(cx, object);
    if object["spec"]["paused"].as_bool() == Some(true) {
        let why = "it is paused: the change waits in its template until it is resumed";
        cx.impact("nothing rolls out yet", super::plan::Severity::Warning, why);
    }
    let (done, baseline) = change::change(cx, target, object, body, question).await?;
    if done["spec"]["paused"].as_bool() == Some(true) {
        cx.next("resume", target.clone());
        return Ok(Done::Applied(format!("{target} is paused: it rolls out once it is resumed")));
    }
    rollout::watch(cx, target, change::generation(&done), baseline).await
}
