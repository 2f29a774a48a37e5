//! Regions: takes looks at other clusters in, and sums up a cluster's World.

use std::collections::BTreeMap;

use crate::app::core::causes;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Dirty;
use crate::app::table::health;
use crate::config::regions::Region;
use crate::judge::region;
use crate::world::quantity::is_gpu;
use crate::world::regions::{Holds, Sight};
use crate::world::scheduling::free_on;
use crate::world::{Node, Pod, Status, Text, Workload, World, condition};

/// Takes a look at a region in. Whether none is left depends on all of them.
pub fn seen(model: &mut Model, sight: Sight) -> Vec<Effect> {
    let regions = &mut model.data.world.regions;
    regions.take(sight);
    let all: Vec<_> = regions.iter().map(|(name, _)| region::object(name)).collect();
    model.dirty = model.dirty.max(Dirty::Data);
    causes::on_readings(model, &all)
}

/// Watches these from now on, and forgets others.
pub fn watch(model: &mut Model, regions: Vec<Region>) -> Effect {
    let kept: Vec<Text> = regions.iter().map(|r| r.context.as_str().into()).collect();
    model.data.world.regions.retain(&kept);
    Effect::Regions(regions)
}

/// A cluster's nodes, free GPUs, GPU quota, pods and models, by its World.
pub fn held(world: &World) -> Holds {
    let ready = |n: &&Node| condition(&n.conditions, "Ready").is_some_and(|c| c.status == Status::True);
    let nodes: Vec<_> = world.nodes.values().filter(ready).collect();
    let gpus = |n: &Node| n.allocatable.gpu.unwrap_or(0);
    let open = nodes.iter().filter(|n| !n.unschedulable && gpus(n) > 0);
    let well = |p: &&Pod| health::pod_alone(p).sick();
    let quota = world
        .quotas
        .values()
        .flat_map(|q| q.amounts.iter().map(|a| (&q.meta.namespace, a)))
        .filter(|(_, a)| a.resource.strip_prefix("requests.").is_some_and(is_gpu))
        .min_by_key(|(_, a)| a.hard_value.saturating_sub(a.used_value));
    let workloads = world.deployments.values().chain(world.stateful_sets.values());
    let asks = |w: &&Workload| {
        w.template.containers.iter().any(|c| c.limits.gpu.or(c.requests.gpu).unwrap_or(0) > 0)
    };
    let models: BTreeMap<Text, (u32, u32)> = workloads
        .filter(asks)
        .map(|w| (format!("{}/{}", w.meta.namespace, w.meta.name).into(), (w.ready, w.desired)))
        .collect();
    Holds {
        nodes: (nodes.len(), world.nodes.len()),
        gpus: (open.map(|n| free_on(world, n, "nvidia.com/gpu")).sum(), nodes.iter().map(|n| gpus(n)).sum()),
        quota: quota.map(|(namespace, a)| (namespace.clone(), a.used_value, a.hard_value)),
        pods: (world.pods.values().filter(well).count(), world.pods.len()),
        models,
    }
}
