//! Signals folded by root cause: each group is one line of the findings pane.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::world::{Kind, ObjectRef, Text, Time};

use super::finding::{Finding, State};
use crate::judge::text::{self, bounded};
use crate::judge::{Diagnosed, Diagnosis, Evidence, Key, Part, Severity};

/// Pieces of evidence kept on a finding.
const EVIDENCE: usize = 10;

#[derive(Debug, Default)]
pub struct Group {
    pub members: BTreeMap<ObjectRef, Diagnosis>,
    /// As last built.
    pub finding: Option<Arc<Finding>>,
    /// When it lost its last member.
    pub left: Option<Time>,
}

#[derive(Debug, Default)]
pub struct Groups {
    groups: HashMap<Key, Group>,
    objects: HashMap<ObjectRef, Vec<Key>>,
    by_root: HashMap<ObjectRef, BTreeSet<Key>>,
    /// Sick pods by namespace, and sick Services.
    pods: HashMap<Text, BTreeSet<ObjectRef>>,
    services: HashMap<Text, BTreeSet<ObjectRef>>,
    pub dirty: BTreeSet<Key>,
}

impl Groups {
    /// The findings whose cure is at that object.
    pub fn at_root(&self, root: &ObjectRef) -> impl Iterator<Item = &Key> {
        self.by_root.get(root).into_iter().flatten()
    }

    pub fn get(&self, key: &Key) -> Option<&Group> {
        self.groups.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Group)> {
        self.groups.iter()
    }

    /// Has every finding built again.
    pub fn dirty_all(&mut self) {
        self.dirty.extend(self.groups.keys().cloned());
    }

    /// Services of the namespace that have a share in a finding.
    pub fn sick_services(&self, namespace: &str) -> impl Iterator<Item = &ObjectRef> {
        self.services.get(namespace).into_iter().flatten()
    }

    /// Pods that have a share in a finding, whatever their namespace.
    pub fn all_sick_pods(&self) -> impl Iterator<Item = &ObjectRef> {
        self.pods.values().flatten()
    }

    pub fn signal(&self, key: &Key, object: &ObjectRef) -> Option<&Diagnosis> {
        self.groups.get(key)?.members.get(object)
    }

    pub fn is_sick(&self, object: &ObjectRef) -> bool {
        self.objects.contains_key(object)
    }

    /// Replaces what is said of an object. `true` where anything of it is new.
    pub fn replace(&mut self, object: &ObjectRef, signals: Vec<Diagnosis>, now: Time) -> bool {
        let old = self.objects.remove(object).unwrap_or_default();
        let mut keys: Vec<Key> = Vec::with_capacity(signals.len());
        let mut changed = false;
        for mut signal in signals {
            if keys.contains(&signal.key) {
                continue;
            }
            let key = signal.key.clone();
            keys.push(key.clone());
            let group = self.groups.entry(key.clone()).or_default();
            if let Some(was) = group.members.get(object) {
                // What began does not begin later because it is looked at again.
                signal.since = signal.since.min(was.since);
                signal.fires_at = signal.fires_at.min(was.fires_at);
                if *was == signal {
                    continue;
                }
            }
            group.members.insert(object.clone(), signal);
            group.left = None;
            self.by_root.entry(key.root.clone()).or_default().insert(key.clone());
            self.dirty.insert(key);
            changed = true;
        }
        for key in old.into_iter().filter(|k| !keys.contains(k)) {
            if let Some(group) = self.groups.get_mut(&key) {
                group.members.remove(object);
                if group.members.is_empty() {
                    // What is explained otherwise now (its ReplicaSet came, its log answered) is not listed twice.
                    group.left = Some(if keys.is_empty() { now } else { Time(0) });
                }
            }
            self.dirty.insert(key);
            changed = true;
        }
        let by_namespace = match object.kind {
            Kind::Pod => Some(&mut self.pods),
            Kind::Service => Some(&mut self.services),
            _ => None,
        };
        if let Some(index) = by_namespace {
            let set = index.entry(object.namespace.clone()).or_default();
            if keys.is_empty() {
                set.remove(object);
                if set.is_empty() {
                    index.remove(&object.namespace);
                }
            } else {
                set.insert(object.clone());
            }
        }
        if !keys.is_empty() {
            self.objects.insert(object.clone(), keys);
        }
        changed
    }

    pub fn group_mut(&mut self, key: &Key) -> Option<&mut Group> {
        self.groups.get_mut(key)
    }

