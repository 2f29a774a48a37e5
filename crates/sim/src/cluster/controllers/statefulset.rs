//! The StatefulSet controller: named pods in order, each waiting for its predecessor.
use serde_json::{Value, json};

use crate::api::store::{DeleteOptions, Object};

use crate::cluster::controllers::{Controller, daemonset, replicaset};
use crate::cluster::engine::Engine;
use crate::cluster::events::Source;
use crate::cluster::object::{self, Key, entry, finished, int, list, put_count, text};

const WHO: Source<'static> = Source::Controller("statefulset-controller");
const HASH: &str = "controller-revision-hash";

pub(in crate::cluster) struct StatefulSetController;

impl Controller for StatefulSetController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(set) = engine.cached("statefulsets.apps", key).filter(|s| !object::deleting(s)) else {
            return;
        };
        let hash = format!("{}-{}", key.name, daemonset::revision_of(engine, &set, "StatefulSet"));
        let want = int(&set, "/spec/replicas").unwrap_or(1).max(0);
        let parallel = text(&set, "/spec/podManagementPolicy") == "Parallel";
        let pods = engine.cache.owned("pods", object::uid(&set));
        let pod_at = |i: i64| pods.iter().find(|p| object::name(p) == format!("{}-{i}", key.name)).cloned();
        let mut blocked = false;
        for i in 0..want {
            match pod_at(i) {
                None => {
                    member(engine, &set, &hash, i);
                    blocked = !parallel;
                }
                Some(pod) if finished(&pod) && !object::deleting(&pod) => {
                    let said = format!("StatefulSet {key} is recreating failed Pod {}", object::name(&pod));
                    engine.event(WHO, &set, "Warning", "RecreatingFailedPod", &said);
                    drop_member(engine, &set, &pod);
                    blocked = !parallel;
                }
                Some(pod) => blocked = !parallel && (!object::ready(&pod) || object::deleting(&pod)),
            }
            if blocked {
                break;
            }
        }
        if !blocked {
            shrink_members(engine, &set, &pods, want);
            renew_members(engine, &set, &pods, &hash, want);
        }
        stateful_status(engine, key, &hash);
    }
}

fn member(engine: &mut Engine, set: &Object, hash: &str, index: i64) {
    let ns = object::namespace(set).to_owned();
    let name = format!("{}-{index}", object::name(set));
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let labels = entry(&mut template["metadata"], "labels");
    labels.insert(HASH.into(), json!(hash));
    labels.insert("statefulset.kubernetes.io/pod-name".into(), json!(name));
    labels.insert("apps.kubernetes.io/pod-index".into(), json!(index.to_string()));
    let spec = entry(&mut template, "spec");
    spec.insert("hostname".into(), json!(name));
    spec.insert("subdomain".into(), json!(text(set, "/spec/serviceName")));
    for claim in list(set, "/spec/volumeClaimTemplates") {
        let volume = object::name(claim).to_owned();
        let claim_name = format!("{volume}-{name}");
        if engine.cache.find("persistentvolumeclaims", &ns, &claim_name).is_none() {
            let object = json!({"metadata": {"name": claim_name, "labels": claim.pointer("/metadata/labels").cloned().unwrap_or(json!({}))},
                "spec": claim.get("spec").cloned().unwrap_or_default()});
            match engine.store.create("persistentvolumeclaims", &ns, object) {
                Ok(_) => {
                    let said = format!(
                        "create Claim {claim_name} Pod {name} in StatefulSet {} success",
                        object::name(set)
                    );
                    engine.event(WHO, set, "Normal", "SuccessfulCreate", &said);
                }
                Err(status) => {
                    engine.event(WHO, set, "Warning", "FailedCreate", &status.message);
                    return;
                }
            }
        }
        let spec = entry(&mut template, "spec");
        if let Value::Array(volumes) = spec.entry("volumes").or_insert_with(|| json!([])) {
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}));
        }
    }
    let owner = object::owner_reference(set, "apps/v1", "StatefulSet");
    match replicaset::create_pod(engine, set, &template, owner, Some(&name)) {
        Ok(_) => {
            let said = format!("Create Pod {name} in StatefulSet {} successful", object::name(set));
            engine.event(WHO, set, "Normal", "SuccessfulCreate", &said);
        }
        Err(why) => {
            let said = format!("Create Pod {name} in StatefulSet {} failed error: {why}", object::name(set));
            engine.event(WHO, set, "Warning", "FailedCreate", &said);
        }
    }
}

fn drop_member(engine: &mut Engine, set: &Object, pod: &Object) {
    let key = Key::of(pod);
    if engine.store.delete("pods", &key.ns, &key.name, DeleteOptions::default()).is_ok() {
        let said = format!("delete Pod {} in StatefulSet {} successful", key.name, object::name(set));
        engine.event(WHO, set, "Normal", "SuccessfulDelete", &said);
    }
}

/// Deletes the highest member beyond the wanted count, one at a time.
fn shrink_members(engine: &mut Engine, set: &Object, pods: &[Object], want: i64) {
    let index =
        |p: &Object| object::name(p).rsplit('-').next().and_then(|i| i.parse::<i64>().ok()).unwrap_or(-1);
    let extra = pods.iter().filter(|p| index(p) >= want).max_by_key(|p| index(p));
    if let Some(pod) = extra.filter(|p| !object::deleting(p)) {
        drop_member(engine, set, pod);
    }
}

/// Updates members from the highest down, while all are ready.
fn renew_members(engine: &mut Engine, set: &Object, pods: &[Object], hash: &str, want: i64) {
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return;
    }
    let partition = int(set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    for i in (partition..want).rev() {
        let name = format!("{}-{i}", object::name(set));
        let Some(pod) = pods.iter().find(|p| object::name(p) == name) else { return };
        if object::deleting(pod) {
            return;
        }
        if object::label(pod, HASH) != Some(hash) {
            drop_member(engine, set, pod);
            return;
        }
        if !object::ready(pod) {
            return;
        }
    }
}

fn stateful_status(engine: &mut Engine, key: &Key, hash: &str) {
    engine.absorb();
    let Some(set) = engine.cached("statefulsets.apps", key) else { return };
    let pods: Vec<Object> =
        engine.cache.owned("pods", object::uid(&set)).into_iter().filter(|p| !object::deleting(p)).collect();
    let count = |test: &dyn Fn(&Object) -> bool| pods.iter().filter(|p| test(p)).count() as i64;
    let replicas = pods.len() as i64;
    let ready = count(&|p| object::ready(p));
    let updated = count(&|p| object::label(p, HASH) == Some(hash));
    let generation = int(&set, "/metadata/generation").unwrap_or(1);
    let was = text(&set, "/status/currentRevision").to_owned();
    let current = if updated == replicas || was.is_empty() { hash.to_owned() } else { was };
    let old = count(&|p| object::label(p, HASH) == Some(&*current));
    engine.write_status("statefulsets.apps", key, |o| {
        let status = entry(o, "status");
        status.insert("observedGeneration".into(), json!(generation));
        status.insert("replicas".into(), json!(replicas));
        put_count(status, "readyReplicas", ready);
        put_count(status, "currentReplicas", old);
        put_count(status, "updatedReplicas", updated);
        status.insert("availableReplicas".into(), json!(ready));
        status.insert("currentRevision".into(), json!(current));
        status.insert("updateRevision".into(), json!(hash));
        status.insert("collisionCount".into(), json!(0));
    });
}
