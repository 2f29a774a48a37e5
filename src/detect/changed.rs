//! What changed shortly before a finding began and touches what is affected: rollouts, configuration, nodes, images.

use std::collections::HashSet;

use crate::world::{Kind, ObjectRef, Pod, Time, World, Writer};

use super::finding::WhatChanged;
use super::group::Group;
use crate::judge::limits::{Thresholds, seconds};
use crate::judge::workload::{rollout_of, template_change};

use super::past_states::PastStates;

/// Changes named on a finding.
const NAMED: usize = 5;
/// How long what was created counts as new, in milliseconds.
const NEW: i64 = 900_000;
/// Pods of a group whose spec and node are looked at.
const LOOKED_AT: usize = 20;

/// The changes before `since`, nearest first. What the World still shows counts as well as what was watched.
pub fn before(
    world: &World,
    memory: &PastStates,
    root: &ObjectRef,
    group: &Group,
    since: Time,
    limits: &Thresholds,
) -> Vec<WhatChanged> {
    let from = since.minus(seconds(limits.changes));
    // Clocks of nodes and the API server differ, and `since` has whole seconds.
    let to = since.plus(seconds(5));
    let touched = touched(world, root, group);
    let by_node = root.kind == Kind::Node || group.members.values().any(|s| of_nodes(&s.cause));
    let mut out: Vec<WhatChanged> = memory
        .changes()
        .filter(|c| (from..=to).contains(&c.at) && touched.contains(&c.object))
        .cloned()
        .collect();
    // What ran for a while was not broken by coming into being.
    let lately = |created: Option<Time>| created.filter(|at| since.0 - at.0 < NEW);
    let mut add = |what: String, object: &ObjectRef, at: Option<Time>, by: Option<&Writer>| {
        let Some(at) = at.filter(|at| (from..=to).contains(at)) else { return };
        let known = out.iter().any(|c| c.object == *object && (c.at.0 - at.0).abs() < 5000);
        if !known {
            let by = by.map_or_else(|| "".into(), |w| w.manager.clone());
            out.push(WhatChanged { what, object: object.clone(), at, by });
        }
    };
    for object in &touched {
        let Some(meta) = world.meta(object) else { continue };
        let writer = meta.writer.as_deref();
        match &object.kind {
            Kind::Deployment => {
                let Some((newest, before)) = world.workload(object).and_then(|d| rollout_of(world, d)) else {
                    continue;
                };
                match before {
                    Some(before) => {
                        add(
                            template_change(&before.template, &newest.template),
                            object,
                            newest.meta.created,
                            None,
                        );
                    }
                    None => add("created".into(), object, lately(newest.meta.created), None),
                }
            }
            Kind::StatefulSet | Kind::DaemonSet | Kind::Job => {
                add("created".into(), object, lately(meta.created), None);
                add("written".into(), object, writer.map(|w| w.at), writer);
            }
            Kind::ConfigMap | Kind::Secret | Kind::ResourceQuota => {
                let at = writer.map(|w| w.at).or(meta.created);
                add(format!("{} written", object.kind), object, at, writer);
            }
            Kind::Node => {
                let Some(n) = world.nodes.find("", &object.name) else { continue };
                if by_node && !began_with(world, meta.created) {
                    add("joined the cluster".into(), object, meta.created, None);
                }
                for t in n.taints.iter().filter(|t| !t.key.starts_with("node.kubernetes.io/not-ready")) {
                    add(format!("taint {}:{}", t.key, t.effect), object, t.added, None);
                }
            }
            _ => {}
        }
    }
    out.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.object.cmp(&b.object)));
    out.truncate(NAMED);
    out
}

/// Causes that a new node can bring: what it lacks, and what does not reach it yet.
fn of_nodes(cause: &str) -> bool {
    const FAMILIES: [&str; 14] = [
        "node.",
        "runtime.",
        "dns.",
        "proxy.",
        "volume.",
        "container.create",
        "image.network",
        "image.auth",
        "image.platform",
        "crash.incompatible",
        "crash.unreachable",
        "gpu.vanished",
        "gpu.driver",
        "gpu.plugin",
    ];
    FAMILIES.iter().any(|family| cause.starts_with(family))
}

/// Whether the cluster was new with that node: then the node is no change in it.
fn began_with(world: &World, joined: Option<Time>) -> bool {
    const TOGETHER: i64 = 600_000;
    let first = world.nodes.values().filter_map(|n| n.meta.created).min();
    first.zip(joined).is_some_and(|(first, joined)| joined.0 - first.0 < TOGETHER)
}

/// The objects whose changes could have caused it.
fn touched(world: &World, root: &ObjectRef, group: &Group) -> HashSet<ObjectRef> {
    let mut out: HashSet<ObjectRef> = HashSet::from([root.clone()]);
    let pods = group.members.keys().filter(|o| o.kind == Kind::Pod).take(LOOKED_AT);
    for pod in pods.filter_map(|o| world.pods.find(&o.namespace, &o.name)) {
        of_pod(world, pod, &mut out);
    }
    if let Some(w) = world.workload(root) {
        named(&root.namespace, &w.template.pod, &mut out);
    }
    if !root.namespace.is_empty() && group.members.values().any(|s| s.cause.starts_with("quota.")) {
        let ns = &root.namespace;
        out.extend(
            world
                .quotas
                .values()
                .filter(|q| q.meta.namespace == *ns)
                .map(|q| ObjectRef::new(Kind::ResourceQuota, ns.clone(), q.meta.name.clone())),
        );
    }
    out
}

fn of_pod(world: &World, pod: &Pod, out: &mut HashSet<ObjectRef>) {
    out.insert(world.root(&crate::judge::pod::reference(pod)));
    if !pod.node.is_empty() {
        out.insert(ObjectRef::new(Kind::Node, "", pod.node.clone()));
    }
    named(&pod.meta.namespace, &pod.spec, out);
}

fn named(namespace: &crate::world::Text, spec: &crate::world::PodSpec, out: &mut HashSet<ObjectRef>) {
    out.extend(
        spec.config_maps.iter().map(|n| ObjectRef::new(Kind::ConfigMap, namespace.clone(), n.clone())),
    );
    out.extend(spec.secrets.iter().map(|n| ObjectRef::new(Kind::Secret, namespace.clone(), n.clone())));
    out.extend(
        spec.claims.iter().map(|n| ObjectRef::new(Kind::PersistentVolumeClaim, namespace.clone(), n.clone())),
    );
}
