//! A patch to a workload from plan to answer: what the actions that change one share. The requests are kubectl's.

use serde_json::{Value, json};

use super::cx::Cx;
use super::diff;
use super::plan::{Severity, Stage};
use super::rollout::Baseline;
use super::run::{Done, STRATEGIC, Stop, patch};
use crate::world::ask::Call;
use crate::world::{ObjectRef, Text};

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
            Value::Array(items) => merge_list(&mut into[key], items),
            _ => merge(&mut into[key], value),
        }
    }
}

/// Items with a name merge with the one of that name; a list of anything else is replaced whole.
fn merge_list(into: &mut Value, items: &[Value]) {
    if items.iter().any(|item| item["name"].is_null()) {
        *into = Value::Array(items.to_vec());
        return;
    }
    if !into.is_array() {
        *into = json!([]);
    }
    let Some(list) = into.as_array_mut() else { return };
    for item in items {
        let at = list.iter().position(|x| x["name"] == item["name"]);
        match (at, item["$patch"].as_str()) {
            (Some(i), Some("delete")) => drop(list.remove(i)),
            (Some(i), _) => merge(&mut list[i], item),
            (None, Some("delete")) => {}
            (None, _) => {
                let mut new = json!({});
                merge(&mut new, item);
                list.push(new);
            }
        }
    }
}

/// A change to one object, from plan to the server's answer.
pub(super) struct Change<'a> {
    pub target: &'a ObjectRef,
    /// As it was read.
    pub object: &'a Value,
    /// As khud expects it to become; the server's dry run replaces that in the plan.
    pub after: Value,
    pub call: Call,
    pub question: String,
    /// The text the operator has to type; `None` where a plain yes is enough.
    pub typed: Option<Text>,
}

impl Change<'_> {
    /// Plan, guards, dry run and the question.
    pub async fn confirmed(&self, cx: &Cx) -> Result<(), Stop> {
        let before = diff::essence(self.object);
        cx.change(self.target.clone(), diff::unified(&before, &diff::essence(&self.after)));
        cx.warn_of_owner(self.object);
        cx.guards().await?;
        cx.cleared()?;
        let after = cx.dry_run(&self.call).await?;
        cx.change(self.target.clone(), diff::unified(&before, &diff::essence(&after)));
        cx.confirm(self.question.clone(), self.typed.clone()).await
    }

    /// All of it; returns the object as the server has it now.
    pub async fn carry_out(self, cx: &Cx) -> Result<Value, Stop> {
        self.confirmed(cx).await?;
        cx.apply(self.call).await
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
    let change = Change {
        target,
        object,
        after: merged(object, &body),
        call: patch(target, STRATEGIC, cx.pinned(body)),
        question,
        typed: None,
    };
    change.confirmed(cx).await?;
    let baseline = Baseline::take(cx, target).await?;
    Ok((cx.apply(change.call).await?, baseline))
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
            "$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a", "image": "x:2", "args": ["f"],
                "env": [{"name": "E", "$patch": "delete"}, {"name": "F", "value": "1"}]}]}}}});
        assert_eq!(
            merged(&object, &body),
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "a", "image": "x:2", "args": ["f"], "env": [{"name": "F", "value": "1"}]},
                {"name": "b", "image": "y:1"}]}}}})
        );
    }
}
