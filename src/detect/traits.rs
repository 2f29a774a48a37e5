//! What the sick share and the healthy do not: node, zone, image, driver, version, configuration.

use std::collections::BTreeMap;

use crate::world::{Kind, Node, ObjectRef, Pod, World};

use super::finding::Finding;
use super::group::Group;
use crate::judge::Evidence;
use crate::judge::Part;
use crate::judge::node::driver;

const IMAGE: &str = "of image";

/// Names a trait that all sick pods or nodes of a group share and no healthy sibling has.
pub fn name(world: &World, group: &Group, finding: &mut Finding) {
    let sick: Vec<&ObjectRef> = group
        .members
        .iter()
        .filter(|(o, s)| s.part == Part::Member && o.kind == Kind::Pod)
        .map(|(o, _)| o)
        .collect();
    if sick.len() < 2 {
        return;
    }
    let pods: Vec<&Pod> = sick.iter().filter_map(|o| world.pods.find(&o.namespace, &o.name)).collect();
    let Some(first) = pods.first() else { return };
    let Some(owner) = siblings(world, first) else { return };
    let healthy: Vec<&Pod> = owner.into_iter().filter(|p| p.ready).collect();
    if healthy.is_empty() {
        return;
    }
    let (mut ours, theirs) = (traits_of(world, &pods), traits_of(world, &healthy));
    if finding.cause.starts_with("image.") {
        // The sentence names the image already.
        ours.iter_mut().for_each(|t| drop(t.remove(IMAGE)));
    }
    let Some((what, value)) = shared(&ours, &theirs) else { return };
    let share = format!("{}; all {} are {what} {value}", finding.title, pods.len());
    if share.chars().count() <= crate::judge::text::TITLE {
        finding.title = share;
    }
    finding.evidence.push(Evidence {
        source: "what the sick share".into(),
        quote: format!(
            "all {} are {what} {value}; none of the {} healthy ones is",
            pods.len(),
            healthy.len()
        ),
        object: finding.object.clone(),
        at: None,
    });
}

fn siblings<'w>(world: &'w World, pod: &Pod) -> Option<Vec<&'w Pod>> {
    let root = world.root(&crate::judge::pod::reference(pod));
    let uid = world.meta(&root)?.uid.clone();
    let mut sets: Vec<_> = world.replica_sets_of(&uid).map(|(_, r)| r.meta.uid.clone()).collect();
    sets.push(uid);
    Some(sets.iter().flat_map(|u| world.pods_of(u).map(|(_, p)| p)).collect())
}

type Traits = Vec<BTreeMap<&'static str, String>>;

fn traits_of(world: &World, pods: &[&Pod]) -> Traits {
    pods.iter()
        .map(|p| {
            let mut t = BTreeMap::new();
            if let Some(node) = world.nodes.find("", &p.node) {
                t.extend(of_node(node));
            }
            if !p.node.is_empty() {
                t.insert("on node", p.node.to_string());
            }
            if let Some(c) = p.containers.first() {
                t.insert(IMAGE, c.spec.image.to_string());
            }
            t
        })
        .collect()
}

/// The traits of a node that explain trouble, by the words that go before their value.
pub fn of_node(node: &Node) -> BTreeMap<&'static str, String> {
    let mut t = BTreeMap::new();
    if let Some(zone) = node.meta.labels.get("topology.kubernetes.io/zone") {
        t.insert("in", zone.to_owned());
    }
    if let Some(driver) = driver(node) {
        t.insert("on GPU driver", driver.to_owned());
    }
    for (what, value) in [
        ("on kubelet", &node.info.kubelet),
        ("on kernel", &node.info.kernel),
        ("on runtime", &node.info.runtime),
    ] {
        if !value.is_empty() {
            t.insert(what, value.to_string());
        }
    }
    t
}

/// The most telling trait that all of `sick` have and none of `healthy`.
pub fn shared(sick: &Traits, healthy: &Traits) -> Option<(&'static str, String)> {
    const ORDER: &[&str] =
        &[IMAGE, "on node", "in", "on GPU driver", "on kubelet", "on runtime", "on kernel"];
    ORDER.iter().find_map(|what| {
        let value = sick.first()?.get(what)?;
        let all = sick.iter().all(|t| t.get(what) == Some(value));
        let none = healthy.iter().all(|t| t.get(what) != Some(value));
        (all && none).then(|| (*what, value.clone()))
    })
}
