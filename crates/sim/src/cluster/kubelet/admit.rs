//! Admits pods to their kubelet, with devices and a replica index, and follows their changes.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::Object;

use super::{Backoff, Container, Place, PodRun, PodTimer, State};
use super::{crash, run, stop};
use crate::cluster::controllers::Controller;
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::object::{self, Key, entry, list, text};
use crate::cluster::resources::pod_requests;

const GPU: &str = "nvidia.com/gpu";

/// Handles the change of a pod on a node: admits it, follows its spec or stops it.
pub(in crate::cluster) struct Kubelet;

impl Controller for Kubelet {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(pod) = engine.cached("pods", key) else {
            forget_run(engine, key);
            return;
        };
        let uid: Arc<str> = object::uid(&pod).into();
        let node = text(&pod, "/spec/nodeName");
        if !engine.machines.get(node).is_some_and(|m| m.kubelet) {
            return;
        }
        if let Some(run) = engine.runs.get_mut(&uid) {
            let resized = run.pod.pointer("/spec/containers") != pod.pointer("/spec/containers");
            run.pod = pod.clone();
            let debugged = add_ephemeral(run);
            if object::deleting(&pod) && run.stopping.is_none() && !run.done {
                stop::stop_pod(engine, &uid, None);
            } else if run.done && object::deleting(&pod) {
                engine.after(Duration::from_millis(400), Timer::Pod(uid, PodTimer::Remove));
            } else if resized {
                crash::replan_exits(engine, &uid);
            } else if debugged {
                run::sync_pod(engine, &uid);
            }
            return;
        }
        forget_run(engine, key);
        if object::finished(&pod) {
            if object::deleting(&pod) {
                engine.store.remove("pods", &key.ns, &key.name);
            }
            return;
        }
        if object::deleting(&pod) {
            engine.store.remove("pods", &key.ns, &key.name);
            return;
        }
        admit(engine, key, uid, &pod);
    }
}

/// Takes up the ephemeral containers that were added to the pod; true where there are any.
fn add_ephemeral(run: &mut PodRun) -> bool {
    let specs = list(&run.pod, "/spec/ephemeralContainers");
    let new: Vec<Container> = specs
        .iter()
        .filter(|s| run.container(text(s, "/name")).is_none())
        .map(|s| new_container(Place::Ephemeral, s))
        .collect();
    let added = !new.is_empty() && !run.done;
    run.containers.extend(new);
    added
}

/// A pod that was removed from the API stops without further reports.
fn forget_run(engine: &mut Engine, key: &Key) {
    let gone: Vec<Arc<str>> = engine
        .runs
        .values()
        .filter(|r| r.key == *key && engine.cache.get("pods", key).is_none_or(|p| object::uid(p) != &*r.uid))
        .map(|r| r.uid.clone())
        .collect();
    for uid in gone {
        engine.runs.remove(&uid);
    }
}

fn admit(engine: &mut Engine, key: &Key, uid: Arc<str>, pod: &Object) {
    let now = engine.now();
    let node: Arc<str> = text(pod, "/spec/nodeName").into();
    let asked = pod_requests(pod).get(GPU).copied().unwrap_or(0.0).round() as usize;
    let mut taken = BTreeSet::new();
    for run in engine.runs.values().filter(|r| r.node == node && !r.done) {
        taken.extend(run.gpus.iter().copied());
    }
    let offered = engine.machines.get(&node).map_or(0, |m| m.gpus);
    let free: Vec<u32> = (0..offered).filter(|g| !taken.contains(g)).take(asked).collect();
    let mut containers = Vec::new();
    let inits = list(pod, "/spec/initContainers");
    containers.extend(inits.iter().map(|s| new_container(Place::Init, s)));
    containers.extend(list(pod, "/spec/containers").iter().map(|s| new_container(Place::Main, s)));
    let run = PodRun {
        key: key.clone(),
        uid: uid.clone(),
        node: node.clone(),
        pod: pod.clone(),
        inits: inits.len(),
        containers,
        sandbox: false,
        ip: None,
        started: now,
        slot: free_slot(engine, pod),
        gpus: free.clone(),
        volumes: Default::default(),
        busy: false,
        stopping: None,
        verdict: None,
        done: false,
        resync: 0,
        mount_failures: 0,
        sandbox_failures: 0,
    };
    engine.runs.insert(uid.clone(), run);
    if free.len() < asked {
        let message = format!(
            "Pod was rejected: Allocate failed due to requested number of devices unavailable for {GPU}. Requested: {asked}, Available: {}, which is unexpected",
            free.len()
        );
        reject(engine, &uid, "UnexpectedAdmissionError", &message);
        return;
    }
    run::sync_pod(engine, &uid);
}

/// The kubelet rejects the pod, which fails for good.
pub(in crate::cluster) fn reject(engine: &mut Engine, uid: &Arc<str>, reason: &str, message: &str) {
    let Some(run) = engine.runs.get_mut(uid) else { return };
    run.done = true;
    run.verdict = Some((reason.to_owned(), message.to_owned()));
    let (key, pod, node) = (run.key.clone(), run.pod.clone(), run.node.clone());
    let started = object::stamp(run.started);
    run::kubelet_event(engine, &node, &pod, None, "Warning", reason, message);
    engine.write_status("pods", &key, |o| {
        let status = entry(o, "status");
        status.insert("phase".into(), json!("Failed"));
        status.insert("reason".into(), json!(reason));
        status.insert("message".into(), json!(message));
        status.insert("startTime".into(), json!(started));
    });
}

/// The lowest replica index that no living sibling has. Old and new ReplicaSets of a Deployment count
/// separately.
fn free_slot(engine: &Engine, pod: &Value) -> u32 {
    let owner = object::controller(pod).map(|o| o.2.to_owned()).unwrap_or_default();
    if let Some(index) = object::label(pod, "apps.kubernetes.io/pod-index").and_then(|i| i.parse().ok()) {
        return index;
    }
    let used: BTreeSet<u32> = engine
        .runs
        .values()
        .filter(|r| !r.done && r.stopping.is_none())
        .filter(|r| object::controller(&r.pod).is_some_and(|o| o.2 == owner) && !owner.is_empty())
        .map(|r| r.slot)
        .collect();
    (0..).find(|s| !used.contains(s)).unwrap_or(0)
}

fn new_container(place: Place, spec: &Value) -> Container {
    Container {
        name: text(spec, "/name").to_owned(),
        image: text(spec, "/image").to_owned(),
        place,
        sidecar: place == Place::Init && spec["restartPolicy"] == "Always",
        state: State::Waiting,
        last: None,
        restarts: 0,
        attempt: 0,
        id: None,
        image_id: None,
        started: false,
        ready: false,
        reason: None,
        pull: Backoff::default(),
        crash: Backoff::default(),
        run: None,
        previous: None,
        files: Default::default(),
        removed: Default::default(),
        probes: Default::default(),
    }
}
