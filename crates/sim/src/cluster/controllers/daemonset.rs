//! The DaemonSet controller: one pod on every fitting node, updated a few at a time.
use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::{DeleteOptions, Object};

use crate::cluster::chance::template_hash;
use crate::cluster::controllers::nodes::tolerates;
use crate::cluster::controllers::{Controller, replicaset};
use crate::cluster::engine::{Engine, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::object::{self, Key, entry, finished, flag, int, int_or_percent, list, put_count, text};
use crate::cluster::scheduler::affine;

const WHO: Source<'static> = Source::Controller("daemonset-controller");
const HASH: &str = "controller-revision-hash";
/// The taints that daemon pods tolerate by default: (taint, effect).
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

pub(in crate::cluster) struct DaemonSetController;

impl Controller for DaemonSetController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(set) = engine.cached("daemonsets.apps", key).filter(|s| !object::deleting(s)) else {
            return;
        };
        let hash = revision_of(engine, &set, "DaemonSet");
        let pods: Vec<Object> = engine
            .cache
            .owned("pods", object::uid(&set))
            .into_iter()
            .filter(|p| !object::deleting(p))
            .collect();
        let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
        tolerate(&mut template, flag(&set, "/spec/template/spec/hostNetwork"));
        let nodes: Vec<Object> = engine.cache.all("nodes").map(|(_, n)| n.clone()).collect();
        let mut wanted = Vec::new();
        let mut places = by_target(&pods);
        for node in &nodes {
            let (should, keep) = fits(node, &template);
            let name = object::name(node);
            let mine = places.remove(name).unwrap_or_default();
            if should && mine.is_empty() {
                wanted.push(name.to_owned());
            }
            for (i, pod) in mine.iter().enumerate() {
                if finished(pod) || !keep || i > 0 {
                    drop_daemon(engine, &set, pod);
                }
            }
        }
        let mut strays: Vec<&Object> = places.into_values().flatten().collect();
        strays.sort_by_key(|p| object::name(p));
        for pod in strays {
            drop_daemon(engine, &set, pod);
        }
        for node in wanted {
            if !daemon_for(engine, &set, &template, &hash, &node) {
                break;
            }
        }
        renew_daemons(engine, &set, &pods, &hash);
        daemon_status(engine, key, &template, &hash);
    }
}

fn daemon_for(engine: &mut Engine, set: &Object, template: &Value, hash: &str, node: &str) -> bool {
    let mut template = template.clone();
    entry(&mut template["metadata"], "labels").insert(HASH.into(), json!(hash));
    let spec = entry(&mut template, "spec");
    spec.insert(
        "affinity".into(),
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}),
    );
    let owner = object::owner_reference(set, "apps/v1", "DaemonSet");
    match replicaset::create_pod(engine, set, &template, owner, None) {
        Ok(pod) => {
            let said = format!("Created pod: {}", object::name(&pod));
            engine.event(WHO, set, "Normal", "SuccessfulCreate", &said);
            true
        }
        Err(why) => {
            engine.event(WHO, set, "Warning", "FailedCreate", &format!("Error creating: {why}"));
            engine.after(Duration::from_secs(15), Timer::Work(Work::DaemonSet(Key::of(set))));
            false
        }
    }
}

fn drop_daemon(engine: &mut Engine, set: &Object, pod: &Object) {
    let key = Key::of(pod);
    if engine.store.delete("pods", &key.ns, &key.name, DeleteOptions::default()).is_ok() {
        let said = format!("Deleted pod: {}", key.name);
        engine.event(WHO, set, "Normal", "SuccessfulDelete", &said);
    }
}

/// Deletes as many old pods at once as may be unavailable.
fn renew_daemons(engine: &mut Engine, set: &Object, pods: &[Object], hash: &str) {
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return;
    }
    let desired = pods.len() as i64;
    let most =
        int_or_percent(set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"), desired, true);
    let mut room = most.unwrap_or(1).max(1) - pods.iter().filter(|p| !object::ready(p)).count() as i64;
    let mut old: Vec<&Object> = pods.iter().filter(|p| object::label(p, HASH) != Some(hash)).collect();
    old.sort_by_key(|p| object::ready(p));
    for pod in old {
        if object::ready(pod) {
            if room <= 0 {
                break;
            }
            room -= 1;
        }
        drop_daemon(engine, set, pod);
    }
}

