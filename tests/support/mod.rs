//! The captured cluster as a World, and its logs.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use khud::cluster::slim::Decoder;
use khud::world::ask::LogTail;
use khud::world::{Delta, Kind, Time, World};
use serde_json::Value;

pub fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/captures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
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

/// The lists of `captures/list`.
pub fn captured() -> World {
    let mut world = World::new();
    for (file, kind) in [
        ("pods", Kind::Pod),
        ("nodes", Kind::Node),
        ("events", Kind::Event),
        ("deployments", Kind::Deployment),
        ("replicasets", Kind::ReplicaSet),
        ("daemonsets", Kind::DaemonSet),
        ("services", Kind::Service),
        ("endpointslices", Kind::EndpointSlice),
        ("pvcs", Kind::PersistentVolumeClaim),
        ("pdbs", Kind::PodDisruptionBudget),
        ("namespaces", Kind::Namespace),
    ] {
        let list = capture(&format!("list/{file}.json"));
        for item in list["response"]["json"]["items"].as_array().unwrap() {
            apply(&mut world, kind.clone(), item);
        }
    }
    world
}

/// What the API server answered for a log, or the sentence of its refusal.
pub fn log(tail: &LogTail) -> Result<String, String> {
    let previous = if tail.previous { ".previous" } else { "" };
    let name = format!("{}.{}.{}{previous}.json", tail.namespace, tail.pod, tail.container);
    let path = format!("{}/tests/captures/logs/{name}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read_to_string(path) else {
        return Err(format!("{name} was not captured"));
    };
    let answer: Value = serde_json::from_str(&text).unwrap();
    let response = &answer["response"];
    if response["status"] == 200 {
        return Ok(response["text"].as_str().unwrap_or("").to_owned());
    }
    Err(response["json"]["message"].as_str().unwrap_or("").to_owned())
}