    pub fn remove(&mut self, key: &Key) {
        self.groups.remove(key);
        if let Some(set) = self.by_root.get_mut(&key.root) {
            set.remove(key);
            if set.is_empty() {
                self.by_root.remove(&key.root);
            }
        }
    }
}

impl Diagnosed for Groups {
    fn of(&self, object: &ObjectRef) -> &[Key] {
        self.objects.get(object).map_or(&[], Vec::as_slice)
    }

    fn severity(&self, key: &Key) -> Severity {
        let members = self.groups.get(key).into_iter().flat_map(|g| g.members.values());
        members.map(|s| s.severity).max().unwrap_or(Severity::Info)
    }

    fn sick_pods(&self, namespace: &str) -> Vec<(&ObjectRef, &[Key])> {
        self.pods.get(namespace).into_iter().flatten().map(|o| (o, self.of(o))).collect()
    }
}

/// The finding that a group's members make, and when it fires where it is pending.
pub fn build(key: &Key, group: &Group, now: Time) -> Option<(Finding, Option<Time>)> {
    let best = |part: Part| {
        group
            .members
            .iter()
            .filter(move |(_, s)| s.part == part)
            .max_by(|a, b| (a.1.severity, b.1.since, b.0).cmp(&(b.1.severity, a.1.since, a.0)))
    };
    let overlay = best(Part::Overlay);
    let member = best(Part::Member);
    // Who proves the cause, and who names the rule and the object.
    let (object, origin) =
        member.or(overlay).or_else(|| best(Part::Victim)).or_else(|| best(Part::Consequence))?;
    let (head, lead) = overlay.unwrap_or((object, origin));

    let part = |p: Part| group.members.iter().filter(move |(_, s)| s.part == p);
    let affected = group.members.iter().filter(|(o, _)| o.kind == Kind::Pod).count();
    let count = if affected > 0 { affected } else { part(Part::Member).count().max(1) };
    let telling = |s: &&Diagnosis| s.part != Part::Victim || member.is_none() && overlay.is_none();
    let severity = group.members.values().filter(telling).map(|s| s.severity).max().unwrap_or(Severity::Info);
    // What follows from it may be older than it is known to be (a Service first seen empty), or waits by itself.
    let proved =
        |s: &&Diagnosis| matches!(s.part, Part::Member | Part::Overlay) || member.or(overlay).is_none();
    let its = || group.members.values().filter(telling).filter(proved);
    let since = its().map(|s| s.since).min().unwrap_or(now);
    let fires = its().map(|s| s.fires_at).min().unwrap_or(now);

    let mut evidence: Vec<Evidence> = Vec::new();
    let mut add = |from: &[Evidence]| {
        for e in from {
            if evidence.len() < EVIDENCE
                && !evidence.iter().any(|h| h.quote == e.quote && h.source == e.source)
            {
                evidence.push(e.clone());
            }
        }
    };
    add(&origin.evidence);
    if let Some((_, o)) = overlay {
        add(&o.evidence);
    }
    for (_, s) in part(Part::Consequence).take(4) {
        add(&s.evidence);
    }

    let root = (key.root != *head).then(|| key.root.clone());
    let title = if count > 1 && &*key.family == "proxy.restarting" {
        let more = format!("kube-proxy restarts on {count} nodes: ");
        origin.title.replacen("kube-proxy restarts: ", &more, 1)
    } else {
        origin.title.clone()
    };
    let severity = match (&*key.family, count) {
        ("proxy.restarting", 3..) => Severity::Critical,
        _ => severity,
    };
    // A Job that failed says nothing of what its pods waited for; their logs do.
    let follows = || part(Part::Consequence).find_map(|(_, s)| s.waits_for.clone());
    let waits_for = origin.waits_for.clone().or_else(follows);
    let state = if now >= fires { State::Firing } else { State::Pending };
    let finding = Finding {
        key: key.clone(),
        rule: lead.rule.clone(),
        cause: origin.cause.clone(),
        severity,
        object: head.clone(),
        root,
        container: origin.container.clone(),
        sure: origin.sure,
        title: bounded(&title, text::TITLE),
        row: origin.row.clone(),
        evidence,
        since,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        state,
        changed: Vec::new(),
        playbook: lead.playbook.clone(),
        fold: origin.fold.clone(),
        waits_for: waits_for.filter(|o| *o != key.root),
        with: Vec::new(),
        quiet: None,
    };
    Some((finding, (state == State::Pending).then_some(fires)))
}
