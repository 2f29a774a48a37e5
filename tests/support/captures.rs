//! The captures of a real cluster: their texts, the lists as a World, the logs.
#![allow(dead_code, reason = "each test binary uses its part")]

use khud::cluster::slim::Decoder;
use khud::world::ask::LogTail;
use khud::world::{Delta, Kind, Time, World};
use serde_json::Value;

/// The lists of `captures/list` and the kinds they hold.
pub const LISTS: &[(&str, Kind)] = &[
    ("pods", Kind::Pod),
    ("nodes", Kind::Node),
    ("events", Kind::Event),
    ("namespaces", Kind::Namespace),
    ("deployments", Kind::Deployment),
    ("replicasets", Kind::ReplicaSet),
    ("services", Kind::Service),
    ("endpointslices", Kind::EndpointSlice),
    ("pvcs", Kind::PersistentVolumeClaim),
    ("resourcequotas", Kind::ResourceQuota),
    ("pdbs", Kind::PodDisruptionBudget),
    ("jobs", Kind::Job),
    ("daemonsets", Kind::DaemonSet),
];

/// Where a capture lies.
pub fn path(name: &str) -> String {
    format!("{}/tests/captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn capture(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

/// The moment the lists were taken.
pub fn now() -> Time {
    Time::parse("2026-11-21T02:39:45Z").unwrap()
}

pub fn apply(world: &mut World, kind: Kind, object: &Value) {
    let item = Decoder::new(kind).object(&serde_json::to_vec(object).unwrap()).unwrap();
    world.apply(Delta::Apply(item.record), &mut Vec::new());
}

/// All lists of `captures/list`.
pub fn world() -> World {
    let mut world = World::new();
    for (file, kind) in LISTS {
        let list = capture(&format!("list/{file}.json"));
        for item in list["response"]["json"]["items"].as_array().unwrap() {
            apply(&mut world, kind.clone(), item);
        }
        listed(&mut world, kind.clone());
    }
    // `cluster-under-capture.yaml` makes none of these.
    for kind in Kind::JUDGED {
        listed(&mut world, kind.clone());
    }
    world
}

/// The list of the kind is complete.
pub fn listed(world: &mut World, kind: Kind) {
    world.apply(Delta::ListEnd { kind, namespace: "".into() }, &mut Vec::new());
}

/// What the API server answered for a log, or the sentence of its refusal.
pub fn log(tail: &LogTail) -> Result<String, String> {
    let previous = if tail.previous { ".previous" } else { "" };
    let name = format!("{}.{}.{}{previous}.json", tail.namespace, tail.pod, tail.container);
    let Ok(text) = std::fs::read_to_string(path(&format!("logs/{name}"))) else {
        return Err(format!("{name} was not captured"));
    };
    let answer: Value = serde_json::from_str(&text).unwrap();
    let response = &answer["response"];
    if response["status"] == 200 {
        return Ok(response["text"].as_str().unwrap_or("").to_owned());
    }
    Err(response["json"]["message"].as_str().unwrap_or("").to_owned())
}
