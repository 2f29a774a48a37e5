//! Whose diagnosis reads an object that changed, beside the object's own.

use crate::world::{Kind, ObjectRef, ServiceRef, Text, World};

use super::autoscaler;

/// The objects to judge again because this one changed. Pods, nodes and workloads are followed elsewhere.
pub fn concerned(world: &World, changed: &ObjectRef) -> Vec<ObjectRef> {
    match &changed.kind {
        Kind::Service => behind_service(world, &changed.namespace, &changed.name),
        Kind::IngressClass => ingresses(world, None),
        Kind::NetworkPolicy => {
            let services = world.services.values().filter(|s| s.meta.namespace == changed.namespace);
            services
                .map(|s| ObjectRef::new(Kind::Service, s.meta.namespace.clone(), s.meta.name.clone()))
                .collect()
        }
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => autoscaler::of_target(world, changed),
        // A webhook that refuses pods is what is to be fixed, as soon as its configuration is known.
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => {
            let kinds = [&world.deployments, &world.stateful_sets, &world.daemon_sets, &world.replica_sets];
            let short = kinds.into_iter().flat_map(|t| t.values()).filter(|w| w.current < w.desired);
            let short = short.map(|w| (w.kind.clone(), &w.meta));
            let idle = world.jobs.values().filter(|j| j.active == 0 && j.completed.is_none());
            let idle = idle.map(|j| (Kind::Job, &j.meta));
            short
                .chain(idle)
                .map(|(kind, m)| ObjectRef::new(kind, m.namespace.clone(), m.name.clone()))
                .collect()
        }
        Kind::PersistentVolume | Kind::StorageClass => {
            let claims = world.claims.values().filter(|c| &*c.phase == "Pending");
            claims
                .map(|c| {
                    ObjectRef::new(Kind::PersistentVolumeClaim, c.meta.namespace.clone(), c.meta.name.clone())
                })
                .collect()
        }
        Kind::APIService | Kind::CustomResourceDefinition => {
            let going = world.namespaces.values().filter(|n| n.meta.deleting.is_some());
            going.map(|n| ObjectRef::new(Kind::Namespace, "", n.meta.name.clone())).collect()
        }
        // What holds the pods of a node that goes.
        Kind::PodDisruptionBudget => {
            let going = world.nodes.values().filter(|n| n.meta.deleting.is_some());
            going.map(|n| ObjectRef::new(Kind::Node, "", n.meta.name.clone())).collect()
        }
        Kind::ResourceSlice => {
            let slice = world.resource_slices.find("", &changed.name);
            slice
                .filter(|s| !s.node.is_empty())
                .map(|s| ObjectRef::new(Kind::Node, "", s.node.clone()))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// What answers through a Service: the ingresses that lead to it and the extensions of the API that it serves.
fn behind_service(world: &World, namespace: &Text, name: &Text) -> Vec<ObjectRef> {
    let mut out = ingresses(world, Some((namespace, name)));
    let is = |s: &ServiceRef| s.namespace == *namespace && s.name == *name;
    let hooks = world.validating_webhooks.values().chain(world.mutating_webhooks.values());
    let hooks = hooks.filter(|c| c.webhooks.iter().any(|h| h.service.as_ref().is_some_and(is)));
    out.extend(hooks.map(|c| ObjectRef::new(c.kind.clone(), "", c.meta.name.clone())));
    let crds = world.custom_resources.values().filter(|c| c.converter.as_ref().is_some_and(is));
    out.extend(crds.map(|c| ObjectRef::new(Kind::CustomResourceDefinition, "", c.meta.name.clone())));
    out
}

fn ingresses(world: &World, to: Option<(&Text, &Text)>) -> Vec<ObjectRef> {
    world
        .ingresses
        .values()
        .filter(|i| {
            to.is_none_or(|(namespace, name)| {
                i.meta.namespace == *namespace && i.backends.iter().any(|b| b.service == *name)
            })
        })
        .map(|i| ObjectRef::new(Kind::Ingress, i.meta.namespace.clone(), i.meta.name.clone()))
        .collect()
}
