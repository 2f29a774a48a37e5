//! A patch to a workload from plan to answer: what the actions that change one share. The requests are kubectl's.

use serde_json::{Value, json};

use super::cx::Cx;
use super::diff;
use super::plan::{Severity, Stage};
use super::rollout::Baseline;
use super::run::{Done, STRATEGIC, Stop, patch};
use crate::world::ObjectRef;

/// What the patch does to the object, for the plan before the server is asked. Lists of containers merge by name.
pub(super) fn merged(object: &Value, body: &Value) -> Value {
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
pub(super) async fn change(
    cx: &Cx,
    target: &ObjectRef,
    object: &Value,
    body: Value,
    question: String,
) -> Result<(Value, Baseline), Stop> {
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&merged(object, &body))));
    cx.warn_of_owner(object);
    cx.guards().await?;
    cx.cleared()?;
    let call = patch(target, STRATEGIC, cx.pinned(body));
    let after = cx.dry_run(&call).await?;
    cx.change(target.clone(), diff::unified(&diff::essence(object), &diff::essence(&after)));
    cx.confirm(question, None).await?;
    let baseline = Baseline::take(cx, target).await?;
    Ok((cx.apply(call).await?, baseline))
}

pub(super) fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(i64::MAX)
}

pub(super) fn replaced(cx: &Cx, object: &Value) {
    let n = object["spec"]["replicas"].as_u64();
    let what =
        n.map_or_else(|| "its pods on every node are replaced".to_owned(), |n| format!("{n} pods replaced"));
    cx.impact(what, Severity::Warning, "under the workload's own update strategy");
}

/// Pauses or resumes a rollout.
pub(super) async fn set_paused(cx: Cx, target: ObjectRef, wanted: bool) -> Result<Done, Stop> {
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
