//! What the World does not keep and rules need: what objects looked like before, and when containers restarted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::world::{Change, Kind, Meta, ObjectRef, Template, Text, Time, Uid, What, World};

use super::finding::WhatChanged;
use crate::judge::Past;
use crate::judge::fleet::{Fleet, Share};
use crate::judge::limits::{Thresholds, seconds};
use crate::judge::node::{driver, ready};
use crate::judge::text;
use crate::judge::workload::template_change;

/// Changes remembered, in all.
const CHANGES: usize = 4096;
/// Writes of one ConfigMap within this time of each other are one change.
const AGAIN: Duration = Duration::from_secs(60);
/// A write that the object's managers date this near is the one just seen.
const WRITTEN: Duration = Duration::from_secs(15);
/// Restart times remembered of one container.
const RESTARTS: usize = 8;

/// What a node was when last seen.
#[derive(Clone, Debug, Default)]
struct NodeMemory {
    ready: bool,
    unschedulable: bool,
    /// The most GPUs it ever offered, and when it began to offer fewer.
    gpus: u64,
    fewer_gpus: Option<Time>,
    kubelet: Text2,
    driver: Text2,
    labels: crate::world::Labels,
    taints: Box<[crate::world::Taint]>,
    share: Share,
}

type Text2 = Option<Text>;

#[derive(Clone, Debug)]
struct WorkloadMemory {
    template: Arc<Template>,
    desired: u32,
    paused: bool,
    /// Since when fewer pods exist or are ready than asked for.
    short: Option<Time>,
}

/// The slices of a Service: by name, ready and not ready endpoints.
#[derive(Clone, Debug, Default)]
struct Endpoints {
    slices: BTreeMap<Text, (u32, u32)>,
    /// Since when none is ready; `None` where it was so when first seen.
    empty: Option<Time>,
}

/// How often a container was seen to restart.
#[derive(Clone, Debug)]
struct Restarts {
    container: Text,
    /// Its count when last seen.
    seen: u32,
    times: VecDeque<Time>,
}

#[derive(Debug, Default)]
pub struct PastStates {
    nodes: HashMap<Text, NodeMemory>,
    pub fleet: Fleet,
    workloads: HashMap<ObjectRef, WorkloadMemory>,
    /// Of each pod, its containers that ever restarted.
    restarts: HashMap<Uid, Vec<Restarts>>,
    endpoints: HashMap<ObjectRef, Endpoints>,
    /// When ConfigMaps and Secrets were last seen to be written.
    written: HashMap<ObjectRef, Time>,
    /// The limits of quotas: resource and amount as the API writes it.
    limits: HashMap<ObjectRef, Vec<(Text, Text)>>,
    changes: VecDeque<WhatChanged>,
    /// Changes not yet taken for the timeline.
    fresh: Vec<WhatChanged>,
}

/// What a change of a node means for the pods on it.
pub struct NodeTurn {
    pub readiness_changed: bool,
    /// The node's admission of pods: its taints or labels, or that it came or went.
    pub doors_changed: bool,
}

impl PastStates {
    pub fn changes(&self) -> impl Iterator<Item = &WhatChanged> {
        self.changes.iter()
    }

    /// Changes noted since this was last asked.
    pub fn take_fresh(&mut self) -> Vec<WhatChanged> {
        std::mem::take(&mut self.fresh)
    }

    /// `meta`: of the object as it is now; it says who wrote it, where that was this change.
    fn note(&mut self, what: String, object: ObjectRef, meta: Option<&Meta>, at: Time) {
        let writer = meta.and_then(|m| m.writer.as_ref());
        let wrote = writer.filter(|w| (at.0 - w.at.0).abs() <= WRITTEN.as_millis() as i64);
        let by = wrote.map_or_else(|| "".into(), |w| w.manager.clone());
        if self.changes.len() == CHANGES {
            self.changes.pop_front();
        }
        let change = WhatChanged { what: text::bounded(&what, text::TITLE), object, at, by };
        if self.fresh.len() < CHANGES {
            self.fresh.push(change.clone());
        }
        self.changes.push_back(change);
    }

