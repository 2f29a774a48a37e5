//! The World: all records, their indexes, and the changes of each delta. One task owns it.

use std::collections::{BTreeMap, HashMap};

use hashbrown::HashSet;

use super::delta::{Delta, Record};
use super::platform::*;
use super::record::*;
use super::regions::Regions;
use super::restarts::Restarts;
use super::served::{MOST_ROWS, Rows};
use super::table::{Slot, Table};
use super::{Kind, ObjectRef, StreamId, StreamState, Text, Time};

/// How an object changed.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// The object is new.
    Added,
    /// The object's record differs from before.
    Updated,
    /// Deleted; holds the uid. The next delta may reuse the slot.
    Removed(Uid),
}

/// A change to one object. Rules and views follow these and never walk the whole World.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The object.
    pub object: ObjectRef,
    /// The slot of its record.
    pub slot: Slot,
    /// How it changed.
    pub what: What,
}

/// The state of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The state.
    pub state: StreamState,
    /// The time since which the stream is in it.
    pub since: Time,
}

/// All known records by kind, with the indexes that rules and views need.
#[derive(Debug, Default)]
pub struct World {
    /// Clusters beside this one.
    pub regions: Regions,
    /// Pods.
    pub pods: Table<Pod>,
    /// Nodes.
    pub nodes: Table<Node>,
    /// Events.
    pub events: Table<Event>,
    /// Deployments.
    pub deployments: Table<Workload>,
    /// ReplicaSets.
    pub replica_sets: Table<Workload>,
    /// StatefulSets.
    pub stateful_sets: Table<Workload>,
    /// DaemonSets.
    pub daemon_sets: Table<Workload>,
    /// Jobs.
    pub jobs: Table<Job>,
    /// CronJobs.
    pub cron_jobs: Table<CronJob>,
    /// Services.
    pub services: Table<Service>,
    /// EndpointSlices.
    pub endpoint_slices: Table<EndpointSlice>,
    /// PersistentVolumeClaims.
    pub claims: Table<Claim>,
    /// ResourceQuotas.
    pub quotas: Table<Quota>,
    /// PodDisruptionBudgets.
    pub budgets: Table<Budget>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Table<Autoscaler>,
    /// Namespaces.
    pub namespaces: Table<Namespace>,
    /// ConfigMaps, without their data.
    pub config_maps: Table<Configuration>,
    /// Secrets, without their data.
    pub secrets: Table<Configuration>,
    /// PersistentVolumes.
    pub volumes: Table<Volume>,
    /// StorageClasses.
    pub storage_classes: Table<StorageClass>,
    /// ResourceSlices.
    pub resource_slices: Table<ResourceSlice>,
    /// Ingresses.
    pub ingresses: Table<Ingress>,
    /// IngressClasses.
    pub ingress_classes: Table<IngressClass>,
    /// NetworkPolicies.
    pub network_policies: Table<NetworkPolicy>,
    /// APIServices.
    pub api_services: Table<ApiService>,
    /// CustomResourceDefinitions.
    pub custom_resources: Table<CustomResource>,
    /// ValidatingWebhookConfigurations.
    pub validating_webhooks: Table<WebhookConfiguration>,
    /// MutatingWebhookConfigurations.
    pub mutating_webhooks: Table<WebhookConfiguration>,
    /// The server's tables of the kinds that a view shows.
    pub served: BTreeMap<Kind, Rows>,
    /// The restarts of the last hour.
    pub restarts: Restarts,
    /// The last readings of telemetry sources.
    pub readings: super::Readings,
    /// The state of each stream.
    pub streams: BTreeMap<StreamId, Stream>,
    /// Kinds (and namespaces) whose first list is complete.
    synced: HashSet<(Kind, Text)>,
    /// The running list passes, by kind and namespace.
    pub(super) passes: HashMap<(Kind, Text), u32>,
    pass: u32,
    pods_by_node: HashMap<Text, HashSet<Slot>>,
    /// Pods by the uid of their controller.
    pods_by_owner: HashMap<Uid, HashSet<Slot>>,
    replica_sets_by_owner: HashMap<Uid, HashSet<Slot>>,
    deployments_in: HashMap<Text, HashSet<Slot>>,
    stateful_sets_in: HashMap<Text, HashSet<Slot>>,
    daemon_sets_in: HashMap<Text, HashSet<Slot>>,
    events_by_object: HashMap<ObjectRef, HashSet<Slot>>,
}

