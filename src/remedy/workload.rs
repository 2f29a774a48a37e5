//! Changes to a workload: restart, pause, resume, scale, set-image. The requests are kubectl's.

use serde_json::{Value, json};

use super::cx::Cx;
use super::diff;
use super::guard::Permission;
use super::plan::{Severity, Stage};
use super::rollout::{self, Baseline};
use super::run::{Done, Job, Params, STRATEGIC, Stop, patch};
use crate::world::ObjectRef;
use crate::world::ask::{Call, Verb};

/// What the patch does to the object, for the plan before the server is asked. Lists of containers merge by name.
fn merged(object: &Value, body: &Value) -> Value {
    let mut after = object.clone();
    merge(&mut after, body);
    after
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if key.starts_with('$') {
            continue;
        }
        match value {
            Value::Null => {
                if let Some(map) = into.as_object_mut() {
                    map.remove(key);
                }
            }
            Value::Array(items) if into[key].is_array() => {
                for item in items {
                    let name = item["name"].clone();
                    let slot =
                        into[key].as_array_mut().and_then(|a| a.iter_mut().find(|x| x["name"] == name));
                    if let Some(slot) = slot {
                        merge(slot, item);
                    }
                }
            }
            _ => merge(&mut into[key], value),
        }
    }
}

/// Plan, guard, dry run, confirm and apply of a patch to the target; returns the object as the server has it now.
async fn change(
    cx: &Cx,
    target: &ObjectRef,
    object: &Value,
    body: Value,
    question: String,
) -> Result<(Value, Baseline), Stop> {
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&merged(object, &body))));
    cx.warn_of_owner(object);
    cx.guards(&[Permission::on("patch", target)]).await?;
    cx.cleared()?;
    let call = patch(target, STRATEGIC, cx.pinned(body));
    let after = cx.dry_run(&call).await?;
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&after)));
    cx.confirm(question, None).await?;
    let baseline = Baseline::take(cx, target).await?;
    Ok((cx.apply(call).await?, baseline))
}

fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(i64::MAX)
}

fn replaced(cx: &Cx, object: &Value) {
    let n = object["spec"]["replicas"].as_u64();
    let what =
        n.map_or_else(|| "its pods on every node are replaced".to_owned(), |n| format!("{n} pods replaced"));
    cx.impact(what, Severity::Warning, "under the workload's own update strategy");
}

pub(super) fn restart(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        if object["spec"]["paused"].as_bool() == Some(true) {
            return Err(Stop::Refused(format!("{target} is paused; resume it first")));
        }
        replaced(&cx, &object);
        let at = cx.now().seconds();
        let at = crate::world::Time(at * 1000).to_string();
        let body = json!({"spec": {"template": {"metadata": {"annotations": {
            "kubectl.kubernetes.io/restartedAt": at}}}}});
        let (done, baseline) =
            change(&cx, &target, &object, body, format!("Restart all pods of {target}?")).await?;
        rollout::watch(&cx, &target, generation(&done), baseline).await
    }))
}

pub(super) fn pause(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(set_paused(cx, target, true)))
}

pub(super) fn resume(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(set_paused(cx, target, false)))
}

async fn set_paused(cx: Cx, target: ObjectRef, wanted: bool) -> Result<Done, Stop> {
    let word = if wanted { "pause" } else { "resume" };
    let object = cx.target(&target).await?;
    if (object["spec"]["paused"].as_bool() == Some(true)) == wanted {
        return Ok(Done::Verified(format!("{target} is already {word}d; nothing was sent")));
    }
    let detail = if wanted {
        "changes to its template wait until it is resumed; pods that die are still replaced"
    } else {
        "changes made while it was paused roll out now"
    };
    cx.impact(format!("rollout {word}d"), Severity::Info, detail);
    let value = if wanted { Value::Bool(true) } else { Value::Null };
    let body = json!({"spec": {"paused": value}});
    change(
        &cx,
        &target,
        &object,
        body,
        format!("{}{} the rollout of {target}?", word[..1].to_uppercase(), &word[1..]),
    )
    .await?;
    cx.stage(Stage::Watching);
    let object = target.clone();
    let wait = cx.options().timeout.unwrap_or(std::time::Duration::from_secs(30));
    let seen = cx
        .until(Some(cx.now().plus(wait)), move |world, _| {
            let w = world.workload(&object)?;
            (w.paused == wanted && w.observed_generation >= w.meta.generation).then_some(())
        })
        .await?;
    Ok(match seen {
        Some(()) => Done::Verified(format!("{target} is {word}d")),
        None => Done::Applied(format!("accepted, but the watch has not shown {target} {word}d")),
    })
}

