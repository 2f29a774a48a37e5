//! What stands around a pod, as evidence: its node and device plugin, Services, claims, and what it wants to reach.

use serde_json::{Value, json};

use super::facts::{ago, at, conditions, object};
use crate::world::quantity::bytes;
use crate::world::{
    Container, ContainerState, Kind, Node, ObjectRef, Phase, Pod, Service, Status, Time, World, condition,
};

pub(super) fn node(world: &World, name: &str, now: Time) -> Value {
    let mut out = json!({
        "kind": "Node", "namespace": "", "name": name, "known": false, "ready": "Unknown", "reason": "", "message": "",
        "unschedulable": false, "pressure": "", "conditions": {}, "quote": "", "source": "node conditions", "at": "",
        "since_s": -1, "running": 0, "creating": 0, "gpu": false, "gpus": 0, "gpus_expected": 0, "driver": "",
        "driver_usual": "", "kubelet": "", "runtime": "",
    });
    let Some(n) = world.nodes.find("", name) else { return out };
    out["known"] = json!(true);
    out["unschedulable"] = json!(n.unschedulable);
    out["conditions"] = conditions(&n.conditions, now);
    out["kubelet"] = json!(&*n.info.kubelet);
    out["runtime"] = json!(&*n.info.runtime);
    if let Some(c) = condition(&n.conditions, "Ready") {
        out["ready"] = out["conditions"]["Ready"]["status"].clone();
        out["reason"] = json!(&*c.reason);
        out["message"] = json!(&*c.message);
        out["quote"] = json!(format!("Ready={}: {}", out["ready"].as_str().unwrap_or(""), c.message));
        out["at"] = at(c.since);
        out["since_s"] = json!(ago(c.since, now));
    }
    let pressure = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"]
        .into_iter()
        .find(|k| condition(&n.conditions, k).is_some_and(|c| c.status == Status::True));
    out["pressure"] = json!(pressure.unwrap_or(""));
    let creating = |c: &Container| matches!(&c.state, ContainerState::Waiting { reason, .. } if &**reason == "ContainerCreating");
    let waits = |p: &Pod| p.phase == Phase::Pending && p.containers.iter().any(creating);
    out["running"] = json!(world.pods_on(name).filter(|(_, p)| p.phase == Phase::Running).count());
    out["creating"] = json!(world.pods_on(name).filter(|(_, p)| waits(p)).count());
    let labels = &n.meta.labels;
    let labelled =
        labels.get("nvidia.com/gpu.present") == Some("true") || labels.get("nvidia.com/gpu.count").is_some();
    let expected = labels.get("nvidia.com/gpu.count").and_then(|c| c.parse::<u64>().ok());
    // Without a count, the nodes with the same product tell how many there should be.
    let product = labels.get("nvidia.com/gpu.product");
    let alike = || {
        let same = |o: &&Node| product.is_some() && o.meta.labels.get("nvidia.com/gpu.product") == product;
        world.nodes.values().filter(same).filter_map(|o| o.allocatable.gpu).max()
    };
    out["gpu"] = json!(labelled || n.capacity.gpu.is_some_and(|g| g > 0));
    out["gpus"] = json!(n.allocatable.gpu.unwrap_or(0));
    out["gpus_expected"] = json!(expected.or_else(alike).or(n.capacity.gpu).unwrap_or(0));
    let driver = |n: &Node| n.meta.labels.get("nvidia.com/cuda.driver-version.full").map(str::to_owned);
    let mut counts: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for d in world.nodes.values().filter_map(driver) {
        *counts.entry(d).or_default() += 1;
    }
    out["driver"] = json!(driver(n).unwrap_or_default());
    out["driver_usual"] =
        json!(counts.into_iter().max_by_key(|(_, n)| *n).map_or_else(String::new, |(d, _)| d));
    out["object"] = object(&ObjectRef::new(Kind::Node, "", name));
    out
}