impl World {
    /// An empty World.
    pub fn new() -> World {
        World::default()
    }

    /// Applies one delta and appends its changes. An apply of an unchanged object appends nothing.
    pub fn apply(&mut self, delta: Delta, changes: &mut Vec<Change>) {
        let before = changes.len();
        self.take(delta, changes);
        for change in changes[before..].iter().filter(|c| matches!(c.what, What::Removed(_))) {
            self.readings.forget(&change.object);
        }
    }

    fn take(&mut self, delta: Delta, changes: &mut Vec<Change>) {
        match delta {
            Delta::ListStart { kind, namespace } => {
                self.pass += 1;
                self.passes.insert((kind, namespace), self.pass);
            }
            Delta::ListEnd { kind, namespace } => {
                if let Some(pass) = self.passes.remove(&(kind.clone(), namespace.clone())) {
                    for slot in self.unseen(&kind, pass, &namespace) {
                        self.remove(&kind, slot, changes);
                    }
                }
                self.synced.insert((kind, namespace));
            }
            Delta::Columns { kind, columns } => {
                if let Some(rows) = self.served.get_mut(&kind) {
                    rows.columns = columns;
                }
            }
            Delta::Apply(record) => self.put(record, changes),
            Delta::Delete { object, uid } => {
                if let Some((slot, have)) = self.locate(&object)
                    && (have == uid || uid == Uid::default())
                {
                    self.remove(&object.kind, slot, changes);
                }
            }
            Delta::Stream { id, state, at } => {
                let since = match self.streams.get(&id) {
                    Some(s) if std::mem::discriminant(&s.state) == std::mem::discriminant(&state) => s.since,
                    _ => at,
                };
                self.streams.insert(id, Stream { state, since });
            }
        }
    }

    /// Stores the server's table of a kind until `close`.
    pub fn open(&mut self, kind: Kind) {
        self.served.entry(kind).or_default();
    }

    /// Drops the server's table of a kind and the states of its streams.
    pub fn close(&mut self, kind: &Kind) {
        self.served.remove(kind);
        self.synced.retain(|(k, _)| k != kind);
        self.passes.retain(|(k, _), _| k != kind);
        self.streams.retain(|id, _| !matches!(id, StreamId::Watch { kind: k, .. } if k == kind));
    }

    /// Whether a first list of the kind is complete, in any scope.
    pub fn synced(&self, kind: &Kind) -> bool {
        self.synced.iter().any(|(k, _)| k == kind)
    }

    /// Whether the first list of one scope is complete: a namespace, or the whole cluster (empty).
    pub fn synced_in(&self, kind: &Kind, namespace: &Text) -> bool {
        // The clones are cheap enough: no hot path calls this.
        self.synced.contains(&(kind.clone(), namespace.clone()))
    }

