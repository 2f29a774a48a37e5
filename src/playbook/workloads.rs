//! Evidence about workloads whose pods are not alike: the revisions of a StatefulSet, the nodes of a DaemonSet.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::facts::{ago, at, object};
use crate::world::Object as _;
use crate::world::{Kind, Node, ObjectRef, Pod, Time, Workload, World};

/// The label by which pods name their revision.
const REVISION: &str = "controller-revision-hash";
/// Ends of containers that belong to the same trouble.
const LATELY: Duration = Duration::from_secs(3600);
/// Nodes that are listed as not reached.
const NODES: usize = 8;

/// A StatefulSet by its ordinals: the pod that its controller waits for, and the claims of that pod.
///
/// # Errors
/// A sentence: it is not there.
pub(super) fn replicas(world: &World, o: &ObjectRef, now: Time) -> Result<Value, String> {
    let w = world.workload(o).ok_or_else(|| format!("there is no {o}"))?;
    let mut pods: Vec<(u32, &Pod)> =
        world.pods_of(&w.meta.uid).map(|(_, p)| (ordinal(&p.meta.name), p)).collect();
    pods.sort_by_key(|(n, _)| *n);
    let revision = |p: &Pod| p.meta.labels.get(REVISION).unwrap_or("").to_owned();
    let wanted = &*w.update_revision;
    let live = || pods.iter().filter(|(_, p)| p.meta.deleting.is_none());
    // An update goes from the highest ordinal down, and waits for each pod.
    let waits = live().rev().find(|(_, p)| !p.ready).map(|(_, p)| *p);
    let stale = |p: &Pod| !wanted.is_empty() && !revision(p).is_empty() && revision(p) != wanted;
    let held = if &*w.strategy == "OnDelete" { w.desired } else { w.partition.min(w.desired) };
    let missing: Vec<String> = (0..w.desired)
        .filter(|n| !pods.iter().any(|(m, _)| m == n))
        .map(|n| format!("{}-{n}", o.name))
        .collect();
    let claim = waits.and_then(|p| {
        let unbound = |name: &&crate::world::Text| {
            world.claims.find(&o.namespace, name).is_none_or(|c| &*c.phase != "Bound")
        };
        let name = p.spec.claims.iter().find(unbound)?;
        Some(ObjectRef::new(Kind::PersistentVolumeClaim, o.namespace.clone(), name.clone()))
    });
    let quote = waits.map_or_else(
        || format!("{} of {} pods ready", live().filter(|(_, p)| p.ready).count(), w.desired),
        |p| format!("{} is not ready; its revision is {}, wanted is {wanted}", p.meta.name, revision(p)),
    );
    Ok(json!({
        "desired": w.desired, "strategy": &*w.strategy, "held": held, "wanted": wanted, "missing": missing,
        "waits": waits.is_some(), "waits_s": waits.map_or(-1, |p| ago(p.ready_since.or(p.meta.created), now)),
        "pod": waits.map_or(Value::Null, |p| object(&p.reference())),
        "pod_revision": waits.map_or_else(String::new, revision), "pod_is_stale": waits.is_some_and(stale),
        "claim": claim.as_ref().map_or(Value::Null, object), "has_unbound_claim": claim.is_some(),
        "quote": quote, "source": "pods by ordinal", "at": at(None), "object": object(o),
    }))
}

/// The number behind the last dash of a pod's name.
fn ordinal(name: &str) -> u32 {
    name.rsplit_once('-').and_then(|(_, n)| n.parse().ok()).unwrap_or(u32::MAX)
}

