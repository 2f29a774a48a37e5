//! The Deployment controller: ReplicaSets by template, rolling updates, and the Progressing condition.
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::{DeleteOptions, Object};

use crate::cluster::chance::template_hash;
use crate::cluster::controllers::Controller;
use crate::cluster::engine::{Engine, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::object::{
    self, Key, condition, entry, flag, int, int_or_percent, put_count, set_condition, text,
};

const WHO: Source<'static> = Source::Controller("deployment-controller");
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations that are not copied to ReplicaSets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

fn revision(object: &Value) -> i64 {
    object::annotation(object, REVISION).and_then(|r| r.parse().ok()).unwrap_or(0)
}

fn replicas(set: &Value) -> i64 {
    int(set, "/spec/replicas").unwrap_or(0)
}

fn available(set: &Value) -> i64 {
    int(set, "/status/availableReplicas").unwrap_or(0)
}

/// A template without the pod-template-hash label.
fn bare(template: &Value) -> Value {
    let mut bare = template.clone();
    if let Some(labels) = bare.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    if let Some(meta) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("creationTimestamp");
    }
    bare
}

pub(in crate::cluster) struct DeploymentController;

impl Controller for DeploymentController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(deployment) = engine.cached("deployments.apps", key) else { return };
        let sets = engine.cache.owned("replicasets.apps", object::uid(&deployment));
        if object::deleting(&deployment) {
            deployment_status(engine, key, None, &sets);
            return;
        }
        let template = bare(deployment.pointer("/spec/template").unwrap_or(&Value::Null));
        let hash =
            template_hash(&template.to_string(), int(&deployment, "/status/collisionCount").unwrap_or(0));
        // A template without defaults is matched by its hash, because the ReplicaSet was created with them.
        let newest = sets
            .iter()
            .find(|s| s.pointer("/spec/template").map(bare).as_ref() == Some(&template))
            .or_else(|| sets.iter().find(|s| object::label(s, "pod-template-hash") == Some(&hash)))
            .cloned();
        let paused = flag(&deployment, "/spec/paused");
        let new = match newest {
            Some(set) => Some(adopt_as_new(engine, &deployment, &set, &sets)),
            None if paused => None,
            None => new_replica_set(engine, key, &deployment, &sets, template),
        };
        engine.absorb();
        if !paused {
            roll(engine, key, new.as_ref());
        }
        engine.absorb();
        let sets = engine.cache.owned("replicasets.apps", object::uid(&deployment));
        clean_up(engine, &deployment, new.as_ref(), &sets);
        deployment_status(engine, key, new.as_ref(), &sets);
    }
}

/// Makes the existing ReplicaSet of the template the newest revision.
fn adopt_as_new(engine: &mut Engine, deployment: &Object, set: &Object, sets: &[Object]) -> Object {
    let others =
        sets.iter().filter(|s| object::uid(s) != object::uid(set)).map(|s| revision(s)).max().unwrap_or(0);
    let now = revision(set);
    let next = if others >= now { others + 1 } else { now };
    let notes = own_annotations(deployment);
    let (want, max) = (replicas(deployment), surge_limit(deployment));
    let written = engine.write("replicasets.apps", &Key::of(set), |o| {
        let annotations = entry(&mut o["metadata"], "annotations");
        for (k, v) in &notes {
            annotations.insert(k.clone(), v.clone());
        }
        if next != now {
            let before = annotations.get(HISTORY).and_then(Value::as_str).filter(|h| !h.is_empty());
            let history = before.map_or_else(|| now.to_string(), |h| format!("{h},{now}"));
            if now > 0 {
                annotations.insert(HISTORY.into(), json!(history));
            }
            annotations.insert(REVISION.into(), json!(next.to_string()));
        }
        annotations.insert(DESIRED.into(), json!(want.to_string()));
        annotations.insert(MAX.into(), json!(max.to_string()));
    });
    deployment_revision(engine, &Key::of(deployment), next);
    if condition(deployment, "Progressing").is_none() {
        let said = format!("Found new replica set {:?}", object::name(set));
        progress(engine, &Key::of(deployment), "True", "FoundNewReplicaSet", &said);
    }
    written.unwrap_or_else(|| set.clone())
}