    pub fn node(&mut self, world: &World, change: &Change, now: Time) -> NodeTurn {
        let name = &change.object.name;
        let Some(node) = world.nodes.find("", name) else {
            let was = self.nodes.remove(name);
            self.fleet.replace(was.as_ref().map(|w| &w.share), None);
            if was.is_some() {
                self.note("node removed".into(), change.object.clone(), None, now);
            }
            return NodeTurn { readiness_changed: was.is_some_and(|w| !w.ready), doors_changed: true };
        };
        let new = NodeMemory {
            ready: ready(node),
            unschedulable: node.unschedulable,
            gpus: node.allocatable.gpu.unwrap_or(0),
            fewer_gpus: None,
            kubelet: Some(node.info.kubelet.clone()),
            driver: driver(node).map(Text::from),
            labels: node.meta.labels.clone(),
            taints: node.taints.clone(),
            share: Share::of(node),
        };
        self.fleet.replace(self.nodes.get(name).map(|o| &o.share), Some(&new.share));
        let Some(old) = self.nodes.get_mut(name) else {
            let ready = new.ready;
            self.nodes.insert(name.clone(), new);
            return NodeTurn { readiness_changed: !ready, doors_changed: true };
        };
        let fewer_gpus = (new.gpus < old.gpus).then(|| old.fewer_gpus.unwrap_or(now));
        let kept = NodeMemory { gpus: old.gpus.max(new.gpus), fewer_gpus, ..new.clone() };
        let old = std::mem::replace(old, kept);
        let mut notes = Vec::new();
        if old.unschedulable != new.unschedulable {
            notes.push(if new.unschedulable { "cordoned" } else { "uncordoned" }.to_owned());
        }
        if old.ready != new.ready {
            notes.push(if new.ready { "became ready" } else { "became not ready" }.to_owned());
        }
        for (what, a, b) in
            [("kubelet", &old.kubelet, &new.kubelet), ("GPU driver", &old.driver, &new.driver)]
        {
            if a != b {
                let show = |t: &Text2| t.as_deref().unwrap_or("none").to_owned();
                notes.push(format!("{what} {} → {}", show(a), show(b)));
            }
        }
        if old.labels != new.labels && notes.is_empty() {
            notes.push("labels changed".into());
        }
        for note in notes {
            self.note(note, change.object.clone(), Some(&node.meta), now);
        }
        NodeTurn {
            readiness_changed: old.ready != new.ready,
            doors_changed: old.taints != new.taints || old.labels != new.labels,
        }
    }

    pub fn workload(&mut self, world: &World, change: &Change, now: Time) {
        let Some(new) = world.workload(&change.object) else {
            if self.workloads.remove(&change.object).is_some() {
                self.note(format!("{} deleted", change.object.kind), change.object.clone(), None, now);
            }
            return;
        };
        let short = new.desired > 0 && (new.current < new.desired || new.ready == 0);
        let was = self.workloads.get(&change.object).and_then(|w| w.short);
        let memory = WorkloadMemory {
            template: new.template.clone(),
            desired: new.desired,
            paused: new.paused,
            short: short.then(|| was.unwrap_or(now)),
        };
        let Some(old) = self.workloads.insert(change.object.clone(), memory) else { return };
        let meta = Some(&new.meta);
        if old.template != new.template {
            let what = template_change(&old.template, &new.template);
            self.note(what, change.object.clone(), meta, now);
        }
        if old.desired != new.desired {
            self.note(format!("scaled {} → {}", old.desired, new.desired), change.object.clone(), meta, now);
        }
        if old.paused != new.paused {
            let what = if new.paused { "rollout paused" } else { "rollout resumed" };
            self.note(what.into(), change.object.clone(), meta, now);
        }
    }

    /// Takes a slice in; the Service it belongs to.
    pub fn slice(&mut self, world: &World, change: &Change, now: Time) -> Option<ObjectRef> {
        let ns = &change.object.namespace;
        let name = &change.object.name;
        let Some(slice) = world.endpoint_slices.find(ns, name) else {
            // Slices are few per Service and rarely go: looking through them is cheaper than another index.
            let (service, e) =
                self.endpoints.iter_mut().find(|(s, e)| s.namespace == *ns && e.slices.contains_key(name))?;
            e.slices.remove(name);
            if e.slices.values().all(|(ready, _)| *ready == 0) {
                e.empty.get_or_insert(now);
            }
            return Some(service.clone());
        };
        if slice.service.is_empty() {
            return None;
        }
        let service = ObjectRef::new(Kind::Service, ns.clone(), slice.service.clone());
        let e = self.endpoints.entry(service.clone()).or_default();
        let had = e.slices.values().any(|(ready, _)| *ready > 0);
        e.slices.insert(name.clone(), (slice.ready, slice.not_ready));
        if e.slices.values().any(|(ready, _)| *ready > 0) {
            e.empty = None;
        } else if had {
            e.empty = Some(now);
        }
        Some(service)
    }

    pub fn forget_service(&mut self, service: &ObjectRef) {
        self.endpoints.remove(service);
    }

