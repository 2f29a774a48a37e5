//! Who displaced the pods of a workload: the workload of higher priority that now has their place.

use std::time::Duration;

use super::finding::Finding;
use crate::judge::pod::reference;
use crate::world::{Event, Kind, ObjectRef, Pod, Status, Time, World, condition};

/// How long a displaced pod explains why another one of its workload finds no place.
const EXPLAINS: Duration = Duration::from_secs(3600);
/// How long before the displacement the pod that caused it was made, at most.
const BEFORE: Duration = Duration::from_secs(120);

/// The workload that displaced pods of this finding's, where the finding is about displaced pods or about others that
/// find no place since then.
pub(super) fn behind(world: &World, finding: &Finding, pods: &[&Pod]) -> Option<ObjectRef> {
    if !matches!(&*finding.cause, "preempted" | "schedule.insufficient") {
        return None;
    }
    let own = finding.fix();
    let urgent = told(world, own, pods).or_else(|| displaced(world, own));
    urgent.map(|p| world.root(&reference(p))).filter(|o| o != own)
}

/// The pod that the scheduler's own event names; the event outlives the displaced pod.
fn told<'w>(world: &'w World, own: &ObjectRef, pods: &[&Pod]) -> Option<&'w Pod> {
    let about = |e: &&Event| {
        &*e.reason == "Preempted" && e.regarding.kind == Kind::Pod && e.regarding.namespace == own.namespace
    };
    let mine = |e: &&Event| {
        pods.iter().any(|p| {
            let since = p.meta.created.unwrap_or(Time(0));
            let near = e.last.plus(EXPLAINS) >= since;
            let sibling = p.meta.owner.as_ref().is_some_and(|o| {
                e.regarding.name.strip_prefix(&*o.name).is_some_and(|rest| rest.starts_with('-'))
            });
            near && (sibling || e.regarding.name == p.meta.name)
        })
    };
    let event = world.events.values().filter(about).find(mine)?;
    let word = event.note.split(" by ").nth(1)?.trim_start_matches("a ").trim_start_matches("pod ");
    let word = word.split(' ').next()?;
    match word.split_once('/') {
        Some((namespace, name)) => world.pods.find(namespace, name),
        None => world.pods.values().find(|p| p.meta.uid.to_string() == word),
    }
}

/// Without the event: the one workload of higher priority that got a pod on the same node right before.
fn displaced<'w>(world: &'w World, own: &ObjectRef) -> Option<&'w Pod> {
    let victims = world.pods.values().filter(|p| {
        p.meta.namespace == own.namespace
            && p.phase == crate::world::Phase::Failed
            && world.root(&reference(p)) == *own
    });
    let victim = victims.into_iter().find_map(|p| {
        let target = condition(&p.conditions, "DisruptionTarget").filter(|c| c.status == Status::True)?;
        (&*target.reason == "PreemptionByScheduler").then_some((p, target.since?))
    })?;
    let (victim, at) = victim;
    let mut above = world.pods.values().filter(|p| {
        let made = p.meta.created.is_some_and(|c| c <= at.plus(BEFORE) && c.plus(BEFORE) >= at);
        made && p.node == victim.node && p.spec.priority > victim.spec.priority
    });
    let first = above.next()?;
    let root = world.root(&reference(first));
    above.all(|p| world.root(&reference(p)) == root).then_some(first)
}
