//! The end of the first lists: from then on an object that is not there is absent, and a new object is news.

use std::collections::HashSet;
use std::time::Duration;

use super::detector::Detector;
use crate::judge::pod;
use crate::world::{Kind, Object, ObjectRef, Pod, Time, World};

/// Kinds whose first lists must be complete before absence means anything.
const LISTED: &[Kind] = &[
    Kind::Pod,
    Kind::Node,
    Kind::Namespace,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::ReplicaSet,
    Kind::PersistentVolume,
    Kind::IngressClass,
    Kind::NetworkPolicy,
    Kind::Event,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::StorageClass,
];

/// How old a pod of something that was rolled out lately is at most.
const YOUNG: Duration = Duration::from_secs(3600);
/// Workloads of which one healthy pod's log is read.
const SAMPLED: usize = 24;

impl Detector {
    /// Picks healthy pods, one of each workload, where a fault that no object shows is most likely: what was rolled out
    /// lately, and what has a service account of its own, because only that is refused by RBAC.
    fn sample(&mut self, world: &World, now: Time) {
        let young = |p: &Pod| p.meta.created.is_some_and(|c| c.age(now) < YOUNG);
        // The cluster's own components have accounts too, and rights that came with them.
        let asks = |p: &Pod| {
            !matches!(&*p.spec.service_account, "" | "default") && &*p.meta.namespace != "kube-system"
        };
        let picked = |p: &&Pod| pod::plainly_well(p) && (young(p) || asks(p));
        let mut pods: Vec<&Pod> = world.pods.values().filter(picked).collect();
        pods.sort_by_key(|p| {
            let rank = u8::from(young(p)) + u8::from(asks(p));
            (std::cmp::Reverse((rank, p.meta.created)), p.meta.name.clone())
        });
        let mut seen = HashSet::new();
        for pod in pods {
            let object = pod::reference(pod);
            if seen.insert(world.root(&object)) {
                self.sampled.insert(object.clone());
                self.queue(object);
            }
            if seen.len() == SAMPLED {
                break;
            }
        }
    }

    /// The end of a first list: from now on what is not there is absent.
    pub(super) fn follow_lists(&mut self, world: &World, now: Time) {
        if self.listed.len() == LISTED.len() {
            return;
        }
        let new: Vec<Kind> =
            LISTED.iter().filter(|k| !self.listed.contains(k) && world.synced(k)).cloned().collect();
        if new.is_empty() {
            return;
        }
        self.listed.extend(new);
        self.second.extend(world.services.values().map(Object::reference));
        self.second.extend(world.daemon_sets.values().map(Object::reference));
        // The object that a sick pod waits for may have come with this list.
        self.first.extend(self.groups.all_sick_pods().cloned());
        // A list that never comes, because it is forbidden, keeps nobody from reading logs.
        if !self.sampled_once && [Kind::Pod, Kind::ReplicaSet].iter().all(|k| self.listed.contains(k)) {
            self.sampled_once = true;
            self.sample(world, now);
        }
        for kind in Kind::JUDGED.iter().chain([&Kind::PersistentVolumeClaim]) {
            for meta in world.metas(kind) {
                self.queue(ObjectRef::new(kind.clone(), meta.namespace.clone(), meta.name.clone()));
            }
        }
    }
}