/// The nodes that a DaemonSet reaches, and why it does not reach the others.
///
/// # Errors
/// A sentence: it is not there, or the nodes were never listed.
pub(super) fn reach(world: &World, o: &ObjectRef) -> Result<Value, String> {
    let w = world.workload(o).ok_or_else(|| format!("there is no {o}"))?;
    if !world.synced(&Kind::Node) {
        return Err("the nodes were never listed, so nobody knows which it lacks".to_owned());
    }
    let on: BTreeSet<&str> = world.pods_of(&w.meta.uid).map(|(_, p)| &*p.node).collect();
    let mut nodes: Vec<&Node> = world.nodes.values().filter(|n| n.meta.deleting.is_none()).collect();
    nodes.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    let (mut tainted, mut chosen_out, mut waited_for) = (Vec::new(), Vec::new(), Vec::new());
    for node in nodes.iter().filter(|n| !on.contains(&*n.meta.name)) {
        match kept_off(w, node) {
            Some(Off::Chosen(why)) => chosen_out.push(proof(node, &why)),
            Some(Off::Taint(key, why)) => {
                let mut off = proof(node, &why);
                off["key"] = json!(key);
                tainted.push(off);
            }
            None => waited_for.push(proof(node, "nothing keeps it off, and no pod of it is there")),
        }
    }
    let quote = format!(
        "on {} of {} nodes; {} are left out by its own selector, {} by a taint, {} wait",
        on.iter().filter(|n| !n.is_empty()).count(),
        nodes.len(),
        chosen_out.len(),
        tainted.len(),
        waited_for.len()
    );
    let count = |list: &[Value]| list.len();
    let (by_taint, by_choice, by_nothing) = (count(&tainted), count(&chosen_out), count(&waited_for));
    [&mut tainted, &mut chosen_out, &mut waited_for].into_iter().for_each(|l| l.truncate(NODES));
    Ok(json!({
        "nodes": nodes.len(), "desired": w.desired, "tainted": tainted, "chosen_out": chosen_out, "missing": waited_for,
        "tainted_count": by_taint, "chosen_out_count": by_choice, "missing_count": by_nothing,
        // Affinity is a term of the spec that khud does not compute: then a taint or a label is not the whole reason.
        "affinity": w.template.pod.node_affinity,
        "quote": quote, "source": "nodes", "at": at(None), "object": object(o),
    }))
}

enum Off {
    /// The DaemonSet's own selector.
    Chosen(String),
    /// The taint's key, and the sentence.
    Taint(String, String),
}

fn kept_off(w: &Workload, node: &Node) -> Option<Off> {
    let spec = &w.template.pod;
    let lacks = spec.node_selector.iter().find(|(k, v)| node.meta.labels.get(k) != Some(&**v));
    if let Some((key, value)) = lacks {
        return Some(Off::Chosen(format!(
            "the node has no label {key}={value}, which nodeSelector asks for"
        )));
    }
    // The DaemonSet controller tolerates a node's own troubles for its pods.
    let shut = |t: &&crate::world::Taint| {
        matches!(&*t.effect, "NoSchedule" | "NoExecute")
            && !t.key.starts_with("node.kubernetes.io/")
            && !spec.tolerates(t)
    };
    let taint = node.taints.iter().find(shut)?;
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    let why = format!("taint {}{value}:{} is not tolerated", taint.key, taint.effect);
    Some(Off::Taint(taint.key.to_string(), why))
}

fn proof(node: &Node, why: &str) -> Value {
    json!({
        "quote": format!("{}: {why}", node.meta.name), "source": "nodes", "at": "",
        "object": object(&ObjectRef::new(Kind::Node, "", node.meta.name.clone())),
    })
}

/// The pods that work together with a pod: those of its workload, Job or owner, by whether they ended lately. A rank that
/// stays up while all others end by their watchdog is the one they wait for.
///
/// # Errors
/// A sentence: it has no owner, so it works alone.
pub(super) fn peers(world: &World, o: &ObjectRef, now: Time) -> Result<Value, String> {
    let pod = world.pods.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let owner = pod.meta.owner.as_ref().ok_or_else(|| format!("{o} has no owner, so it has no peers"))?;
    let mut pods: Vec<&Pod> = world.pods_of(&owner.uid).map(|(_, p)| p).collect();
    pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    let ended = |p: &Pod| {
        let last = |c: &crate::world::Container| c.last.as_ref().and_then(|t| t.finished);
        p.containers.iter().any(|c| last(c).is_some_and(|t| t.age(now) < LATELY))
    };
    let (down, up): (Vec<&Pod>, Vec<&Pod>) = pods.iter().partition(|p| ended(p));
    let steady: Vec<Value> = up
        .iter()
        .map(|p| {
            json!({"name": &*p.meta.name, "node": &*p.node, "pod": object(&p.reference()),
                        "on": object(&ObjectRef::new(Kind::Node, "", p.node.clone()))})
        })
        .collect();
    let names: Vec<&str> = up.iter().map(|p| &*p.meta.name).take(NODES).collect();
    let quote = format!(
        "{} of {} pods ended within the last hour; {}",
        down.len(),
        pods.len(),
        if names.is_empty() {
            "none stayed up".to_owned()
        } else {
            format!("stayed up: {}", names.join(", "))
        }
    );
    Ok(json!({
        "pods": pods.len(), "ended": down.len(), "steady": steady,
        "quote": quote, "source": "pods of the same owner", "at": at(None), "object": object(o),
    }))
}