fn new_replica_set(
    engine: &mut Engine,
    key: &Key,
    deployment: &Object,
    sets: &[Object],
    template: Value,
) -> Option<Object> {
    let collisions = int(deployment, "/status/collisionCount").unwrap_or(0);
    let hash = template_hash(&template.to_string(), collisions);
    let next = sets.iter().map(|s| revision(s)).max().unwrap_or(0) + 1;
    let mut annotations: serde_json::Map<String, Value> = own_annotations(deployment).into_iter().collect();
    annotations.insert(REVISION.into(), json!(next.to_string()));
    annotations.insert(DESIRED.into(), json!(replicas(deployment).to_string()));
    annotations.insert(MAX.into(), json!(surge_limit(deployment).to_string()));
    let mut template = template;
    entry(&mut template["metadata"], "labels").insert("pod-template-hash".into(), json!(hash));
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({}));
    entry(&mut selector, "matchLabels").insert("pod-template-hash".into(), json!(hash));
    let running: i64 = sets.iter().map(|s| replicas(s)).sum();
    let count = scale_up_to(deployment, 0, running);
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", key.name),
            "labels": template.pointer("/metadata/labels").cloned().unwrap_or_default(),
            "annotations": annotations,
            "ownerReferences": [object::owner_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {"replicas": count, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    if let Some(min) = deployment.pointer("/spec/minReadySeconds").filter(|m| m.as_i64() != Some(0)) {
        set["spec"]["minReadySeconds"] = min.clone();
    }
    match engine.store.create("replicasets.apps", &key.ns, set) {
        Ok(made) => {
            deployment_revision(engine, key, next);
            let said = format!("Created new replica set {:?}", object::name(&made));
            progress(engine, key, "True", "NewReplicaSetCreated", &said);
            if count > 0 {
                scaled(engine, deployment, &made, 0, count);
            }
            Some(made)
        }
        Err(status) if status.reason == "AlreadyExists" => {
            engine.write_status("deployments.apps", key, |o| {
                entry(o, "status").insert("collisionCount".into(), json!(collisions + 1));
            });
            None
        }
        Err(status) => {
            let said = format!(
                "Failed to create new replica set {:?}: {}",
                format!("{}-{hash}", key.name),
                status.message
            );
            engine.event(WHO, deployment, "Warning", "ReplicaSetCreateError", &said);
            progress(engine, key, "False", "ReplicaSetCreateError", &status.message);
            engine.after(Duration::from_secs(10), Timer::Work(Work::Deployment(key.clone())));
            None
        }
    }
}

fn deployment_revision(engine: &Engine, key: &Key, revision: i64) {
    engine.write("deployments.apps", key, |o| {
        entry(&mut o["metadata"], "annotations").insert(REVISION.into(), json!(revision.to_string()));
    });
}

fn progress(engine: &Engine, key: &Key, status: &str, reason: &str, message: &str) {
    let now = engine.stamp();
    engine.write_status("deployments.apps", key, |o| {
        let conditions = conditions_of(o);
        set_condition(conditions, "Progressing", status, reason, message, &now);
    });
}

fn scaled(engine: &mut Engine, deployment: &Object, set: &Object, from: i64, to: i64) {
    let way = if to > from { "up" } else { "down" };
    let said = format!("Scaled {way} replica set {} from {from} to {to}", object::name(set));
    engine.event(WHO, deployment, "Normal", "ScalingReplicaSet", &said);
}

fn scale_set(engine: &mut Engine, deployment: &Object, set: &Object, to: i64) -> Option<Object> {
    let from = replicas(set);
    let (want, max) = (replicas(deployment), surge_limit(deployment));
    let written = engine.write("replicasets.apps", &Key::of(set), |o| {
        o["spec"]["replicas"] = json!(to);
        let annotations = entry(&mut o["metadata"], "annotations");
        annotations.insert(DESIRED.into(), json!(want.to_string()));
        annotations.insert(MAX.into(), json!(max.to_string()));
    });
    if from != to {
        scaled(engine, deployment, set, from, to);
    }
    written
}

/// One step of the rollout: scales the new ReplicaSet up within the surge, the old ones down within the
/// availability.
fn roll(engine: &mut Engine, key: &Key, new: Option<&Object>) {
    let (Some(deployment), Some(new)) = (engine.cached("deployments.apps", key), new) else { return };
    let Some(new) = engine.cached("replicasets.apps", &Key::of(new)) else { return };
    let sets = engine.cache.owned("replicasets.apps", object::uid(&deployment));
    let mut old: Vec<Object> =
        sets.into_iter().filter(|s| object::uid(s) != object::uid(&new) && replicas(s) > 0).collect();
    old.sort_by_key(|s| text(s, "/metadata/creationTimestamp").to_owned());
    let want = replicas(&deployment);
    if text(&deployment, "/spec/strategy/type") == "Recreate" {
        let mut waiting = false;
        for set in &old {
            scale_set(engine, &deployment, set, 0);
            waiting = true;
        }
        let sets = engine.cache.owned("replicasets.apps", object::uid(&deployment));
        waiting |= sets
            .iter()
            .filter(|s| object::uid(s) != object::uid(&new))
            .any(|s| !engine.cache.owned("pods", object::uid(s)).is_empty());
        if !waiting && replicas(&new) != want {
            scale_set(engine, &deployment, &new, want);
        }
        return;
    }
    let total: i64 = replicas(&new) + old.iter().map(|s| replicas(s)).sum::<i64>();
    let target = scale_up_to(&deployment, replicas(&new), total);
    if replicas(&new) != target {
        scale_set(engine, &deployment, &new, target);
        return;
    }
    shrink_old(engine, &deployment, &new, &old, want);
}

fn shrink_old(engine: &mut Engine, deployment: &Object, new: &Object, old: &[Object], want: i64) {
    let total: i64 = replicas(new) + old.iter().map(|s| replicas(s)).sum::<i64>();
    let min_available = want - unavailable_limit(deployment);
    let new_unavailable = replicas(new) - available(new);
    let mut room = total - min_available - new_unavailable;
    if room <= 0 {
        return;
    }
    // Unhealthy replicas of old ReplicaSets are removed first, because they serve nobody.
    let mut left: Vec<(Object, i64)> = old.iter().map(|s| (s.clone(), replicas(s))).collect();
    for (set, count) in &mut left {
        let sick = (*count - available(set)).min(room).max(0);
        if sick > 0 {
            scale_set(engine, deployment, set, *count - sick);
            *count -= sick;
            room -= sick;
        }
    }
    let all_available = available(new) + left.iter().map(|(s, c)| available(s).min(*c)).sum::<i64>();
    let mut room = all_available - min_available;
    for (set, count) in &left {
        let down = (*count).min(room).max(0);
        if down > 0 && *count > 0 {
            engine.absorb();
            if let Some(now) = engine.cached("replicasets.apps", &Key::of(set)) {
                scale_set(engine, deployment, &now, *count - down);
            }
            room -= down;
        }
    }
}

/// Deletes ReplicaSets beyond the history limit once the rollout is complete.
fn clean_up(engine: &mut Engine, deployment: &Object, new: Option<&Object>, sets: &[Object]) {
    let limit = int(deployment, "/spec/revisionHistoryLimit").unwrap_or(10).max(0) as usize;
    let mut old: Vec<&Object> = sets
        .iter()
        .filter(|s| new.is_none_or(|n| object::uid(n) != object::uid(s)))
        .filter(|s| replicas(s) == 0 && int(s, "/status/replicas").unwrap_or(0) == 0 && !object::deleting(s))
        .collect();
    if old.len() <= limit {
        return;
    }
    old.sort_by_key(|s| revision(s));
    for set in &old[..old.len() - limit] {
        let key = Key::of(set);
        // Another client may have deleted it already.
        let _ = engine.store.delete("replicasets.apps", &key.ns, &key.name, DeleteOptions::default());
    }
}

fn deployment_status(engine: &mut Engine, key: &Key, new: Option<&Object>, sets: &[Object]) {
    let Some(deployment) = engine.cached("deployments.apps", key) else { return };
    let new = new.and_then(|n| engine.cached("replicasets.apps", &Key::of(n)));
    let count = |field: &str| sets.iter().filter_map(|s| int(s, field)).sum::<i64>();
    let total = count("/status/replicas");
    let ready = count("/status/readyReplicas");
    let is_available = count("/status/availableReplicas");
    let terminating = count("/status/terminatingReplicas");
    let updated = new.as_ref().and_then(|n| int(n, "/status/replicas")).unwrap_or(0);
    let unavailable = (sets.iter().map(|s| replicas(s)).sum::<i64>() - is_available).max(0);
    let want = replicas(&deployment);
    let generation = int(&deployment, "/metadata/generation").unwrap_or(1);
    let failure = sets.iter().find_map(|s| condition(s, "ReplicaFailure").cloned());
    let enough = is_available >= want - unavailable_limit(&deployment);
    let now = engine.stamp();
    let progress = judge_progress(engine, &deployment, new.as_ref(), updated, total, is_available, ready);
    engine.write_status("deployments.apps", key, |o| {
        {
            let status = entry(o, "status");
            status.insert("observedGeneration".into(), json!(generation));
            put_count(status, "replicas", total);
            put_count(status, "updatedReplicas", updated);
            put_count(status, "readyReplicas", ready);
            put_count(status, "availableReplicas", is_available);
            put_count(status, "unavailableReplicas", unavailable);
            status.insert("terminatingReplicas".into(), json!(terminating));
        }
        let conditions = conditions_of(o);
        let (status, reason, message) = if enough {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        set_condition(conditions, "Available", status, reason, message, &now);
        if let Some((status, reason, message, moved)) = &progress {
            let changed = set_condition(conditions, "Progressing", status, reason, message, &now);
            if *moved && !changed {
                // Progress with the same message still extends the deadline.
                if let Some(c) = conditions.iter_mut().find(|c| c["type"] == "Progressing") {
                    c["lastUpdateTime"] = json!(now);
                }
            }
        }
        match failure {
            Some(f) => {
                set_condition(
                    conditions,
                    "ReplicaFailure",
                    "True",
                    text(&f, "/reason"),
                    text(&f, "/message"),
                    &now,
                );
            }
            None => conditions.retain(|c| c["type"] != "ReplicaFailure"),
        }
    });
}

/// The Progressing condition, and whether there was progress since the last sync.
fn judge_progress(
    engine: &mut Engine,
    deployment: &Object,
    new: Option<&Object>,
    updated: i64,
    total: i64,
    is_available: i64,
    ready: i64,
) -> Option<(&'static str, &'static str, String, bool)> {
    let key = Key::of(deployment);
    let deadline = int(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let old = condition(deployment, "Progressing").cloned();
    let was = old.as_ref().map_or("", |c| text(c, "/reason"));
    if flag(deployment, "/spec/paused") {
        return Some(("Unknown", "DeploymentPaused", "Deployment is paused".into(), false));
    }
    if was == "DeploymentPaused" {
        return Some(("Unknown", "DeploymentResumed", "Deployment is resumed".into(), true));
    }
    let name = new.map(|n| object::name(n).to_owned());
    let said = |end: &str| match &name {
        Some(name) => format!("ReplicaSet {name:?} {end}"),
        None => format!("Deployment {:?} {end}", object::name(deployment)),
    };
    let want = replicas(deployment);
    let observed = |field: &str| int(deployment, field).unwrap_or(0);
    // The controller detects changes against the status it wrote last.
    let before = |field: &str| observed(&format!("/status/{field}"));
    let done = updated == want
        && total == want
        && is_available == want
        && int(deployment, "/status/observedGeneration").is_some();
    if done && new.is_some() {
        return Some(("True", "NewReplicaSetAvailable", said("has successfully progressed."), false));
    }
    let old_replicas = |u: i64, t: i64| t - u;
    let moved = updated > before("updatedReplicas")
        || old_replicas(updated, total) < old_replicas(before("updatedReplicas"), before("replicas"))
        || ready > before("readyReplicas")
        || is_available > before("availableReplicas");
    if moved {
        await_deadline(engine, &key, deadline, None);
        return Some(("True", "ReplicaSetUpdated", said("is progressing."), true));
    }
    if matches!(was, "ProgressDeadlineExceeded" | "NewReplicaSetAvailable" | "ReplicaSetCreateError") {
        return None;
    }
    let since = old.as_ref().and_then(|c| object::time(c, "/lastUpdateTime"))?;
    let end = since.checked_add(Duration::from_secs(deadline.max(0) as u64)).ok()?;
    if engine.now() >= end {
        return Some(("False", "ProgressDeadlineExceeded", said("has timed out progressing."), false));
    }
    await_deadline(engine, &key, deadline, Some(end));
    None
}

fn await_deadline(engine: &mut Engine, key: &Key, deadline: i64, end: Option<jiff::Timestamp>) {
    let timer = Timer::Work(Work::Deployment(key.clone()));
    match end {
        Some(end) => engine.at(end, timer),
        None => engine.after(Duration::from_secs(deadline.max(0) as u64 + 1), timer),
    }
}

fn conditions_of(object: &mut Value) -> &mut Vec<Value> {
    let slot = entry(object, "status").entry("conditions").or_insert_with(|| json!([]));
    if !slot.is_array() {
        *slot = json!([]);
    }
    match slot {
        Value::Array(list) => list,
        _ => unreachable!("made an array just above"),
    }
}

fn own_annotations(deployment: &Value) -> Vec<(String, Value)> {
    let map = deployment.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    map.filter(|(k, _)| !OWN.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Returns (surge, unavailable). If both are zero, one unavailable is allowed, because otherwise the rollout
/// could not move.
fn limits(deployment: &Value) -> (i64, i64) {
    let want = replicas(deployment);
    let strategy = |f: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{f}"));
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return (0, want);
    }
    let surge = int_or_percent(strategy("maxSurge"), want, true).unwrap_or((want + 3) / 4);
    let unavailable = int_or_percent(strategy("maxUnavailable"), want, false).unwrap_or(want / 4);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable.min(want)) }
}

fn unavailable_limit(deployment: &Value) -> i64 {
    if text(deployment, "/spec/strategy/type") == "Recreate" { 0 } else { limits(deployment).1 }
}

fn surge_limit(deployment: &Value) -> i64 {
    replicas(deployment) + if replicas(deployment) == 0 { 0 } else { limits(deployment).0 }
}

/// The largest allowed size of the new ReplicaSet, from its size and the total.
fn scale_up_to(deployment: &Value, new: i64, total: i64) -> i64 {
    let want = replicas(deployment);
    if new >= want {
        return want;
    }
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return if total > new { new } else { want };
    }
    let room = (want + limits(deployment).0 - total).max(0);
    (new + room).min(want)
}