/// A cordoned node whose labels the pod's nodeSelector matches, by name.
pub(super) fn cordoned(world: &World, o: &ObjectRef) -> Value {
    let pod = world.pods.find(&o.namespace, &o.name);
    let fits = |n: &&Node| {
        let matches = |p: &Pod| p.spec.node_selector.iter().all(|(k, v)| n.meta.labels.get(k) == Some(&**v));
        n.unschedulable && n.meta.deleting.is_none() && pod.is_some_and(matches)
    };
    let found = world.nodes.values().filter(fits).min_by_key(|n| n.meta.name.clone());
    let mut out =
        object(&ObjectRef::new(Kind::Node, "", found.map_or_else(|| "".into(), |n| n.meta.name.clone())));
    out["known"] = json!(found.is_some());
    out
}

/// The GPU device plugin's pod on a node.
pub(super) fn plugin_pod<'a>(world: &'a World, node: &str) -> Option<&'a Pod> {
    world.pods_on(node).map(|(_, p)| p).find(|p| {
        let app =
            p.meta.labels.get("app").or_else(|| p.meta.labels.get("app.kubernetes.io/name")).unwrap_or("");
        app.contains("device-plugin") || p.meta.name.contains("device-plugin")
    })
}

/// What the device plugin's pod says, without its log.
pub(super) fn plugin(world: &World, node: &str, now: Time) -> Value {
    let Some(p) = plugin_pod(world, node) else {
        return json!({"found": false, "name": "", "ready": false, "status": "", "restarts": 0,
                      "quote": "no device plugin pod runs there", "source": "pods", "lines": [], "at": ""});
    };
    let summary = p.status();
    let o = ObjectRef { kind: Kind::Pod, namespace: p.meta.namespace.clone(), name: p.meta.name.clone() };
    json!({"found": true, "kind": "Pod", "namespace": &*o.namespace, "name": &*o.name, "ready": p.ready,
           "status": &*summary.status, "restarts": summary.restarts, "lines": [],
           "age_s": ago(p.meta.created, now), "at": "",
           "quote": format!("{}: {}", o.name, summary.status), "source": "device plugin", "object": object(&o)})
}

/// A Service on its own: what it selects and whether that answers.
pub(super) fn service(world: &World, o: &ObjectRef) -> Result<Value, String> {
    let s = world.services.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let selects = s.selector.as_ref().filter(|sel| !sel.is_empty());
    let pods: Vec<&Pod> = selects.map_or_else(Vec::new, |sel| {
        world
            .pods
            .values()
            .filter(|p| p.meta.namespace == o.namespace && sel.matches(&p.meta.labels))
            .collect()
    });
    let (ready, not_ready) = endpoints(world, s);
    let worst = pods
        .iter()
        .filter(|p| !p.ready && p.meta.deleting.is_none())
        .min_by_key(|p| p.meta.name.clone())
        .map(|p| ObjectRef {
            kind: Kind::Pod,
            namespace: p.meta.namespace.clone(),
            name: p.meta.name.clone(),
        });
    let named = |port: &str| {
        pods.iter().any(|p| p.containers.iter().any(|c| c.spec.ports.iter().any(|x| *x.name == *port)))
    };
    let by_name = s.ports.iter().map(|p| &*p.target).filter(|t| t.parse::<u16>().is_err());
    let unserved: Vec<&str> = by_name.filter(|t| !pods.is_empty() && !named(t)).collect();
    let selector = selects.map_or_else(String::new, ToString::to_string);
    Ok(json!({
        "kind": "Service", "namespace": &*o.namespace, "name": &*o.name, "type": &*s.service_type,
        "has_selector": selects.is_some(), "selector": selector, "pods": pods.len(),
        "pods_ready": pods.iter().filter(|p| p.ready).count(), "ready": ready, "not_ready": not_ready,
        "unserved": unserved, "has_worst": worst.is_some(), "worst": worst.map_or(Value::Null, |w| object(&w)),
        "quote": format!("selector {selector}: {} pods, {ready} ready and {not_ready} unready endpoints", pods.len()),
        "source": "service", "at": "", "object": object(o),
    }))
}

