//! The ReplicaSet controller: creates pods, and deletes the least useful ones first.
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::{DeleteOptions, Object};

use crate::cluster::controllers::Controller;
use crate::cluster::engine::{Engine, Refused, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::object::{self, Key, entry, finished, int, put_count, text};

const WHO: Source<'static> = Source::Controller("replicaset-controller");

pub(in crate::cluster) struct ReplicaSetController;

impl Controller for ReplicaSetController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(set) = engine.cached("replicasets.apps", key) else { return };
        let pods = engine.cache.owned("pods", object::uid(&set));
        let active: Vec<Object> = pods.into_iter().filter(|p| !finished(p) && !object::deleting(p)).collect();
        let failure = if object::deleting(&set) { None } else { scale_replica_set(engine, &set, &active) };
        replica_set_status(engine, key, &set, failure);
    }
}

/// Creates or deletes pods. Returns why it could not.
fn scale_replica_set(engine: &mut Engine, set: &Object, active: &[Object]) -> Option<String> {
    let want = int(set, "/spec/replicas").unwrap_or(1).max(0) as usize;
    let have = active.len();
    if have < want {
        // A refused create is retried after a pause, not at each change of the controller's own status.
        let now = engine.now();
        let refused = engine.refused.get(object::uid(set));
        if let Some(refused) = refused.filter(|r| r.until > now && r.have == have) {
            return Some(refused.why.clone());
        }
        for done in 0..want - have {
            let template = set.pointer("/spec/template")?;
            let owner = object::owner_reference(set, "apps/v1", "ReplicaSet");
            match create_pod(engine, set, template, owner, None) {
                Ok(pod) => {
                    let text = format!("Created pod: {}", object::name(&pod));
                    engine.event(WHO, set, "Normal", "SuccessfulCreate", &text);
                }
                Err(why) => {
                    let text = format!("Error creating: {why}");
                    engine.event(WHO, set, "Warning", "FailedCreate", &text);
                    // About the back-off of the real work queue.
                    let wait = Duration::from_secs(if done == 0 { 15 } else { 5 });
                    engine.after(wait, Timer::Work(Work::ReplicaSet(Key::of(set))));
                    let until = now.checked_add(wait).unwrap_or(now);
                    let refused = Refused { until, why: why.clone(), have: have + done };
                    engine.refused.insert(object::uid(set).to_owned(), refused);
                    return Some(why);
                }
            }
        }
    } else if have > want {
        let mut order: Vec<&Object> = active.iter().collect();
        order.sort_by_cached_key(|p| usefulness(p));
        for pod in &order[..have - want] {
            let gone = engine.store.delete(
                "pods",
                object::namespace(pod),
                object::name(pod),
                DeleteOptions { uid: Some(object::uid(pod).to_owned()), ..DeleteOptions::default() },
            );
            if gone.is_ok() {
                let text = format!("Deleted pod: {}", object::name(pod));
                engine.event(WHO, set, "Normal", "SuccessfulDelete", &text);
            }
        }
    }
    None
}

/// Creates a pod from a template. The error is the API server's message.
pub(in crate::cluster) fn create_pod(
    engine: &mut Engine,
    owner: &Object,
    template: &Value,
    reference: Value,
    name: Option<&str>,
) -> Result<Object, String> {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    let meta = entry(&mut pod, "metadata");
    meta.remove("creationTimestamp");
    meta.insert("ownerReferences".into(), json!([reference]));
    match name {
        Some(name) => meta.insert("name".into(), json!(name)),
        None => meta.insert("generateName".into(), json!(format!("{}-", object::name(owner)))),
    };
    engine.store.create("pods", object::namespace(owner), pod).map_err(|status| status.message)
}

fn replica_set_status(engine: &mut Engine, key: &Key, set: &Object, failure: Option<String>) {
    engine.absorb();
    let Some(set) = engine.cached("replicasets.apps", key).or_else(|| Some(set.clone())) else { return };
    let pods = engine.cache.owned("pods", object::uid(&set));
    let min_ready = int(&set, "/spec/minReadySeconds").unwrap_or(0);
    let now = engine.now();
    let active: Vec<&Object> = pods.iter().filter(|p| !finished(p) && !object::deleting(p)).collect();
    let terminating = pods.iter().filter(|p| !finished(p) && object::deleting(p)).count() as i64;
    let ready = active.iter().filter(|p| object::ready(p)).count() as i64;
    let mut wake: Option<jiff::Timestamp> = None;
    let available = active
        .iter()
        .filter(|p| object::ready(p))
        .filter(|p| {
            let since = object::condition(p, "Ready").and_then(|c| object::time(c, "/lastTransitionTime"));
            let Some(at) =
                since.and_then(|s| s.checked_add(Duration::from_secs(min_ready.max(0) as u64)).ok())
            else {
                return false;
            };
            if min_ready > 0 && at > now {
                wake = Some(wake.map_or(at, |w| w.min(at)));
                return false;
            }
            true
        })
        .count() as i64;
    if let Some(at) = wake {
        engine.at(at, Timer::Work(Work::ReplicaSet(key.clone())));
    }
    let template_labels = set.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let labeled = active
        .iter()
        .filter(|p| template_labels.is_none_or(|t| t.iter().all(|(k, v)| object::label(p, k) == v.as_str())))
        .count() as i64;
    let generation = int(&set, "/metadata/generation").unwrap_or(1);
    let stamp = engine.stamp();
    let replicas = active.len() as i64;
    engine.write_status("replicasets.apps", key, |o| {
        let status = entry(o, "status");
        status.insert("replicas".into(), json!(replicas));
        put_count(status, "fullyLabeledReplicas", labeled);
        put_count(status, "readyReplicas", ready);
        put_count(status, "availableReplicas", available);
        status.insert("terminatingReplicas".into(), json!(terminating));
        status.insert("observedGeneration".into(), json!(generation));
        match failure {
            Some(why) => {
                let old = status.get("conditions").and_then(|c| c.get(0)).cloned();
                let since =
                    old.filter(|c| c["reason"] == "FailedCreate").map(|c| c["lastTransitionTime"].clone());
                status.insert(
                    "conditions".into(),
                    json!([{
                        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why,
                        "lastTransitionTime": since.unwrap_or_else(|| json!(stamp)),
                    }]),
                );
            }
            None => {
                status.remove("conditions");
            }
        }
    });
}

/// The order of deletion, least useful first: not scheduled, pending, not ready, then youngest.
fn usefulness(pod: &Object) -> (bool, u8, bool, i64, std::cmp::Reverse<String>) {
    let phase = match text(pod, "/status/phase") {
        "Running" => 2,
        "Pending" => 0,
        _ => 1,
    };
    let restarts: i64 =
        object::list(pod, "/status/containerStatuses").iter().filter_map(|c| int(c, "/restartCount")).sum();
    (
        !text(pod, "/spec/nodeName").is_empty(),
        phase,
        object::ready(pod),
        -restarts,
        std::cmp::Reverse(text(pod, "/metadata/creationTimestamp").to_owned()),
    )
}
