//! A pod's requests, and a node's free resources.

use super::World;
use super::quantity::is_gpu;
use super::record::*;

/// The amount of a resource by its API name: millicores, bytes or a count.
pub fn amount(r: &Resources, name: &str) -> u64 {
    match name {
        "cpu" => r.cpu,
        "memory" => r.memory,
        "ephemeral-storage" => r.ephemeral_storage,
        "pods" => r.pods,
        n if is_gpu(n) => r.gpu,
        n => r.other.iter().find(|(k, _)| &**k == n).map(|(_, v)| *v),
    }
    .unwrap_or(0)
}

/// The pod's effective request: the sum of its app containers or its largest init container.
pub fn requests(pod: &Pod, name: &str) -> u64 {
    // An extended resource may have only a limit; the API copies it into the requests.
    let of = |c: &Container| {
        amount(&c.spec.requests, name).max(if name.contains('/') { amount(&c.spec.limits, name) } else { 0 })
    };
    let sum: u64 =
        pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar)).map(of).sum();
    let init = pod.containers.iter().filter(|c| c.spec.role == Role::Init).map(of).max().unwrap_or(0);
    sum.max(init)
}

/// The node's allocatable amount minus the requests of its pods.
pub fn free_on(world: &World, node: &Node, name: &str) -> u64 {
    let live = |p: &&Pod| !matches!(p.phase, Phase::Succeeded | Phase::Failed);
    let used: u64 =
        world.pods_on(&node.meta.name).map(|(_, p)| p).filter(live).map(|p| requests(p, name)).sum();
    amount(&node.allocatable, name).saturating_sub(used)
}
