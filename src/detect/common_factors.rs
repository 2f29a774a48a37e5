//! What the sick have in common and the healthy have not: image, owner, node, any label, version or other property.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::world::{Labels, Node, ObjectRef, Pod, World};

use super::finding::Finding;
use super::group::Group;
use crate::judge::Evidence;
use crate::judge::Part;
use crate::judge::node::driver;

/// Fewer than this on either side may be a coincidence.
const FEW: usize = 3;
/// Healthy objects that are compared, at most.
const COMPARED: usize = 2000;
/// Factors named on a finding.
const NAMED: usize = 3;

/// One thing that all the sick have and none of the healthy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Factor {
    /// Ends a sentence that begins with `all 7`: `are in us-west-2c`, `have label pool=a`.
    pub what: String,
    pub sick: usize,
    pub healthy: usize,
}

impl Factor {
    /// With the counts of both sides.
    pub fn sentence(&self) -> String {
        format!("all {} sick {}; none of the {} healthy", self.sick, self.what, self.healthy)
    }
}

/// Properties by how much they explain: what a program is before where it runs, and names of its own before labels.
type Properties = BTreeMap<(u8, String), String>;

/// What tells one pod of a workload from the next by design and explains nothing.
const OWN: &[&str] = &[
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "controller-uid",
    "kubernetes.io/hostname",
];
/// Labels that are told in words of their own.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The labels by which controllers tell revisions apart.
const REVISION: &[&str] = &["pod-template-hash", "controller-revision-hash"];

fn labels(out: &mut Properties, rank: u8, what: &str, labels: &Labels) {
    for (key, value) in labels.iter().filter(|(key, _)| !OWN.contains(key) && *key != ZONE) {
        if REVISION.contains(&key) {
            out.insert((1, key.to_owned()), format!("are of revision {value}"));
        } else {
            out.insert((rank, format!("{what} {key}")), format!("{what} {key}={value}"));
        }
    }
}

fn of_node(node: &Node, on: &str) -> Properties {
    let mut out = Properties::new();
    let mut put = |rank: u8, key: &str, words: String| drop(out.insert((rank, key.to_owned()), words));
    if let Some(zone) = node.meta.labels.get(ZONE) {
        put(3, "zone", format!("are in {zone}"));
    }
    if let Some(driver) = driver(node) {
        put(4, "driver", format!("are on GPU driver {driver}"));
    }
    let info = &node.info;
    for (key, value) in [
        ("kubelet", &info.kubelet),
        ("runtime", &info.runtime),
        ("kernel", &info.kernel),
        ("OS image", &info.os_image),
    ] {
        if !value.is_empty() {
            put(5, key, format!("are on {key} {value}"));
        }
    }
    for taint in &node.taints {
        put(6, &format!("taint {}", taint.key), format!("{on} taint {}={}", taint.key, taint.value));
    }
    labels(&mut out, 7, &format!("{on} label"), &node.meta.labels);
    out
}

fn of_pod(world: &World, pod: &Pod) -> Properties {
    let mut out = Properties::new();
    for c in &pod.containers {
        out.insert((0, format!("image {}", c.spec.name)), format!("run image {}", c.spec.image));
    }
    let root = world.root(&crate::judge::pod::reference(pod));
    out.insert((1, "owner".into()), format!("belong to {root}"));
    if !pod.node.is_empty() {
        out.insert((2, "node".into()), format!("are on node {}", pod.node));
        out.extend(
            world.nodes.find("", &pod.node).map(|n| of_node(n, "are on nodes with")).unwrap_or_default(),
        );
    }
    labels(&mut out, 6, "have label", &pod.meta.labels);
    out.insert((8, "account".into()), format!("use service account {}", pod.spec.service_account));
    out
}

/// What all of `sick` have and none of `healthy`, the most telling first; nothing from fewer than three of each.
fn factors<T>(sick: &[T], healthy: &[T], of: impl Fn(&T) -> Properties) -> Vec<Factor> {
    if sick.len() < FEW || healthy.len() < FEW {
        return Vec::new();
    }
    let mut shared = of(&sick[0]);
    for one in &sick[1..] {
        let theirs = of(one);
        shared.retain(|key, value| theirs.get(key) == Some(value));
    }
    let compared = healthy.len().min(COMPARED);
    for one in &healthy[..compared] {
        if shared.is_empty() {
            break;
        }
        let theirs = of(one);
        shared.retain(|key, value| theirs.get(key) != Some(value));
    }
    shared.into_values().map(|what| Factor { what, sick: sick.len(), healthy: compared }).collect()
}

/// What sick pods have in common.
pub fn of_pods(world: &World, sick: &[&Pod], healthy: &[&Pod]) -> Vec<Factor> {
    factors(sick, healthy, |p| of_pod(world, p))
}

/// What sick nodes have in common.
pub fn of_nodes(sick: &[&Node], healthy: &[&Node]) -> Vec<Factor> {
    factors(sick, healthy, |n| of_node(n, "have"))
}

/// Names on a finding what its sick pods have in common, against their healthy siblings.
pub fn name(world: &World, group: &Group, finding: &mut Finding) {
    let members = group.members.iter().filter(|(_, s)| s.part == Part::Member);
    let sick: Vec<&Pod> = members.filter_map(|(o, _)| world.pods.find(&o.namespace, &o.name)).collect();
    let Some(first) = sick.first().filter(|_| sick.len() >= FEW) else { return };
    let Some(all) = siblings(world, first) else { return };
    let healthy: Vec<&Pod> = all.into_iter().filter(|p| p.ready).collect();
    let mut found = of_pods(world, &sick, &healthy);
    if finding.cause.starts_with("image.") {
        // The sentence names the image already.
        found.retain(|f| !f.what.starts_with("run image"));
    }
    let Some(most) = found.first() else { return };
    let title = format!("{}; all {} {}", finding.title, most.sick, most.what);
    if title.chars().count() <= crate::judge::text::TITLE {
        finding.title = title;
    }
    for factor in found.iter().take(NAMED) {
        finding.evidence.push(Evidence {
            source: "what the sick share".into(),
            quote: factor.sentence(),
            object: finding.object.clone(),
            at: None,
        });
    }
}

fn siblings<'w>(world: &'w World, pod: &Pod) -> Option<Vec<&'w Pod>> {
    let root: ObjectRef = world.root(&crate::judge::pod::reference(pod));
    let uid = world.meta(&root)?.uid.clone();
    let mut sets: Vec<_> = world.replica_sets_of(&uid).map(|(_, r)| r.meta.uid.clone()).collect();
    sets.push(uid);
    Some(sets.iter().flat_map(|u| world.pods_of(u).map(|(_, p)| p)).collect())
}
