//! Whether a gate holds, read from the World.

use std::collections::BTreeSet;
use std::time::Duration;

use super::options::Gate;
use super::state::NodeState;
use super::upgrade;
use crate::world::{Kind, Node, ObjectRef, Phase, Status, Time, World, condition};

/// A gate's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Holds(String),
    /// Not yet, and what is missing.
    Waits(String),
}

/// Names in one answer.
const NAMED: usize = 4;

/// Asks one gate about the nodes of a wave. `workloads` are those that lost pods, `since` is when the gate was first
/// asked.
///
/// `Word` is the operator's alone and always waits here; so do volumes, which are not watched, and gates that run a pod.
pub(super) fn ask(
    gate: &Gate,
    nodes: &[(String, NodeState)],
    workloads: &BTreeSet<ObjectRef>,
    world: &World,
    since: Time,
    now: Time,
) -> Answer {
    let each = |ask: &dyn Fn(&str, &NodeState, &Node) -> Result<(), String>, holds: String| {
        let mut missing = Vec::new();
        for (name, state) in nodes {
            let name = state.now(name);
            match world.nodes.find("", name) {
                None => missing.push(format!("{name} has not joined, nor a node in its place")),
                Some(node) => missing.extend(ask(name, state, node).err()),
            }
        }
        if missing.is_empty() { Answer::Holds(holds) } else { Answer::Waits(listed(&missing)) }
    };
    match gate {
        Gate::Ready(_) => each(
            &|name, _, node| match condition(&node.conditions, "Ready") {
                Some(c) if c.status == Status::True => Ok(()),
                Some(c) => Err(format!("{name} is not Ready ({})", c.reason)),
                None => Err(format!("{name} does not say whether it is Ready")),
            },
            format!("Ready: {}", counted(nodes.len(), "node")),
        ),
        Gate::Gpus(_) => each(
            &|name, state, node| match node.allocatable.gpu.unwrap_or(0) {
                n if n >= state.gpus => Ok(()),
                n => Err(format!("{name} offers {n} of {} GPUs", state.gpus)),
            },
            format!("{} GPUs are back", nodes.iter().map(|(_, n)| n.gpus).sum::<u64>()),
        ),
        Gate::Version(version, _) => each(
            &|name, _, node| match &*node.info.kubelet {
                v if upgrade::same(v, version) => Ok(()),
                v => Err(format!("{name} runs kubelet {v}")),
            },
            format!("kubelet {version} runs on {}", counted(nodes.len(), "node")),
        ),
        Gate::ControlPlane(version, _) => {
            let of: Vec<_> = nodes.iter().filter(|(_, n)| n.control_plane).collect();
            let missing: Vec<String> =
                of.iter().flat_map(|(name, n)| static_pods(world, n.now(name), version)).collect();
            match (of.is_empty(), missing.is_empty()) {
                (true, _) => Answer::Holds("no control-plane node among them".to_owned()),
                (_, true) => Answer::Holds(format!("its static pods are ready and run {version}")),
                _ => Answer::Waits(listed(&missing)),
            }
        }
        Gate::Daemons(_) => each(
            &|name, _, node| daemons(world, name, node),
            format!("every DaemonSet pod is ready on {}", counted(nodes.len(), "node")),
        ),
        Gate::Pods(_) => pods(world, workloads),
        Gate::Pause(length) => {
            let gone = since.age(now);
            match length.checked_sub(gone).filter(|left| !left.is_zero()) {
                None => Answer::Holds(format!("{} s passed", length.as_secs())),
                Some(left) => Answer::Waits(format!("{} s left", left.as_secs() + 1)),
            }
        }
        Gate::Window(from, to) => window(*from, *to, now),
        Gate::Volumes(_) | Gate::Functional(_) | Gate::Smoke(_) | Gate::Word => {
            Answer::Waits("asked apart".to_owned())
        }
    }
}