    /// The pods on a node.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = (Slot, &Pod)> {
        slots(self.pods_by_node.get(node), &self.pods)
    }

    /// The pods whose controller has this uid.
    pub fn pods_of(&self, owner: &Uid) -> impl Iterator<Item = (Slot, &Pod)> {
        slots(self.pods_by_owner.get(owner), &self.pods)
    }

    /// The ReplicaSets of a Deployment.
    pub fn replica_sets_of(&self, owner: &Uid) -> impl Iterator<Item = (Slot, &Workload)> {
        slots(self.replica_sets_by_owner.get(owner), &self.replica_sets)
    }

    /// The Deployments, StatefulSets and DaemonSets of a namespace.
    pub fn workloads_in(&self, namespace: &str) -> impl Iterator<Item = &Workload> {
        let deployments = slots(self.deployments_in.get(namespace), &self.deployments);
        let stateful = slots(self.stateful_sets_in.get(namespace), &self.stateful_sets);
        let daemons = slots(self.daemon_sets_in.get(namespace), &self.daemon_sets);
        deployments.chain(stateful).chain(daemons).map(|(_, w)| w)
    }

    /// The events about an object, newest first.
    pub fn events_of(&self, object: &ObjectRef) -> Vec<&Event> {
        let mut out: Vec<&Event> =
            slots(self.events_by_object.get(&object.by_word()), &self.events).map(|(_, e)| e).collect();
        out.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.meta.name.cmp(&b.meta.name)));
        out
    }

    /// The table of a workload kind; `None` for other kinds.
    pub fn workloads(&self, kind: &Kind) -> Option<&Table<Workload>> {
        match kind {
            Kind::Deployment => Some(&self.deployments),
            Kind::ReplicaSet => Some(&self.replica_sets),
            Kind::StatefulSet => Some(&self.stateful_sets),
            Kind::DaemonSet => Some(&self.daemon_sets),
            _ => None,
        }
    }

    /// The record of a workload.
    pub fn workload(&self, object: &ObjectRef) -> Option<&Workload> {
        self.workloads(&object.kind)?.find(&object.namespace, &object.name)
    }

    /// The owners of an object, nearest first, as far as the World holds them.
    pub fn owners(&self, object: &ObjectRef) -> impl Iterator<Item = ObjectRef> {
        let above = |at: &ObjectRef| {
            let owner = self.meta(at)?.owner.clone()?;
            Some(ObjectRef { kind: owner.kind, namespace: at.namespace.clone(), name: owner.name })
        };
        // Owner chains are at most pod → ReplicaSet → Deployment → custom resource. The limit also ends a cycle.
        std::iter::successors(above(object), above).take(8)
    }

    /// The top of the owner chain, such as the Deployment above a pod's ReplicaSet or the CronJob above its
    /// Job. It is the object itself if the World holds no owner.
    pub fn root(&self, object: &ObjectRef) -> ObjectRef {
        self.owners(object).last().unwrap_or_else(|| object.clone())
    }

    /// The Deployment, StatefulSet or DaemonSet that rolls the object out: itself, or the nearest above it.
    pub fn rolled_by(&self, object: &ObjectRef) -> Option<ObjectRef> {
        let rolls = |o: &ObjectRef| matches!(o.kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet);
        std::iter::once(object.clone()).chain(self.owners(object)).find(rolls)
    }

    fn put(&mut self, record: Record, changes: &mut Vec<Change>) {
        let pass = self.pass;
        macro_rules! put {
            ($table:ident, $record:expr) => {{
                let object = $record.reference();
                let (slot, old) = self.$table.put(*$record, pass);
                if !append_change(&self.$table, object, slot, &old, changes) {
                    return;
                }
                (slot, old)
            }};
        }
        match record {
            Record::Pod(r) => {
                let (slot, old) = put!(pods, r);
                let Some(new) = self.pods.get(slot) else { return };
                // A pod recreated under the same name is a different pod.
                let same = old.as_ref().filter(|o| o.meta.uid == new.meta.uid);
                if let (None, Some(gone)) = (same, &old) {
                    self.restarts.forget(&gone.meta.uid);
                }
                self.restarts.note(same, new);
                reindex(
                    &mut self.pods_by_node,
                    slot,
                    old.as_ref().filter(|o| !o.node.is_empty()).map(|o| &o.node),
                    Some(&new.node).filter(|n| !n.is_empty()),
                );
                reindex(&mut self.pods_by_owner, slot, old.as_ref().and_then(owner_uid), owner_uid(new));
            }
            Record::Event(r) => {
                let (slot, old) = put!(events, r);
                let new = self.events.get(slot).map(|e| &e.regarding);
                reindex(&mut self.events_by_object, slot, old.as_ref().map(|e| &e.regarding), new);
            }
            Record::Workload(r) => match r.kind {
                Kind::ReplicaSet => {
                    let (slot, old) = put!(replica_sets, r);
                    let new = self.replica_sets.get(slot).and_then(owner_uid);
                    reindex(&mut self.replica_sets_by_owner, slot, old.as_ref().and_then(owner_uid), new);
                }
                Kind::StatefulSet => {
                    let (slot, old) = put!(stateful_sets, r);
                    let new = self.stateful_sets.get(slot).map(|w| &w.meta.namespace);
                    reindex(&mut self.stateful_sets_in, slot, old.as_ref().map(|w| &w.meta.namespace), new);
                }
                Kind::DaemonSet => {
                    let (slot, old) = put!(daemon_sets, r);
                    let new = self.daemon_sets.get(slot).map(|w| &w.meta.namespace);
                    reindex(&mut self.daemon_sets_in, slot, old.as_ref().map(|w| &w.meta.namespace), new);
                }
                _ => {
                    let (slot, old) = put!(deployments, r);
                    let new = self.deployments.get(slot).map(|w| &w.meta.namespace);
                    reindex(&mut self.deployments_in, slot, old.as_ref().map(|w| &w.meta.namespace), new);
                }
            },
            Record::Node(r) => drop(put!(nodes, r)),
            Record::Job(r) => drop(put!(jobs, r)),
            Record::CronJob(r) => drop(put!(cron_jobs, r)),
            Record::Service(r) => drop(put!(services, r)),
            Record::EndpointSlice(r) => drop(put!(endpoint_slices, r)),
            Record::Claim(r) => drop(put!(claims, r)),
            Record::Quota(r) => drop(put!(quotas, r)),
            Record::Budget(r) => drop(put!(budgets, r)),
            Record::Autoscaler(r) => drop(put!(autoscalers, r)),
            Record::Namespace(r) => drop(put!(namespaces, r)),
            Record::Configuration(r) => match r.kind {
                Kind::Secret => drop(put!(secrets, r)),
                _ => drop(put!(config_maps, r)),
            },
            Record::Volume(r) => drop(put!(volumes, r)),
            Record::StorageClass(r) => drop(put!(storage_classes, r)),
            Record::ResourceSlice(r) => drop(put!(resource_slices, r)),
            Record::Ingress(r) => drop(put!(ingresses, r)),
            Record::IngressClass(r) => drop(put!(ingress_classes, r)),
            Record::NetworkPolicy(r) => drop(put!(network_policies, r)),
            Record::ApiService(r) => drop(put!(api_services, r)),
            Record::CustomResource(r) => drop(put!(custom_resources, r)),
            Record::WebhookConfiguration(r) => match r.kind {
                Kind::MutatingWebhookConfiguration => drop(put!(mutating_webhooks, r)),
                _ => drop(put!(validating_webhooks, r)),
            },
            Record::Served(r) => {
                let Some(served) = self.served.get_mut(&r.kind) else { return };
                let object = r.reference();
                if served.rows.len() >= MOST_ROWS
                    && served.rows.slot(&object.namespace, &object.name).is_none()
                {
                    served.full = true;
                    return;
                }
                let (slot, old) = served.rows.put(*r, pass);
                append_change(&served.rows, object, slot, &old, changes);
            }
        }
    }

    fn remove(&mut self, kind: &Kind, slot: Slot, changes: &mut Vec<Change>) {
        macro_rules! remove {
            ($table:ident) => {{
                let Some(old) = self.$table.remove(slot) else { return };
                changes.push(Change {
                    object: old.reference(),
                    slot,
                    what: What::Removed(old.meta.uid.clone()),
                });
                old
            }};
        }
        if let Some(served) = self.served.get_mut(kind) {
            let Some(old) = served.rows.remove(slot) else { return };
            changes.push(Change { object: old.reference(), slot, what: What::Removed(old.meta.uid) });
            return;
        }
        match kind {
            Kind::Pod => {
                let old = remove!(pods);
                self.restarts.forget(&old.meta.uid);
                reindex(&mut self.pods_by_node, slot, Some(&old.node), None);
                reindex(&mut self.pods_by_owner, slot, owner_uid(&old), None);
            }
            Kind::Event => {
                let old = remove!(events);
                reindex(&mut self.events_by_object, slot, Some(&old.regarding), None);
            }
            Kind::ReplicaSet => {
                let old = remove!(replica_sets);
                reindex(&mut self.replica_sets_by_owner, slot, owner_uid(&old), None);
            }
            Kind::Node => drop(remove!(nodes)),
            Kind::Deployment => {
                let old = remove!(deployments);
                reindex(&mut self.deployments_in, slot, Some(&old.meta.namespace), None);
            }
            Kind::StatefulSet => {
                let old = remove!(stateful_sets);
                reindex(&mut self.stateful_sets_in, slot, Some(&old.meta.namespace), None);
            }
            Kind::DaemonSet => {
                let old = remove!(daemon_sets);
                reindex(&mut self.daemon_sets_in, slot, Some(&old.meta.namespace), None);
            }
            Kind::Job => drop(remove!(jobs)),
            Kind::CronJob => drop(remove!(cron_jobs)),
            Kind::Service => drop(remove!(services)),
            Kind::EndpointSlice => drop(remove!(endpoint_slices)),
            Kind::PersistentVolumeClaim => drop(remove!(claims)),
            Kind::ResourceQuota => drop(remove!(quotas)),
            Kind::PodDisruptionBudget => drop(remove!(budgets)),
            Kind::HorizontalPodAutoscaler => drop(remove!(autoscalers)),
            Kind::Namespace => drop(remove!(namespaces)),
            Kind::ConfigMap => drop(remove!(config_maps)),
            Kind::Secret => drop(remove!(secrets)),
            Kind::PersistentVolume => drop(remove!(volumes)),
            Kind::StorageClass => drop(remove!(storage_classes)),
            Kind::ResourceSlice => drop(remove!(resource_slices)),
            Kind::Ingress => drop(remove!(ingresses)),
            Kind::IngressClass => drop(remove!(ingress_classes)),
            Kind::NetworkPolicy => drop(remove!(network_policies)),
            Kind::APIService => drop(remove!(api_services)),
            Kind::CustomResourceDefinition => drop(remove!(custom_resources)),
            Kind::ValidatingWebhookConfiguration => drop(remove!(validating_webhooks)),
            Kind::MutatingWebhookConfiguration => drop(remove!(mutating_webhooks)),
            Kind::Served(_) | Kind::Other(_) => {}
        }
    }
}

