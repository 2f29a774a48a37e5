//! How much of each resource is free on each node: computed when a pending pod asks, at most every few seconds.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::world::{Phase, Pod, Resources, Role, Text, Time, World};

#[derive(Clone, Debug, Default)]
pub struct NodeRoom {
    pub allocatable: Resources,
    used: HashMap<String, u64>,
    pods: u64,
}

/// When it was computed, and the nodes by name.
type Seen = (Time, Vec<(Text, NodeRoom)>);

#[derive(Debug, Default)]
pub struct Room {
    nodes: RefCell<Option<Seen>>,
}

/// The amount of a resource by the scheduler's name for it.
pub fn amount(r: &Resources, resource: &str) -> Option<u64> {
    match resource {
        "cpu" => r.cpu,
        "memory" => r.memory,
        "ephemeral-storage" => r.ephemeral_storage,
        "pods" => r.pods,
        _ => r.other.iter().find(|(n, _)| &**n == resource).map(|(_, v)| *v).or_else(|| {
            let gpu = resource.contains("gpu") || resource.starts_with("nvidia.com/mig-");
            r.gpu.filter(|_| gpu)
        }),
    }
}

/// What a pod asks of its node: the sum of its containers and sidecars, or its largest init container.
pub fn asks(pod: &Pod, resource: &str) -> u64 {
    let get = |c: &crate::world::Container| {
        amount(&c.spec.requests, resource).or_else(|| amount(&c.spec.limits, resource)).unwrap_or(0)
    };
    let sum =
        pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar)).map(get).sum();
    let init = pod.containers.iter().filter(|c| c.spec.role == Role::Init).map(get).max().unwrap_or(0);
    u64::max(sum, init)
}

impl Room {
    /// Forgets what is older than five seconds.
    pub fn age(&self, now: Time) {
        let mut nodes = self.nodes.borrow_mut();
        if nodes.as_ref().is_some_and(|(at, _)| now.0 - at.0 > 5000 || now.0 < at.0) {
            *nodes = None;
        }
    }

    /// The node with most of the resource free among those that fit: (node, free, allocatable).
    pub fn most_free(
        &self,
        world: &World,
        now: Time,
        resource: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<(Text, u64, u64)> {
        let mut nodes = self.nodes.borrow_mut();
        let (_, nodes) = nodes.get_or_insert_with(|| (now, rooms(world)));
        nodes
            .iter()
            .filter(|(name, _)| fits(name))
            .filter_map(|(name, n)| {
                let all = amount(&n.allocatable, resource)?;
                let used = match resource {
                    "pods" => n.pods,
                    _ => n.used.get(resource).copied().unwrap_or_else(|| {
                        world.pods_on(name).filter(|(_, p)| active(p)).map(|(_, p)| asks(p, resource)).sum()
                    }),
                };
                Some((name.clone(), all.saturating_sub(used), all))
            })
            .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))
    }
}

fn active(pod: &Pod) -> bool {
    !matches!(pod.phase, Phase::Succeeded | Phase::Failed)
}

fn rooms(world: &World) -> Vec<(Text, NodeRoom)> {
    world
        .nodes
        .values()
        .map(|node| {
            let mut room = NodeRoom { allocatable: node.allocatable.clone(), ..NodeRoom::default() };
            for (_, pod) in world.pods_on(&node.meta.name).filter(|(_, p)| active(p)) {
                room.pods += 1;
                for resource in ["cpu", "memory", "ephemeral-storage"] {
                    *room.used.entry(resource.to_owned()).or_default() += asks(pod, resource);
                }
            }
            (node.meta.name.clone(), room)
        })
        .collect()
}