/// A PersistentVolumeClaim on its own.
pub(super) fn claim(world: &World, o: &ObjectRef, now: Time) -> Result<Value, String> {
    let c = world.claims.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let mut out = claim_proof(world, o);
    let mine =
        world.pods.values().filter(|p| p.meta.namespace == o.namespace && p.spec.claims.contains(&o.name));
    out["name"] = json!(&*o.name);
    out["namespace"] = json!(&*o.namespace);
    out["phase"] = json!(&*c.phase);
    out["class"] = json!(c.class.as_deref().unwrap_or(""));
    out["class_named"] = json!(c.class.as_ref().is_some_and(|c| !c.is_empty()));
    out["requested"] = json!(bytes(c.requested));
    out["age_s"] = json!(ago(c.meta.created, now));
    out["used_by"] = json!(mine.map(|p| &*p.meta.name).collect::<Vec<_>>());
    Ok(out)
}

/// What a claim's own events say last.
fn claim_proof(world: &World, reference: &ObjectRef) -> Value {
    let events = world.events_of(reference);
    let newest = events.first();
    json!({
        "quote": newest.map_or("", |e| &*e.note), "source": "claim events", "at": at(newest.map(|e| e.last)),
        "object": object(reference), "waits": events.iter().any(|e| &*e.reason == "WaitForFirstConsumer"),
    })
}

fn endpoints(world: &World, s: &Service) -> (u32, u32) {
    world
        .endpoint_slices
        .values()
        .filter(|e| e.meta.namespace == s.meta.namespace && e.service == s.meta.name)
        .fold((0, 0), |(r, n), e| (r + e.ready, n + e.not_ready))
}

/// The Services that select the pod, with their endpoints and whether the pod serves their ports.
pub(super) fn services(world: &World, o: &ObjectRef) -> Value {
    let Some(p) = world.pods.find(&o.namespace, &o.name) else { return json!([]) };
    let mut list: Vec<Value> = world
        .services
        .values()
        .filter(|s| s.meta.namespace == o.namespace)
        .filter(|s| s.selector.as_ref().is_some_and(|sel| !sel.is_empty() && sel.matches(&p.meta.labels)))
        .map(|s| {
            let (ready, not_ready) = endpoints(world, s);
            let unserved: Vec<&str> = s
                .ports
                .iter()
                .filter(|port| {
                    let mut served = p.containers.iter().flat_map(|c| c.spec.ports.iter());
                    match port.target.parse::<u16>() {
                        // A number need not be declared to be served; a name must be.
                        Ok(_) => false,
                        Err(_) => !served.any(|x| x.name == port.target),
                    }
                })
                .map(|port| &*port.target)
                .collect();
            json!({"name": &*s.meta.name, "ready": ready, "not_ready": not_ready, "unserved": unserved,
                   "object": object(&ObjectRef::new(Kind::Service, s.meta.namespace.clone(), s.meta.name.clone()))})
        })
        .collect();
    list.sort_by_key(|s| s["name"].to_string());
    Value::Array(list)
}

/// The pod's claims, with what their own events prove.
pub(super) fn claims(world: &World, o: &ObjectRef) -> Value {
    let Some(p) = world.pods.find(&o.namespace, &o.name) else { return json!([]) };
    let list = p.spec.claims.iter().map(|name| {
        let reference = ObjectRef::new(Kind::PersistentVolumeClaim, o.namespace.clone(), name.clone());
        let c = world.claims.find(&o.namespace, name);
        let mut out = claim_proof(world, &reference);
        out["name"] = json!(&**name);
        out["exists"] = json!(c.is_some());
        out["phase"] = json!(c.map_or("", |c| &*c.phase));
        out["class"] = json!(c.and_then(|c| c.class.as_deref()).unwrap_or(""));
        if c.is_none() {
            out["quote"] = json!(format!("persistentvolumeclaim {name} is not there"));
        }
        out
    });
    Value::Array(list.collect())
}