pub(super) fn scale(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let wanted: u32 = params
        .get("replicas")
        .and_then(|r| r.parse().ok())
        .ok_or_else(|| "scale needs --replicas N, a number of pods".to_owned())?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let have = object["spec"]["replicas"].as_u64().unwrap_or(1);
        if have == u64::from(wanted) {
            return Ok(Done::Verified(format!("{target} already wants {wanted} replicas; nothing was sent")));
        }
        let severity = if wanted == 0 { Severity::Critical } else { Severity::Warning };
        let detail = if u64::from(wanted) < have {
            "the pods that go are chosen by the controller; disruption budgets do not apply"
        } else {
            "new pods need room on the nodes and in the namespace's quota"
        };
        cx.impact(format!("{have} → {wanted} pods"), severity, detail);
        let wl = target.clone();
        let scaler = cx
            .look(move |world, _| {
                world
                    .autoscalers
                    .values()
                    .find(|a| {
                        a.meta.namespace == wl.namespace
                            && *a.target_kind == *wl.kind.name()
                            && a.target_name == wl.name
                    })
                    .map(|a| (a.meta.name.to_string(), a.min, a.max))
            })
            .await?;
        if let Some((name, min, max)) = scaler {
            cx.impact(
                format!("autoscaler {name} owns the number"),
                Severity::Warning,
                format!("it keeps {min} to {max} pods and may change it again at once"),
            );
        }
        cx.warn_of_owner(&object);
        let mut after = object.clone();
        after["spec"]["replicas"] = json!(wanted);
        cx.change(target.clone(), diff::unified(&diff::essence(&object), &diff::essence(&after)));
        cx.guards(&[Permission::on("patch", &target).sub("scale")]).await?;
        cx.cleared()?;
        let call = Call {
            verb: Verb::Patch,
            path: format!("{}/scale", target.path()),
            content_type: "application/merge-patch+json".into(),
            body: Some(cx.pinned(json!({"spec": {"replicas": wanted}}))),
        };
        cx.dry_run(&call).await?;
        let typed = (wanted == 0).then(|| target.name.clone());
        cx.confirm(format!("Scale {target} from {have} to {wanted}?"), typed).await?;
        let baseline = Baseline::take(&cx, &target).await?;
        cx.apply(call).await?;
        cx.stage(Stage::Watching);
        let wl = target.clone();
        let wait = std::time::Duration::from_secs(30);
        let taken = cx
            .until(Some(cx.now().plus(wait)), move |world, _| {
                let w = world.workload(&wl)?;
                (w.desired == wanted && w.observed_generation >= w.meta.generation)
                    .then_some(w.meta.generation)
            })
            .await?;
        match taken {
            Some(generation) => rollout::watch(&cx, &target, generation, baseline.scaled()).await,
            None => Ok(Done::Applied(format!(
                "accepted, but the watch has not shown {target} wanting {wanted} pods"
            ))),
        }
    }))
}

pub(super) fn set_image(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let text = params.get("image").map(String::as_str).unwrap_or("");
    let mut images = Vec::new();
    for part in text.split_whitespace() {
        match part.split_once('=') {
            Some((c, image)) if !c.is_empty() && !image.is_empty() => {
                images.push((c.to_owned(), image.to_owned()))
            }
            _ => return Err(format!("{part:?} is not CONTAINER=IMAGE")),
        }
    }
    if images.is_empty() {
        return Err("set-image needs CONTAINER=IMAGE".to_owned());
    }
    Ok(Box::pin(async move {
        let words: Vec<String> = images.iter().map(|(c, i)| format!("{c}={i}")).collect();
        let object = cx.target(&target).await?;
        let pod = &object["spec"]["template"]["spec"];
        let names = |list: &str| -> Vec<String> {
            let items = pod[list].as_array().into_iter().flatten();
            items.filter_map(|c| c["name"].as_str().map(str::to_owned)).collect()
        };
        let (apps, inits) = (names("containers"), names("initContainers"));
        let mut spec = json!({});
        for (name, image) in &images {
            let list = if apps.contains(name) {
                "containers"
            } else if inits.contains(name) {
                "initContainers"
            } else {
                return Err(Stop::Refused(format!(
                    "{target} has no container {name}; it has {}",
                    apps.iter().chain(&inits).cloned().collect::<Vec<_>>().join(", ")
                )));
            };
            if !spec[list].is_array() {
                spec[list] = json!([]);
                // kubectl names them all, in the order they have.
                let all = if list == "containers" { &apps } else { &inits };
                let order: Vec<Value> = all.iter().map(|n| json!({"name": n})).collect();
                spec[format!("$setElementOrder/{list}")] = Value::Array(order);
            }
            if let Some(items) = spec[list].as_array_mut() {
                items.push(json!({"name": name, "image": image}));
            }
        }
        replaced(&cx, &object);
        let body = json!({"spec": {"template": {"spec": spec}}});
        if merged(&object, &body)["spec"]["template"] == object["spec"]["template"] {
            return Ok(Done::Verified(format!(
                "{target} already runs {}; nothing was sent",
                words.join(" ")
            )));
        }
        let (done, baseline) =
            change(&cx, &target, &object, body, format!("Set {} in {target}?", words.join(" "))).await?;
        rollout::watch(&cx, &target, generation(&done), baseline).await
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges_containers_by_name() {
        let object = json!({"spec": {"paused": true, "template": {"spec": {"containers": [
            {"name": "a", "image": "x:1", "env": [{"name": "E"}]}, {"name": "b", "image": "y:1"}]}}}});
        let body = json!({"spec": {"paused": null, "template": {"spec": {
            "$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a", "image": "x:2"}]}}}});
        assert_eq!(
            merged(&object, &body),
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "a", "image": "x:2", "env": [{"name": "E"}]}, {"name": "b", "image": "y:1"}]}}}})
        );
    }
}