/// Appends the change of a stored record; false if nothing changed.
fn append_change<T: Object + PartialEq>(
    table: &Table<T>,
    object: ObjectRef,
    slot: Slot,
    old: &Option<T>,
    changes: &mut Vec<Change>,
) -> bool {
    let new = table.get(slot);
    let what = match old {
        None => What::Added,
        Some(_) if new == old.as_ref() => return false,
        // The object was recreated under the same name while the watch was down.
        Some(old) if new.is_some_and(|n| n.meta().uid != old.meta().uid) => {
            let what = What::Removed(old.meta().uid.clone());
            changes.push(Change { object: object.clone(), slot, what });
            What::Added
        }
        Some(_) => What::Updated,
    };
    changes.push(Change { object, slot, what });
    true
}

fn owner_uid<T: Object>(record: &T) -> Option<&Uid> {
    record.meta().owner.as_ref().map(|o| &o.uid)
}

fn slots<'a, T: Object>(
    index: Option<&'a HashSet<Slot>>,
    table: &'a Table<T>,
) -> impl Iterator<Item = (Slot, &'a T)> {
    index.into_iter().flatten().filter_map(|s| table.get(*s).map(|r| (*s, r)))
}

fn reindex<K: Eq + std::hash::Hash + Clone>(
    index: &mut HashMap<K, HashSet<Slot>>,
    slot: Slot,
    old: Option<&K>,
    new: Option<&K>,
) {
    if old == new {
        return;
    }
    if let Some(old) = old
        && let Some(set) = index.get_mut(old)
    {
        set.remove(&slot);
        if set.is_empty() {
            index.remove(old);
        }
    }
    if let Some(new) = new {
        index.entry(new.clone()).or_default().insert(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, uid: &str, node: &str) -> Record {
        Record::Pod(Box::new(Pod {
            meta: Meta { namespace: "prod".into(), name: name.into(), uid: uid.into(), ..Meta::default() },
            node: node.into(),
            ..Pod::default()
        }))
    }

    #[test]
    fn a_relist_sweeps_what_it_did_not_name_and_a_late_delete_spares_the_successor() {
        let (mut w, mut c) = (World::new(), Vec::new());
        let all = || (Kind::Pod, Text::from(""));
        w.apply(Delta::Apply(pod("a", "1", "n1")), &mut c);
        w.apply(Delta::Apply(pod("b", "2", "n1")), &mut c);
        assert_eq!(w.pods_on("n1").count(), 2);

        let (kind, namespace) = all();
        w.apply(Delta::ListStart { kind, namespace }, &mut c);
        w.apply(Delta::Apply(pod("b", "3", "n2")), &mut c);
        assert_eq!(w.pods.len(), 2, "nothing goes before the list is complete");
        let what: Vec<&What> = c.iter().rev().take(2).map(|c| &c.what).collect();
        assert_eq!(what, [&What::Added, &What::Removed("2".into())], "recreated under its name");
        c.clear();
        let (kind, namespace) = all();
        w.apply(Delta::ListEnd { kind, namespace }, &mut c);
        assert_eq!(w.pods.len(), 1);
        assert_eq!(c.len(), 1);
        assert_eq!((w.pods_on("n1").count(), w.pods_on("n2").count()), (0, 1));

        let b = ObjectRef::new(Kind::Pod, "prod", "b");
        w.apply(Delta::Delete { object: b.clone(), uid: "2".into() }, &mut c);
        assert_eq!(w.pods.len(), 1, "the delete was of the one before");
        w.apply(Delta::Delete { object: b, uid: "3".into() }, &mut c);
        assert!(w.pods.is_empty());
        assert_eq!(w.pods_on("n2").count(), 0);
    }

    #[test]
    fn an_apply_that_changes_nothing_reports_nothing() {
        let (mut w, mut c) = (World::new(), Vec::new());
        w.apply(Delta::Apply(pod("a", "1", "n1")), &mut c);
        w.apply(Delta::Apply(pod("a", "1", "n1")), &mut c);
        assert_eq!(c.len(), 1);
    }

    fn crashed(uid: &str, restarts: u32, finished: i64) -> Record {
        let Record::Pod(mut pod) = self::pod("jvm", uid, "n1") else { unreachable!() };
        let spec = ContainerSpec {
            name: "app".into(),
            image: "i".into(),
            role: Role::App,
            requests: Resources::default(),
            limits: Resources::default(),
            ports: Box::default(),
            liveness: None,
            readiness: None,
            startup: None,
            ..ContainerSpec::default()
        };
        let last = Terminated {
            exit_code: 137,
            signal: 0,
            reason: "OOMKilled".into(),
            message: "".into(),
            started: None,
            finished: Some(Time(finished * 1000)),
        };
        pod.containers = Box::new([Container {
            spec: spec.into(),
            ready: false,
            started: None,
            restarts,
            state: ContainerState::None,
            last: Some(last.into()),
        }]);
        Record::Pod(pod)
    }

    #[test]
    fn restarts_are_remembered_for_an_hour_and_die_with_their_pod() {
        let (mut w, mut c) = (World::new(), Vec::new());
        let since = |w: &World, uid: &str, s: i64| w.restarts.since(&uid.into(), Time(s * 1000));
        w.apply(Delta::Apply(crashed("1", 8, 1000)), &mut c);
        assert_eq!(since(&w, "1", 0), 1, "when the seven before happened nobody knows");
        w.apply(Delta::Apply(crashed("1", 10, 1300)), &mut c);
        w.apply(Delta::Apply(crashed("1", 10, 1300)), &mut c);
        assert_eq!((since(&w, "1", 0), since(&w, "1", 1200)), (3, 2));
        w.apply(Delta::Apply(crashed("1", 11, 1300 + 3601)), &mut c);
        assert_eq!(since(&w, "1", 0), 1);
        w.apply(Delta::Apply(crashed("2", 0, 0)), &mut c);
        assert_eq!(since(&w, "1", 0), 0, "another pod under the same name");
    }
}
