//! What belongs to an object: its owners, its pods and what they need, by the World.

use std::collections::BTreeSet;

use crate::world::{ContainerState, Kind, Meta, ObjectRef, Pod, Text, World};

/// Pods of one object that are looked at; those that are not ready first.
const PODS: usize = 12;

/// What is read for an object.
#[derive(Debug, Default)]
pub struct Around {
    /// The object itself first.
    pub objects: Vec<ObjectRef>,
    pub logs: Vec<ContainerLog>,
    /// Pods beyond those that are looked at.
    pub more_pods: usize,
}

/// A container whose log is read.
#[derive(Debug, PartialEq, Eq)]
pub struct ContainerLog {
    pub pod: ObjectRef,
    pub container: Text,
    /// There was a run before this one.
    pub previous: bool,
}

impl Around {
    /// Takes up what belongs to another object.
    pub fn join(&mut self, other: Around) {
        for object in other.objects {
            if !self.objects.contains(&object) {
                self.objects.push(object);
            }
        }
        for log in other.logs {
            if !self.logs.contains(&log) {
                self.logs.push(log);
            }
        }
        self.more_pods += other.more_pods;
    }
}

pub fn around(world: &World, target: &ObjectRef) -> Around {
    let mut out = Around { objects: vec![target.clone()], ..Around::default() };
    let add = |objects: &mut Vec<ObjectRef>, object: ObjectRef| {
        if !objects.contains(&object) {
            objects.push(object);
        }
    };
    for owner in world.owners(target) {
        add(&mut out.objects, owner);
    }
    let mut pods: Vec<&Pod> = world.pods.values().filter(|p| belongs(world, p, target)).collect();
    pods.sort_by_key(|p| (p.ready, p.meta.name.clone()));
    out.more_pods = pods.len().saturating_sub(PODS);
    pods.truncate(PODS);
    let namespace = &target.namespace;
    for pod in &pods {
        let of = |kind: Kind, name: &Text| ObjectRef::new(kind, pod.meta.namespace.clone(), name.clone());
        let object = of(Kind::Pod, &pod.meta.name);
        add(&mut out.objects, object.clone());
        world.owners(&object).for_each(|o| add(&mut out.objects, o));
        if !pod.node.is_empty() {
            add(&mut out.objects, ObjectRef::new(Kind::Node, "", pod.node.clone()));
        }
        pod.spec.claims.iter().for_each(|n| add(&mut out.objects, of(Kind::PersistentVolumeClaim, n)));
        pod.spec.config_maps.iter().for_each(|n| add(&mut out.objects, of(Kind::ConfigMap, n)));
        // Whether it is there and which keys it has is evidence; what it holds is not read out.
        pod.spec.secrets.iter().for_each(|n| add(&mut out.objects, of(Kind::Secret, n)));
        // A container that never ran has no log.
        let ran = |c: &&crate::world::Container| {
            c.last.is_some() || !matches!(c.state, ContainerState::Waiting { .. } | ContainerState::None)
        };
        out.logs.extend(pod.containers.iter().filter(ran).map(|c| ContainerLog {
            pod: object.clone(),
            container: c.spec.name.clone(),
            previous: c.last.is_some(),
        }));
    }
    let of = |kind: Kind, meta: &Meta| ObjectRef::new(kind, meta.namespace.clone(), meta.name.clone());
    let selects = |s: &crate::world::Selector| pods.iter().any(|p| s.matches(&p.meta.labels));
    let services: BTreeSet<Text> = world
        .services
        .values()
        .filter(|s| {
            s.meta.namespace == *namespace && s.selector.as_ref().is_some_and(|s| !s.is_empty() && selects(s))
        })
        .map(|s| s.meta.name.clone())
        .collect();
    for name in &services {
        add(&mut out.objects, ObjectRef::new(Kind::Service, namespace.clone(), name.clone()));
    }
    for slice in world.endpoint_slices.values().filter(|s| s.meta.namespace == *namespace) {
        let its = target.kind == Kind::Service && slice.service == target.name;
        if its || services.contains(&slice.service) {
            add(&mut out.objects, of(Kind::EndpointSlice, &slice.meta));
        }
    }
    for budget in world.budgets.values().filter(|b| b.meta.namespace == *namespace && selects(&b.selector)) {
        add(&mut out.objects, of(Kind::PodDisruptionBudget, &budget.meta));
    }
    let targets: Vec<ObjectRef> = out.objects.clone();
    let scales = |a: &&crate::world::Autoscaler| {
        let scaled = |o: &ObjectRef| *o.kind.name() == *a.target_kind && o.name == a.target_name;
        a.meta.namespace == *namespace && targets.iter().any(scaled)
    };
    for scaler in world.autoscalers.values().filter(scales) {
        add(&mut out.objects, of(Kind::HorizontalPodAutoscaler, &scaler.meta));
    }
    for quota in world.quotas.values().filter(|q| !namespace.is_empty() && q.meta.namespace == *namespace) {
        add(&mut out.objects, of(Kind::ResourceQuota, &quota.meta));
    }
    out
}

/// Whether a pod is the object, belongs to it, runs on it or stands behind it.
fn belongs(world: &World, pod: &Pod, target: &ObjectRef) -> bool {
    let object = ObjectRef::new(Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone());
    let here = pod.meta.namespace == target.namespace;
    match &target.kind {
        // A node has many pods; those that are well say nothing.
        Kind::Node => pod.node == target.name && !pod.ready,
        Kind::Pod => object == *target,
        Kind::Service => {
            let service = world.services.find(&target.namespace, &target.name);
            let selector = service.and_then(|s| s.selector.as_ref());
            here && selector.is_some_and(|s| !s.is_empty() && s.matches(&pod.meta.labels))
        }
        Kind::PersistentVolumeClaim => here && pod.spec.claims.contains(&target.name),
        Kind::ConfigMap => here && pod.spec.config_maps.contains(&target.name),
        Kind::Secret => here && pod.spec.secrets.contains(&target.name),
        _ => here && world.owners(&object).any(|o| o == *target),
    }
}