fn daemon_status(engine: &mut Engine, key: &Key, template: &Value, hash: &str) {
    engine.absorb();
    let Some(set) = engine.cached("daemonsets.apps", key) else { return };
    let pods: Vec<Object> =
        engine.cache.owned("pods", object::uid(&set)).into_iter().filter(|p| !finished(p)).collect();
    let (mut desired, mut current, mut ready, mut updated, mut misplaced) = (0, 0, 0, 0, 0);
    let mut places = by_target(&pods);
    for (_, node) in engine.cache.all("nodes") {
        let here = places.remove(object::name(node)).unwrap_or_default();
        let has = !here.is_empty();
        if fits(node, template).0 {
            desired += 1;
            current += i64::from(has);
            ready += i64::from(here.iter().any(|p| object::ready(p) && !object::deleting(p)));
            updated += i64::from(here.iter().any(|p| object::label(p, HASH) == Some(hash)));
        } else {
            misplaced += i64::from(has);
        }
    }
    let generation = int(&set, "/metadata/generation").unwrap_or(1);
    engine.write_status("daemonsets.apps", key, |o| {
        let status = entry(o, "status");
        status.insert("currentNumberScheduled".into(), json!(current));
        status.insert("numberMisscheduled".into(), json!(misplaced));
        status.insert("desiredNumberScheduled".into(), json!(desired));
        status.insert("numberReady".into(), json!(ready));
        status.insert("observedGeneration".into(), json!(generation));
        put_count(status, "updatedNumberScheduled", updated);
        put_count(status, "numberAvailable", ready);
        put_count(status, "numberUnavailable", desired - ready);
    });
}

/// The revision hash of a DaemonSet's or StatefulSet's template. A ControllerRevision is stored for it.
pub(in crate::cluster) fn revision_of(engine: &mut Engine, set: &Object, kind: &str) -> String {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(meta) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("creationTimestamp");
    }
    template["$patch"] = json!("replace");
    let hash = template_hash(&template.to_string(), 0);
    let (ns, name) = (object::namespace(set), format!("{}-{hash}", object::name(set)));
    let revisions = engine.cache.owned("controllerrevisions.apps", object::uid(set));
    let newest = revisions.iter().filter_map(|r| int(r, "/revision")).max().unwrap_or(0);
    match revisions.iter().find(|r| object::name(r) == name) {
        Some(r) if int(r, "/revision").unwrap_or(0) < newest => {
            engine.write("controllerrevisions.apps", &Key::new(ns, &name), |o| {
                o["revision"] = json!(newest + 1)
            });
        }
        Some(_) => {}
        None => {
            let mut labels =
                set.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
            labels[HASH] = json!(hash);
            let revision = json!({
                "metadata": {"name": name, "labels": labels,
                    "ownerReferences": [object::owner_reference(set, "apps/v1", kind)]},
                "data": {"spec": {"template": template}}, "revision": newest + 1,
            });
            if let Err(status) = engine.store.create("controllerrevisions.apps", ns, revision) {
                tracing::debug!(%status, "a revision was not kept");
            }
            engine.absorb();
        }
    }
    hash
}

/// The node that a daemon pod is bound to or meant for.
fn target(pod: &Value) -> &str {
    match text(pod, "/spec/nodeName") {
        "" => text(
            pod,
            "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0",
        ),
        node => node,
    }
}

/// The pods by target node.
fn by_target(pods: &[Object]) -> HashMap<&str, Vec<&Object>> {
    let mut places: HashMap<&str, Vec<&Object>> = HashMap::new();
    for pod in pods {
        places.entry(target(pod)).or_default().push(pod);
    }
    places
}

/// Returns (should run there, may continue there).
fn fits(node: &Value, template: &Value) -> (bool, bool) {
    if !affine(node, template) {
        return (false, false);
    }
    let tolerations = list(template, "/spec/tolerations");
    let untolerated = |effect: &str| {
        list(node, "/spec/taints")
            .iter()
            .any(|t| t["effect"] == effect && !tolerations.iter().any(|o| tolerates(o, t)))
    };
    (!untolerated("NoSchedule") && !untolerated("NoExecute"), !untolerated("NoExecute"))
}

fn tolerate(template: &mut Value, host_network: bool) {
    let tolerations = entry(template, "spec").entry("tolerations").or_insert_with(|| json!([]));
    let Value::Array(list) = tolerations else { return };
    for (key, effect) in TOLERATED {
        list.push(json!({"key": key, "operator": "Exists", "effect": effect}));
    }
    if host_network {
        list.push(json!({"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"}));
    }
}
