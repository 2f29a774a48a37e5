//! What an action does to several objects that none of the plans for one of them can tell.

use std::collections::BTreeMap;

use super::forecast::takes_pods;
use super::plan::{Impact, Severity};
use crate::world::{Node, ObjectRef, Pod, World};

/// Budgets that let each of the pods go but not all, and workloads that lose the last of their ready pods.
pub(super) fn pods(world: &World, evicted: bool, targets: &[ObjectRef]) -> Vec<Impact> {
    let mut impacts = Vec::new();
    let mut say = |what: String, detail: String| {
        impacts.push(Impact { what, severity: Severity::Critical, detail });
    };
    let ready = |t: &ObjectRef| world.pods.find(&t.namespace, &t.name).filter(|p| p.ready);
    let mut pods: Vec<(&ObjectRef, &Pod)> = targets.iter().filter_map(|t| Some((t, ready(t)?))).collect();
    for b in world.budgets.values() {
        let its = |(_, p): &(&ObjectRef, &Pod)| {
            p.meta.namespace == b.meta.namespace && b.selector.matches(&p.meta.labels)
        };
        let (n, lets) = (pods.iter().filter(|p| its(p)).count(), b.disruptions_allowed);
        let too_many = n > 1 && lets > 0 && n > lets as usize;
        let numbers = format!("{} lets {lets} go now, {n} are its", b.meta.name);
        if evicted {
            if too_many {
                let then = "it refuses the others until new ones are ready";
                say("disruption budget".to_owned(), format!("{numbers}; {then}"));
            }
            // It sees to it that not all of them go.
            pods.retain(|p| !its(p));
        } else if too_many {
            say("disruption budget is passed over".to_owned(), numbers);
        }
    }
    let mut of: BTreeMap<ObjectRef, usize> = BTreeMap::new();
    for (target, _) in pods {
        *of.entry(world.root(target)).or_default() += 1;
    }
    for (root, n) in of.into_iter().filter(|(root, n)| *n > 1 && root.kind.workload()) {
        if n >= all_ready(world, &root) {
            let what = format!("all {n} ready pods of {root} are among them");
            say(what, "it serves nothing until new ones are ready".to_owned());
        }
    }
    impacts
}

/// The ready pods of a workload, through its ReplicaSets where it has some.
fn all_ready(world: &World, workload: &ObjectRef) -> usize {
    let Some(meta) = world.meta(workload) else { return usize::MAX };
    let sets = world.replica_sets_of(&meta.uid).map(|(_, set)| &set.meta.uid);
    let owners = sets.chain(std::iter::once(&meta.uid));
    owners.flat_map(|uid| world.pods_of(uid)).filter(|(_, p)| p.ready).count()
}

/// How many nodes go on taking pods.
pub(super) fn capacity(world: &World, targets: &[ObjectRef]) -> Vec<Impact> {
    let taking = |n: &&Node| takes_pods(n);
    let all = world.nodes.values().filter(taking).count();
    let leave = targets.iter().filter_map(|t| world.nodes.find("", &t.name)).filter(taking).count();
    let left = all - leave;
    let impact = (leave > 1).then(|| Impact {
        what: format!("{leave} of {all} nodes that take pods leave the scheduler"),
        severity: if left * 2 < all { Severity::Critical } else { Severity::Warning },
        detail: match left {
            0 => "no node is left that takes a pod".to_owned(),
            n => format!("{n} go on taking pods"),
        },
    });
    impact.into_iter().collect()
}
