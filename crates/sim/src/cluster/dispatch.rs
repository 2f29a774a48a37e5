//! Maps changes of objects to the work queues of the controllers that must reconcile.
use serde_json::Value;

use crate::api::store::{Change, ChangeKind, Object};

use super::engine::{Engine, Work};
use super::kubelet::{crash, node};
use super::object::{self, Key, map_selects, selects, text};
use super::scheduler;

/// The resources that a controller reconciles or reads.
pub const WATCHED: [&str; 20] = [
    "namespaces",
    "nodes",
    "pods",
    "services",
    "configmaps",
    "secrets",
    "persistentvolumes",
    "persistentvolumeclaims",
    "resourcequotas",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "controllerrevisions.apps",
    "jobs.batch",
    "cronjobs.batch",
    "endpointslices.discovery.k8s.io",
    "poddisruptionbudgets.policy",
    "storageclasses.storage.k8s.io",
    "priorityclasses.scheduling.k8s.io",
];

impl Engine {
    pub(super) fn dispatch(&mut self, change: &Change) {
        let object = &change.object;
        let key = Key::of(object);
        let gone = change.kind == ChangeKind::Deleted;
        if gone || object::deleting(object) {
            self.add(Work::Collect(object::uid(object).into()));
        }
        if gone {
            // An owner deleted in the foreground waits for its last dependent.
            for owner in object::list(object, "/metadata/ownerReferences") {
                self.add(Work::Collect(text(owner, "/uid").into()));
            }
        }
        match &*change.resource {
            "pods" => self.pod_changed(change, &key, gone),
            "nodes" => self.node_changed(change, gone),
            "deployments.apps" => self.add(Work::Deployment(key)),
            "replicasets.apps" => {
                self.add_owner(object);
                self.add(Work::ReplicaSet(key));
            }
            "statefulsets.apps" => self.add(Work::StatefulSet(key)),
            "daemonsets.apps" => self.add(Work::DaemonSet(key)),
            "jobs.batch" => {
                self.add_owner(object);
                self.add(Work::Job(key));
            }
            "cronjobs.batch" => self.add(Work::CronJob(key)),
            "services" => {
                self.add(Work::Service(key.clone()));
                self.add(Work::Quota(key.ns));
            }
            "poddisruptionbudgets.policy" => self.add(Work::Budget(key)),
            "resourcequotas" => self.add(Work::Quota(key.ns)),
            "namespaces" => self.add(Work::Namespace(key.name)),
            "persistentvolumeclaims" => {
                self.add(Work::Claim(key.clone()));
                self.add(Work::Quota(key.ns));
                self.retry_pending();
            }
            "storageclasses.storage.k8s.io" | "persistentvolumes" => {
                let claims: Vec<Key> =
                    self.cache.all("persistentvolumeclaims").map(|(k, _)| k.clone()).collect();
                for claim in claims {
                    self.add(Work::Claim(claim));
                }
            }
            "configmaps" | "secrets" => self.add(Work::Quota(key.ns)),
            _ => {}
        }
    }

    fn add_owner(&mut self, object: &Value) {
        let Some((kind, name, _)) = object::controller(object) else { return };
        let key = Key::new(object::namespace(object), name);
        match kind {
            "ReplicaSet" => self.add(Work::ReplicaSet(key)),
            "Deployment" => self.add(Work::Deployment(key)),
            "StatefulSet" => self.add(Work::StatefulSet(key)),
            "DaemonSet" => self.add(Work::DaemonSet(key)),
            "Job" => self.add(Work::Job(key)),
            "CronJob" => self.add(Work::CronJob(key)),
            _ => {}
        }
    }

    fn pod_changed(&mut self, change: &Change, key: &Key, gone: bool) {
        let pod = &change.object;
        let node = text(pod, "/spec/nodeName");
        if gone || !node.is_empty() || object::finished(pod) {
            self.pending.remove(key);
            self.misplaced.remove(key);
            self.tried.remove(key);
        } else if self.pending.insert(key.clone()) {
            self.add(Work::Schedule);
        }
        let counted = !gone && !object::finished(pod) && !node.is_empty();
        if self.allocations.set(key, counted.then_some(pod)) && !self.pending.is_empty() {
            self.retry_pending();
        }
        if !node.is_empty() {
            self.add(Work::Pod(key.clone()));
        }
        self.add_owner(pod);
        if gone && let Some(("ReplicaSet", set, _)) = object::controller(pod) {
            // A Deployment with the Recreate strategy waits for the last pod of the old ReplicaSet, whose
            // status was zero long before.
            if let Some(set) = self.cached("replicasets.apps", &Key::new(&key.ns, set)) {
                self.add_owner(&set);
            }
        }
        let old = change.old.as_ref();
        if old.is_none() || gone || seen_by_services(old, pod) {
            self.add_selecting(pod, old, &key.ns);
            if crash::load_is_shared(self) {
                self.add(Work::Rematch);
            }
        }
    }

    fn add_selecting(&mut self, pod: &Object, old: Option<&Object>, ns: &str) {
        let picked = |test: &dyn Fn(&Value) -> bool| test(pod) || old.is_some_and(|o| test(o));
        let labels = |p: &Value| p.pointer("/metadata/labels").cloned();
        let mut found = Vec::new();
        for (key, service) in self.cache.in_namespace("services", ns) {
            let selector = service.pointer("/spec/selector");
            if picked(&|p| map_selects(selector, labels(p).as_ref())) {
                found.push(Work::Service(key.clone()));
            }
        }
        for (key, budget) in self.cache.in_namespace("poddisruptionbudgets.policy", ns) {
            let selector = budget.pointer("/spec/selector");
            if picked(&|p| selects(selector, labels(p).as_ref())) {
                found.push(Work::Budget(key.clone()));
            }
        }
        if self.cache.in_namespace("resourcequotas", ns).next().is_some() {
            found.push(Work::Quota(ns.into()));
        }
        for work in found {
            self.add(work);
        }
    }

    fn node_changed(&mut self, change: &Change, gone: bool) {
        let node = &change.object;
        let name = object::name(node);
        if gone {
            node::node_deleted(self, &name.into());
        } else {
            self.add(Work::Node(name.into()));
        }
        let matters = |n: &Value| {
            (
                n.pointer("/metadata/labels").cloned(),
                n.get("spec").cloned(),
                n.pointer("/status/allocatable").cloned(),
            )
        };
        if gone || change.old.as_ref().is_none_or(|old| matters(old) != matters(node)) {
            let sets: Vec<Key> = self.cache.all("daemonsets.apps").map(|(k, _)| k.clone()).collect();
            for key in sets {
                self.add(Work::DaemonSet(key));
            }
            self.retry_pending();
        }
    }

    /// Lets the scheduler try pending pods again.
    pub(crate) fn retry_pending(&mut self) {
        if !self.pending.is_empty() {
            scheduler::misplaced_retry(self);
            self.add(Work::Schedule);
        }
    }
}

/// Whether a pod change matters to endpoints, budgets or quotas.
fn seen_by_services(old: Option<&Object>, pod: &Value) -> bool {
    let Some(old) = old else { return true };
    let view = |p: &Value| {
        (
            p.pointer("/metadata/labels").cloned(),
            p.pointer("/metadata/deletionTimestamp").is_some(),
            text(p, "/status/podIP").to_owned(),
            text(p, "/status/phase").to_owned(),
            object::ready(p),
        )
    };
    view(old) != view(pod)
}
