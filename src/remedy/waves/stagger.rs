//! Evictions that wait: a Service whose ready endpoints are all on the nodes of one wave keeps one of them until another
//! is ready elsewhere. Disruption budgets do the same where there are some; many Services have none.

use std::collections::{BTreeMap, HashMap};

use crate::world::{Kind, ObjectRef, Pod, Service, Uid, World};

/// Ready endpoints of each Service, by `namespace/name`.
pub(super) fn endpoints(world: &World) -> BTreeMap<String, u32> {
    let mut out = BTreeMap::new();
    for slice in world.endpoint_slices.values() {
        *out.entry(format!("{}/{}", slice.meta.namespace, slice.service)).or_default() += slice.ready;
    }
    out
}

fn key(service: &Service) -> String {
    format!("{}/{}", service.meta.namespace, service.meta.name)
}

/// Whether a pod is an endpoint that a drain of its node takes away.
fn leaves(pod: &Pod) -> bool {
    let stays = pod.mirror || pod.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::DaemonSet);
    pod.ready && pod.meta.deleting.is_none() && !stays
}

fn selects(service: &Service, pod: &Pod) -> bool {
    service.selector.as_ref().is_some_and(|s| s.matches(&pod.meta.labels))
}

/// The pods of these nodes whose eviction waits, with the Services that each keeps answering.
pub(super) fn late(world: &World, nodes: &[String]) -> HashMap<Uid, Vec<ObjectRef>> {
    let mut services: HashMap<&str, Vec<&Service>> = HashMap::new();
    for service in world.services.values().filter(|s| s.selector.is_some()) {
        services.entry(&*service.meta.namespace).or_default().push(service);
    }
    let mut here: BTreeMap<String, (&Service, Vec<&Pod>)> = BTreeMap::new();
    for pod in nodes.iter().flat_map(|node| world.pods_on(node)).map(|(_, p)| p).filter(|p| leaves(p)) {
        for service in services.get(&*pod.meta.namespace).into_iter().flatten() {
            if selects(service, pod) {
                here.entry(key(service)).or_insert((*service, Vec::new())).1.push(pod);
            }
        }
    }
    let ready = endpoints(world);
    let mut out: HashMap<Uid, Vec<ObjectRef>> = HashMap::new();
    for (name, (service, mut pods)) in here {
        let all = ready.get(&name).copied().unwrap_or(0) as usize;
        // One endpoint is no redundancy to keep; more elsewhere keep the Service answering.
        if pods.len() < 2 || pods.len() < all {
            continue;
        }
        pods.sort_by(|a, b| (&a.node, &a.meta.name).cmp(&(&b.node, &b.meta.name)));
        let kept = pods.iter().find(|p| out.contains_key(&p.meta.uid)).or(pods.last());
        if let Some(pod) = kept {
            let service = ObjectRef {
                kind: Kind::Service,
                namespace: service.meta.namespace.clone(),
                name: service.meta.name.clone(),
            };
            out.entry(pod.meta.uid.clone()).or_default().push(service);
        }
    }
    out
}

/// Whether a Service has a ready endpoint on another node than these. True of one that is gone.
pub(super) fn elsewhere(world: &World, nodes: &[String], service: &ObjectRef) -> bool {
    let Some(found) = world.services.find(&service.namespace, &service.name) else { return true };
    let on = nodes.iter().flat_map(|node| world.pods_on(node)).map(|(_, p)| p);
    let here = on.filter(|p| p.ready && p.meta.namespace == service.namespace && selects(found, p)).count();
    endpoints(world).get(&key(found)).copied().unwrap_or(0) as usize > here
}