/// The static pods of the control plane that kubeadm writes with the cluster's version in their image.
const VERSIONED: &[&str] = &["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The static pods of a node that are not ready, or run another version. A control plane that runs as something else than
/// static pods has none here.
fn static_pods(world: &World, node: &str, version: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (_, pod) in world.pods_on(node) {
        if !pod.mirror {
            continue;
        }
        let other = pod.containers.iter().find_map(|c| {
            let (repository, tag) = c.spec.image.rsplit_once(':')?;
            let name = repository.rsplit('/').next().unwrap_or(repository);
            (VERSIONED.contains(&name) && !upgrade::same(tag, version)).then(|| format!("{name} {tag}"))
        });
        match other {
            Some(other) => out.push(format!("{node} runs {other}")),
            None if !pod.ready => out.push(format!("{} is not ready", pod.meta.name)),
            None => {}
        }
    }
    out
}

fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Whether every DaemonSet that wants a pod on a node like this has a ready one there. DaemonSets that have no pod on the
/// node yet cannot be told from those that want none, so a node that has none of the pods its neighbours have waits.
fn daemons(world: &World, name: &str, node: &Node) -> Result<(), String> {
    let mut have = BTreeSet::new();
    for (_, pod) in world.pods_on(name) {
        let Some(owner) = pod.meta.owner.as_ref().filter(|o| o.kind == Kind::DaemonSet) else { continue };
        if !pod.ready {
            return Err(format!("{}/{} on {name} is not ready", pod.meta.namespace, pod.meta.name));
        }
        have.insert((pod.meta.namespace.clone(), owner.name.clone()));
    }
    let alike = |n: &&Node| {
        n.meta.name != node.meta.name
            && n.meta.labels.get(INSTANCE_TYPE) == node.meta.labels.get(INSTANCE_TYPE)
            && n.allocatable.gpu.unwrap_or(0) >= node.labelled_gpus().max(1)
            && condition(&n.conditions, "Ready").is_some_and(|c| c.status == Status::True)
    };
    let Some(other) = world.nodes.values().find(alike) else { return Ok(()) };
    for (_, pod) in world.pods_on(&other.meta.name) {
        let Some(owner) = pod.meta.owner.as_ref().filter(|o| o.kind == Kind::DaemonSet) else { continue };
        if !have.contains(&(pod.meta.namespace.clone(), owner.name.clone())) {
            return Err(format!("{name} has no pod of DaemonSet {}/{} yet", pod.meta.namespace, owner.name));
        }
    }
    Ok(())
}

/// The nodes that came in the place of others under names of their own, as clouds name them: made since the other was
/// cordoned, in its zone, and known to nobody yet. `taken` are the names that the run knows; the answer is by old name.
pub(super) fn successors(
    world: &World,
    nodes: &[(String, NodeState)],
    taken: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut taken = taken.clone();
    let mut out = Vec::new();
    for (name, state) in nodes {
        if world.nodes.find("", state.now(name)).is_some() {
            continue;
        }
        let fits = |n: &&Node| {
            !taken.contains(&*n.meta.name)
                && n.meta.created.is_some_and(|at| state.begun.is_some_and(|begun| at >= begun))
                && n.meta.labels.get("topology.kubernetes.io/zone").unwrap_or("") == state.zone
                // A new node offers its GPUs minutes after it joined; its instance type is there from the start.
                && (state.instance_type.is_empty()
                    || n.meta.labels.get(INSTANCE_TYPE) == Some(state.instance_type.as_str()))
        };
        let mut found: Vec<&Node> = world.nodes.values().filter(fits).collect();
        found.sort_by(|a, b| (a.meta.created, &a.meta.name).cmp(&(b.meta.created, &b.meta.name)));
        if let Some(node) = found.first() {
            taken.insert(node.meta.name.to_string());
            out.push((name.clone(), node.meta.name.to_string()));
        }
    }
    out
}

/// The label with the kind of machine.
pub(super) const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";

fn pods(world: &World, workloads: &BTreeSet<ObjectRef>) -> Answer {
    let missing: Vec<String> = workloads
        .iter()
        .filter_map(|w| match world.workload(w) {
            Some(found) if found.ready < found.desired => {
                Some(format!("{w} has {} of {} pods ready", found.ready, found.desired))
            }
            _ => None,
        })
        .collect();
    match missing.is_empty() {
        true => Answer::Holds(format!("all pods are ready of {}", counted(workloads.len(), "workload"))),
        false => Answer::Waits(listed(&missing)),
    }
}

fn window(from: u16, to: u16, now: Time) -> Answer {
    let minute = u16::try_from(now.seconds().rem_euclid(86_400) / 60).unwrap_or(0);
    let open = if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to };
    let clock = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
    match open {
        true => Answer::Holds(format!("it is {} UTC", clock(minute))),
        false => Answer::Waits(format!("it is {} UTC, the window opens at {}", clock(minute), clock(from))),
    }
}

/// Workloads that own pods of a node and would make new ones.
pub(super) fn owners(world: &World, node: &str) -> BTreeSet<ObjectRef> {
    world
        .pods_on(node)
        .map(|(_, p)| p)
        .filter(|p| !matches!(p.phase, Phase::Succeeded | Phase::Failed))
        .filter_map(|p| {
            let root = world.root(&ObjectRef {
                kind: Kind::Pod,
                namespace: p.meta.namespace.clone(),
                name: p.meta.name.clone(),
            });
            (root.kind.workload() && root.kind != Kind::DaemonSet).then_some(root)
        })
        .collect()
}

/// When a gate that only time opens wants to be asked again.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

fn listed(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let at = |h: i64, m: i64| Time((h * 3600 + m * 60) * 1000);
        let open = |from, to, now| matches!(window(from, to, now), Answer::Holds(_));
        assert!(open(22 * 60, 6 * 60, at(23, 0)) && open(22 * 60, 6 * 60, at(5, 59)));
        assert!(!open(22 * 60, 6 * 60, at(6, 0)) && !open(22 * 60, 6 * 60, at(12, 0)));
        assert!(open(60, 120, at(1, 0)) && !open(60, 120, at(2, 0)));
    }
}
