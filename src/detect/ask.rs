//! What the judge says when somebody asks about one object: the answer behind `diagnose` and every decision tree.

use std::collections::BTreeSet;

use super::detector::Detector;
use super::finding::{Finding, State};
use crate::judge::answer::{self, Answer, Found};
use crate::judge::text::{TITLE, bounded};
use crate::judge::{Diagnosed, Diagnosis, Evidence, Key, Out, Part, Sure, judge, roles};
use crate::world::{Kind, Object, ObjectRef, Phase, Pod, Time, World};

/// Pods of a workload whose logs are read because somebody asks about the workload.
const READ: usize = 3;
/// Objects that somebody asked about last and whose logs are followed.
const FOLLOWED: usize = 32;

impl Detector {
    /// Somebody asks about an object: the logs of its running containers are worth a read, and `wanted_logs` has them.
    /// What that changes is reported by the next `on_timer`, which is due at once.
    pub fn ask(&mut self, world: &World, object: &ObjectRef, now: Time) {
        let running = |p: &Pod| p.phase == Phase::Running && p.meta.deleting.is_none();
        let pods = pods_of(world, object).into_iter().filter(|p| running(p)).take(READ);
        let pods: Vec<ObjectRef> = pods.map(Object::reference).collect();
        if self.asked.len() + pods.len() > FOLLOWED {
            self.asked.clear();
        }
        for pod in pods {
            self.asked.insert(pod.clone());
            self.queue(pod);
        }
        self.unreported = self.settle(world, now);
        self.just_asked = true;
    }

    /// What is wrong with the object: the causes of its findings and of its parts, as `scan` lists them.
    pub fn answer(&self, world: &World, object: &ObjectRef, now: Time) -> Answer {
        let mut keys: Vec<&Key> = self.groups.of(object).iter().chain(self.groups.at_root(object)).collect();
        let parts = parts_of(world, object);
        keys.extend(parts.iter().flat_map(|o| self.groups.of(o)));
        let above = speaker(world, object);
        keys.extend(above.iter().flat_map(|o| self.groups.of(o)));
        let mut seen = BTreeSet::new();
        keys.retain(|k| seen.insert(*k));
        let mut answer = Answer {
            causes: keys.into_iter().filter_map(|k| self.found(k, object)).collect(),
            waiting: self.waits_for_logs(world, object) || self.waits_for_secrets(world, object),
            unseen: [
                answer::unseen(world, object),
                self.unread_secrets(world, object),
                self.unread_logs(world, object),
            ]
            .concat(),
            ruled: answer::ruled(&object.kind),
        };
        if answer.causes.is_empty() {
            answer.causes = self.asked_alone(world, object, now);
        }
        if answer.causes.is_empty() {
            answer.causes.extend(self.brought_about(object));
        }
        answer.sort();
        if let Some(own) = self.unserved(object) {
            // What its callers see comes first; why its pods are not ready follows.
            answer.causes.insert(0, own);
        }
        answer
    }

    /// The first trouble of an incident whose root this object is, where nothing speaks against the object itself: a driver
    /// that was rolled out is well, and the nodes have lost their GPUs.
    fn brought_about(&self, object: &ObjectRef) -> Option<Found> {
        let incident = self.incidents().iter().find(|i| i.root == *object)?;
        let first = self.findings().get(*incident.findings.first()?)?;
        if first.state == State::Resolving {
            return None;
        }
        let mut found = of_finding(first, std::iter::empty());
        found.blamed = object.clone();
        // The connection of the two is judged, not observed.
        found.sure = Sure::Likely;
        let change = incident.changed.iter().find(|c| c.object == *object);
        found.evidence.extend(change.map(|c| Evidence {
            source: "what changed before".into(),
            object: c.object.clone(),
            at: Some(c.at),
            quote: c.what.clone(),
        }));
        Some(found)
    }

    /// The Service's own trouble where its pods' trouble is behind it: callers find nobody, for that reason.
    fn unserved(&self, object: &ObjectRef) -> Option<Found> {
        if object.kind != Kind::Service {
            return None;
        }
        let mut groups = self.groups.of(object).iter().filter_map(|k| self.groups.get(k));
        let (own, why) = groups.find_map(|g| {
            let own = g.members.get(object).filter(|d| d.part == Part::Consequence)?;
            let why = g.finding.as_ref().filter(|f| f.state != State::Resolving)?;
            // A name server without a pod is more than a Service without endpoints, and has a cause of its own.
            (*why.cause != *roles::DNS_COREDNS).then_some((own, why))
        })?;
        let mut found = of_diagnosis(own, object);
        found.blamed = why.fix().clone();
        found.sure = why.sure;
        found.title = bounded(&format!("{}: {}: {}", own.title, why.fix(), why.title), TITLE);
        found.evidence.extend(why.evidence.iter().cloned());
        Some(found)
    }

    /// Logs of running containers that were asked for and could not be read.
    fn unread_logs(&self, world: &World, object: &ObjectRef) -> Vec<(String, String)> {
        let pods = pods_of(world, object).into_iter().filter(|p| self.asked.contains(&p.reference()));
        let logs = pods.flat_map(|p| p.containers.iter().map(move |c| (p, &c.spec.name)));
        let unread = logs.filter_map(|(p, container)| {
            let why = self.logs.answers.running(&p.reference(), container)?.absent.clone()?;
            Some((format!("log of container {container} of pod {}", p.meta.name), why))
        });
        unread.collect()
    }

