//! Labels and annotations: the merge patch kubectl sends, and what follows from a label.

use serde_json::{Map, Value, json};

use super::change::Change;
use super::cx::Cx;
use super::plan::Severity;
use super::run::{Done, Job, MERGE, Params, Stop, patch};
use super::words::{self, Word};
use super::{kubectl, seen};
use crate::world::{Kind, Labels, ObjectRef, Text, World};

/// The kubectl command: `kubectl label` or `kubectl annotate` with the words of `option`.
pub(super) fn kubectl(verb: &str, option: &str, target: &ObjectRef, params: &Params) -> String {
    let words = params.get(option).map_or("", String::as_str);
    format!("kubectl {verb} {} {words} --overwrite", kubectl::object(target))
}

/// A run that sets and removes keys of `metadata.labels` or `metadata.annotations`, as the words of `option` say.
///
/// # Errors
/// A sentence where a word is neither `KEY=VALUE` nor `KEY-`.
pub(super) fn start(
    cx: Cx,
    target: ObjectRef,
    field: &'static str,
    option: &str,
    params: &Params,
) -> Result<Job, String> {
    let words = words::pairs(params.get(option).map_or("", String::as_str))?;
    Ok(Box::pin(set(cx, target, field, words)))
}

async fn set(cx: Cx, target: ObjectRef, field: &'static str, words: Vec<Word>) -> Result<Done, Stop> {
    let object = cx.target(&target).await?;
    let before = object["metadata"][field].as_object().cloned().unwrap_or_default();
    let mut after = before.clone();
    let mut sent = Map::new();
    for word in &words {
        match word {
            Word::Set(key, value) => {
                after.insert(key.clone(), json!(value));
                sent.insert(key.clone(), json!(value));
            }
            Word::Remove(key) => {
                after.remove(key);
                sent.insert(key.clone(), Value::Null);
            }
        }
    }
    if after == before {
        return Ok(Done::Verified(format!("{target} has these {field} already; nothing was sent")));
    }
    if field == "labels" {
        let (pod, labels) = (target.clone(), (before, after.clone()));
        let moved = cx.look(move |world, _| consequences(world, &pod, &labels.0, &labels.1)).await?;
        for (what, severity, detail) in moved {
            cx.impact(what, severity, detail);
        }
    }
    let mut changed = object.clone();
    changed["metadata"][field] = Value::Object(after.clone());
    let noun = if words.len() == 1 { field.trim_end_matches('s') } else { field };
    let keys: Vec<&str> = words.iter().map(Word::key).collect();
    let change = Change {
        target: &target,
        object: &object,
        after: changed,
        call: patch(&target, MERGE, cx.pinned(json!({"metadata": {field: sent}}))),
        question: format!("Change {noun} {} of {target}?", keys.join(", ")),
        typed: None,
    };
    change.carry_out(&cx).await?;
    let done = format!("{target} has the {noun} as planned");
    seen::read_back(&cx, &target, done, move |o| {
        let now = o["metadata"][field].as_object();
        words.iter().all(|w| match w {
            Word::Set(key, value) => now.is_some_and(|m| m.get(key).and_then(Value::as_str) == Some(value)),
            Word::Remove(key) => now.is_none_or(|m| !m.contains_key(key)),
        })
    })
    .await
}

fn labels(map: &Map<String, Value>) -> Labels {
    let mut pairs: Vec<(Text, Text)> =
        map.iter().map(|(k, v)| (k.as_str().into(), v.as_str().unwrap_or("").into())).collect();
    pairs.sort();
    Labels(pairs.into())
}

/// Which Services and controllers a pod leaves or joins with its new labels.
fn consequences(
    world: &World,
    target: &ObjectRef,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<(String, Severity, String)> {
    let mut out = Vec::new();
    if target.kind == Kind::Node {
        let detail = "running pods stay; the scheduler places new ones by the new labels";
        out.push(("node selectors read the labels".to_owned(), Severity::Info, detail.to_owned()));
    }
    if target.kind != Kind::Pod {
        return out;
    }
    let (before, after) = (labels(before), labels(after));
    for service in world.services.values().filter(|s| s.meta.namespace == target.namespace) {
        let Some(selector) = &service.selector else { continue };
        match (selector.matches(&before), selector.matches(&after)) {
            (true, false) => out.push((
                format!("the pod leaves Service {}", service.meta.name),
                Severity::Warning,
                "it gets no new connections from there".to_owned(),
            )),
            (false, true) => out.push((
                format!("the pod joins Service {}", service.meta.name),
                Severity::Warning,
                "it gets connections from there once it is ready".to_owned(),
            )),
            _ => {}
        }
    }
    let owner = world.pods.find(&target.namespace, &target.name).and_then(|p| p.meta.owner.clone());
    let owner = owner.map(|o| ObjectRef::new(o.kind, target.namespace.clone(), o.name));
    if let Some(workload) = owner.and_then(|o| world.workload(&o))
        && workload.selector.matches(&before)
        && !workload.selector.matches(&after)
    {
        out.push((
            format!("{} {} lets the pod go", workload.kind, workload.meta.name),
            Severity::Critical,
            "it makes another pod in its place; this one runs on without a controller".to_owned(),
        ));
    }
    out
}