    /// ConfigMaps and Secrets: written, made or deleted while we watched.
    pub fn configuration(&mut self, world: &World, change: &Change, now: Time) {
        let meta = world.meta(&change.object);
        let what = match change.what {
            // In a list is also what has long been there.
            What::Added if !meta.is_some_and(|m| new(m, now)) => return,
            What::Added => "created",
            What::Updated => "changed",
            What::Removed(_) => "deleted",
        };
        // Locks and heartbeats kept in ConfigMaps are written every few seconds: that is told of once.
        let again = match self.written.insert(change.object.clone(), now) {
            Some(before) => what == "changed" && now < before.plus(AGAIN),
            None => false,
        };
        if what == "deleted" {
            self.written.remove(&change.object);
        }
        if !again {
            self.note(format!("{} {what}", change.object.kind), change.object.clone(), meta, now);
        }
    }

    /// A quota's limits are a change somebody made; what is used of them moves with every pod.
    pub fn quota(&mut self, world: &World, change: &Change, now: Time) {
        let object = &change.object;
        let Some(quota) = world.quotas.find(&object.namespace, &object.name) else {
            if self.limits.remove(object).is_some() {
                self.note("ResourceQuota deleted".into(), object.clone(), None, now);
            }
            return;
        };
        let new: Vec<(Text, Text)> =
            quota.amounts.iter().map(|a| (a.resource.clone(), a.hard.clone())).collect();
        let old = self.limits.insert(object.clone(), new.clone());
        let what = match old {
            None if !self::new(&quota.meta, now) => return,
            None => "ResourceQuota created".to_owned(),
            Some(old) if old == new => return,
            Some(old) => {
                let before = |r: &Text| old.iter().find(|(o, _)| o == r).map(|(_, h)| h);
                let moved = new.iter().filter(|(r, h)| before(r) != Some(h));
                let show = |h: Option<&Text>| h.map_or("none".to_owned(), |h| h.to_string());
                let moved = moved.map(|(r, h)| format!("{r} {} → {h}", show(before(r))));
                let gone = old.iter().filter(|(r, _)| !new.iter().any(|(n, _)| n == r));
                let gone = gone.map(|(r, h)| format!("{r} {h} → none"));
                moved.chain(gone).collect::<Vec<_>>().join(", ")
            }
        };
        self.note(what, object.clone(), Some(&quota.meta), now);
    }

    pub fn pod(&mut self, world: &World, change: &Change, limits: &Thresholds, now: Time) {
        match &change.what {
            What::Removed(uid) => drop(self.restarts.remove(uid)),
            _ => {
                let Some(pod) = world.pods.get(change.slot) else { return };
                let from = now.minus(seconds(limits.restart_window));
                for c in pod.containers.iter().filter(|c| c.restarts > 0) {
                    let known = self.restarts.entry(pod.meta.uid.clone()).or_default();
                    let at = known.iter().position(|r| r.container == c.spec.name).unwrap_or(known.len());
                    if at == known.len() {
                        let (container, seen) = (c.spec.name.clone(), c.restarts);
                        known.push(Restarts { container, seen, times: VecDeque::new() });
                    }
                    let of = &mut known[at];
                    for _ in of.seen..c.restarts.min(of.seen + RESTARTS as u32) {
                        of.times.push_back(now);
                    }
                    of.seen = c.restarts;
                    while of.times.len() > RESTARTS || of.times.front().is_some_and(|t| *t < from) {
                        of.times.pop_front();
                    }
                }
            }
        }
    }
}

impl Past for PastStates {
    fn most_gpus(&self, node: &str) -> u64 {
        self.nodes.get(node).map_or(0, |n| n.gpus)
    }

    fn fewer_gpus(&self, node: &str) -> Option<Time> {
        self.nodes.get(node)?.fewer_gpus
    }

    fn restarts(&self, pod: &Uid, container: &Text, from: Time) -> usize {
        let containers = self.restarts.get(pod).into_iter().flatten();
        let of = containers.filter(|c| c.container == *container);
        of.flat_map(|c| &c.times).filter(|t| **t >= from).count()
    }

    fn short_since(&self, workload: &ObjectRef) -> Option<Time> {
        self.workloads.get(workload)?.short
    }

    fn endpoints(&self, service: &ObjectRef) -> (u32, u32, Option<Time>) {
        self.endpoints.get(service).map_or((0, 0, None), |e| {
            let (ready, not) = e.slices.values().fold((0, 0), |(r, n), (a, b)| (r + a, n + b));
            (ready, not, e.empty)
        })
    }

    fn slices(&self, service: &ObjectRef) -> Vec<Text> {
        self.endpoints.get(service).into_iter().flat_map(|e| e.slices.keys().cloned()).collect()
    }

    fn fleet(&self) -> &Fleet {
        &self.fleet
    }
}

/// Made just now.
fn new(meta: &Meta, now: Time) -> bool {
    meta.created.is_some_and(|c| c.age(now) < AGAIN)
}

/// The kind's changes that touch pods through their spec.
pub(super) fn is_configuration(kind: &Kind) -> bool {
    matches!(kind, Kind::ConfigMap | Kind::Secret)
}