    fn waits_for_logs(&self, world: &World, object: &ObjectRef) -> bool {
        let root = world.root(object);
        let pods: Vec<ObjectRef> = pods_of(world, object).into_iter().map(Object::reference).collect();
        let waits = |p: &ObjectRef| self.logs.waits_for(&world.root(p)) || self.logs.waits_for_running(p);
        self.logs.waits_for(&root) || pods.iter().any(waits)
    }

    /// What a finding says of the object: in its own words where the object itself shows the cause.
    fn found(&self, key: &Key, object: &ObjectRef) -> Option<Found> {
        let group = self.groups.get(key)?;
        let finding = group.finding.as_ref().filter(|f| f.state != State::Resolving)?;
        let own = group.members.get(object).filter(|d| d.part == Part::Member);
        Some(match own {
            Some(own) => of_diagnosis(own, object),
            None => of_finding(finding, group.members.iter()),
        })
    }

    /// What the rules say where nobody is told of it unasked: an eviction of yesterday, a restart long over.
    fn asked_alone(&self, world: &World, object: &ObjectRef, now: Time) -> Vec<Found> {
        let asked = BTreeSet::from([object.clone()]);
        let mut out = Out::default();
        judge(&self.ctx(world, now, &asked), object, &mut out);
        out.signals.iter().map(|d| of_diagnosis(d, object)).collect()
    }
}

fn of_diagnosis(d: &Diagnosis, object: &ObjectRef) -> Found {
    Found {
        rule: d.rule.clone(),
        cause: d.cause.clone(),
        severity: d.severity,
        sure: d.sure,
        blamed: d.key.root.clone(),
        shown_by: object.clone(),
        container: d.container.clone(),
        title: d.title.clone(),
        row: d.row.clone(),
        evidence: d.evidence.clone(),
        since: d.since,
        playbook: d.playbook.clone(),
    }
}

fn of_finding<'a>(f: &Finding, members: impl Iterator<Item = (&'a ObjectRef, &'a Diagnosis)>) -> Found {
    let mut shows = members.filter(|(_, d)| d.part == Part::Member && d.title == f.title);
    Found {
        rule: f.rule.clone(),
        cause: f.cause.clone(),
        severity: f.severity,
        sure: f.sure,
        blamed: f.fix().clone(),
        shown_by: shows.next().map_or_else(|| f.object.clone(), |(o, _)| o.clone()),
        container: f.container.clone(),
        title: f.title.clone(),
        row: f.row.clone(),
        evidence: f.evidence.clone(),
        since: f.since,
        playbook: f.playbook.clone(),
    }
}

/// The pods that do the work of an object: itself, a workload's or a Job's.
pub(super) fn pods_of<'w>(world: &'w World, object: &ObjectRef) -> Vec<&'w Pod> {
    if object.kind == Kind::Pod {
        return world.pods.find(&object.namespace, &object.name).into_iter().collect();
    }
    let owns = object.kind.workload() || matches!(object.kind, Kind::Job | Kind::CronJob);
    let Some(meta) = world.meta(object).filter(|_| owns) else { return Vec::new() };
    let mut owners = vec![meta.uid.clone()];
    owners.extend(world.replica_sets_of(&meta.uid).map(|(_, r)| r.meta.uid.clone()));
    if object.kind == Kind::CronJob {
        let runs = world.jobs.values().filter(|j| j.meta.owner.as_ref().is_some_and(|o| o.uid == meta.uid));
        owners.extend(runs.map(|j| j.meta.uid.clone()));
    }
    let mut pods: Vec<&Pod> = owners.iter().flat_map(|u| world.pods_of(u)).map(|(_, p)| p).collect();
    pods.sort_by_key(|p| (p.ready, p.meta.name.clone()));
    pods
}

/// The Deployment that speaks for a ReplicaSet: what refuses the pods of the set is a finding of the Deployment.
fn speaker(world: &World, object: &ObjectRef) -> Option<ObjectRef> {
    let set = world.replica_sets.find(&object.namespace, &object.name);
    let set = set.filter(|r| object.kind == Kind::ReplicaSet && r.desired > 0)?;
    let owner = set.meta.owner.as_ref().filter(|o| o.kind == Kind::Deployment)?;
    Some(ObjectRef::new(Kind::Deployment, object.namespace.clone(), owner.name.clone()))
}

/// The objects whose trouble is the object's own: its pods, ReplicaSets and runs.
fn parts_of(world: &World, object: &ObjectRef) -> Vec<ObjectRef> {
    if object.kind == Kind::Pod {
        return Vec::new();
    }
    let mut out: Vec<ObjectRef> = pods_of(world, object).into_iter().map(Object::reference).collect();
    if let Some(meta) = world.meta(object) {
        out.extend(world.replica_sets_of(&meta.uid).map(|(_, r)| r.reference()));
        if object.kind == Kind::CronJob {
            let runs =
                world.jobs.values().filter(|j| j.meta.owner.as_ref().is_some_and(|o| o.uid == meta.uid));
            out.extend(runs.map(Object::reference));
        }
    }
    out
}
