//! What khud itself says in a bundle: what is wrong, events, measured values, and the index.

use std::fmt::Write as _;

use crate::judge;
use crate::world::{Kind, ObjectRef, Series, Time, World};

/// What is wrong with the objects, by the rules; each once.
pub fn wrong(world: &World, objects: &[ObjectRef], now: Time) -> String {
    let mut out = String::new();
    let mut said = Vec::new();
    for object in objects {
        for d in judge::alone(world, object, now) {
            if said.contains(&d.key) {
                continue;
            }
            let _ = writeln!(
                out,
                "- {} {}: {} ({}, {})",
                d.severity,
                d.key.root,
                d.title,
                d.cause,
                d.sure.as_str()
            );
            for e in &d.evidence {
                let _ = writeln!(out, "  - {} of {}: {}", e.source, e.object, one_line(&e.quote));
            }
            said.push(d.key);
        }
    }
    out
}

/// The events of the objects, oldest first.
pub fn events(world: &World, objects: &[ObjectRef]) -> String {
    let mut all: Vec<_> = objects.iter().flat_map(|o| world.events_of(o)).collect();
    all.sort_by(|a, b| (a.last, &a.meta.name).cmp(&(b.last, &b.meta.name)));
    all.dedup_by(|a, b| a.meta.uid == b.meta.uid);
    let mut out = String::new();
    for e in all {
        let kind = if e.warning { "Warning" } else { "Normal" };
        let since =
            if e.count > 1 { format!(" ({} times since {})", e.count, e.first) } else { String::new() };
        let _ = writeln!(out, "{} {kind} {} {}: {}{since}", e.last, e.reason, e.regarding, one_line(&e.note));
    }
    out
}

/// Measured values of the pods, their nodes and GPUs, as far as khud has read any.
pub fn measured(world: &World, objects: &[ObjectRef]) -> String {
    let mut out = String::new();
    for object in objects {
        match object.kind {
            Kind::Pod => {
                if let Some(history) = world.readings.pod(&object.namespace, &object.name) {
                    series(&mut out, &format!("{object}: working set, bytes"), &history.memory);
                }
                let node = world.pods.find(&object.namespace, &object.name).map(|p| p.node.clone());
                let node = node.unwrap_or_default();
                for (gpu, history) in world.readings.gpus_of(&node, &object.namespace, &object.name) {
                    let name = format!("{object}: memory used on GPU {} of node {node}, bytes", gpu.label());
                    series(&mut out, &name, &history.memory);
                }
            }
            Kind::Node => {
                if let Some(history) = world.readings.node(&object.name) {
                    series(&mut out, &format!("{object}: memory used, bytes"), &history.memory);
                    series(&mut out, &format!("{object}: CPU used, millicores"), &history.cpu);
                }
            }
            _ => {}
        }
    }
    out
}

fn series(out: &mut String, name: &str, series: &Series) {
    if series.is_empty() {
        return;
    }
    let _ = writeln!(out, "{name}");
    for (at, value) in series.points() {
        let _ = writeln!(out, "  {at} {value}");
    }
}

/// Text of the cluster on one line of a page.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
