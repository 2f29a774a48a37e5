//! Preemption: finds the workload of higher priority that now has the place of a workload's pods.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::finding::Finding;
use crate::judge::pod::reference;
use crate::world::{Event, Kind, ObjectRef, Pod, Status, Time, World, condition};

/// How long a displaced pod explains why another one of its workload finds no place.
const EXPLAINS: Duration = Duration::from_secs(3600);
/// How far from the displacement the pod that caused it was made, at most.
const BEFORE: Duration = Duration::from_secs(120);

/// The evidence of displaced pods: the scheduler's events, which outlive them, and those that are still there.
pub(super) struct Preemptions<'w> {
    world: &'w World,
    events: Vec<&'w Event>,
    victims: Vec<(&'w Pod, Time)>,
}

/// Whether a finding is about displaced pods, or about others that find no place since then.
fn concerns(finding: &Finding) -> bool {
    matches!(&*finding.cause, PREEMPTED | "schedule.insufficient")
}

const PREEMPTED: &str = "preempted";

impl<'w> Preemptions<'w> {
    /// Looks once for all findings. `objects` are the objects that have a share in each.
    pub(super) fn new(world: &'w World, findings: &[Arc<Finding>], objects: &[BTreeSet<ObjectRef>]) -> Self {
        let mut out = Preemptions { world, events: Vec::new(), victims: Vec::new() };
        if !findings.iter().any(|f| concerns(f)) {
            return out;
        }
        let told = |e: &&Event| &*e.reason == "Preempted" && e.regarding.kind == Kind::Pod;
        out.events = world.events.values().filter(told).collect();
        let displaced = findings.iter().zip(objects).filter(|(f, _)| &*f.cause == PREEMPTED);
        let pods = displaced.flat_map(|(_, all)| all).filter(|o| o.kind == Kind::Pod);
        let pods = pods.filter_map(|o| world.pods.find(&o.namespace, &o.name));
        out.victims = pods.filter_map(|p| Some((p, displaced_at(p)?))).collect();
        out
    }

    /// The workload that displaced pods of this finding's.
    pub(super) fn behind(&self, finding: &Finding, pods: &[&Pod]) -> Option<ObjectRef> {
        if !concerns(finding) {
            return None;
        }
        let own = finding.fix();
        let urgent = self.told(own, pods).or_else(|| self.seen(own));
        urgent.map(|p| self.world.root(&reference(p))).filter(|o| o != own)
    }

    /// The pod that the scheduler's own event names.
    fn told(&self, own: &ObjectRef, pods: &[&Pod]) -> Option<&'w Pod> {
        let mine = |e: &&&Event| {
            let name = &e.regarding.name;
            e.regarding.namespace == own.namespace
                && pods.iter().any(|p| {
                    let owner = p.meta.owner.as_ref().map(|o| &*o.name);
                    let sibling =
                        owner.and_then(|o| name.strip_prefix(o)).is_some_and(|rest| rest.starts_with('-'));
                    let near = e.last.plus(EXPLAINS) >= p.meta.created.unwrap_or(Time(0));
                    near && (sibling || *name == p.meta.name)
                })
        };
        let event = self.events.iter().find(mine)?;
        let word = event.note.split(" by ").nth(1)?.trim_start_matches("a ").trim_start_matches("pod ");
        let word = word.split(' ').next()?;
        match word.split_once('/') {
            Some((namespace, name)) => self.world.pods.find(namespace, name),
            None => self.world.pods.values().find(|p| p.meta.uid.to_string() == word),
        }
    }

    /// Without the event: the one workload of higher priority that got a pod on the same node right before.
    fn seen(&self, own: &ObjectRef) -> Option<&'w Pod> {
        let mut mine = self.victims.iter().filter(|(p, _)| self.world.root(&reference(p)) == *own);
        let (victim, at) = mine.next()?;
        let mut above = self.world.pods_on(&victim.node).map(|(_, p)| p).filter(|p| {
            let made = p.meta.created.is_some_and(|c| c <= at.plus(BEFORE) && c.plus(BEFORE) >= *at);
            made && p.spec.priority > victim.spec.priority
        });
        let first = above.next()?;
        let root = self.world.root(&reference(first));
        above.all(|p| self.world.root(&reference(p)) == root).then_some(first)
    }
}

/// When the scheduler displaced the pod; `None` where it did not.
fn displaced_at(pod: &Pod) -> Option<Time> {
    let target = condition(&pod.conditions, "DisruptionTarget").filter(|c| c.status == Status::True)?;
    target.since.filter(|_| &*target.reason == "PreemptionByScheduler")
}
