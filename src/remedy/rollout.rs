//! Watching a workload take a change: done when all replicas are new and available, failed when its pods show why not.

use std::collections::HashSet;
use std::time::Duration;

use super::cx::Cx;
use super::plan::Stage;
use super::run::{Done, Progress, Stop};
use crate::judge::{Diagnosis, Severity, alone, pod};
use crate::world::{Condition, Kind, ObjectRef, Pod, Status, Time, Uid, Workload, World, condition};

/// A pod that keeps failing this long is taken for proof: one slow pull or restart is not.
const SURE: Duration = Duration::from_secs(10);

/// What was there before the action changed anything. Only what is not in it can be the action's doing.
pub(super) struct Baseline {
    pods: HashSet<Uid>,
    /// The ReplicaSet that the Deployment leaves. A watch that lags still shows it as the newest for a while.
    left: Option<Uid>,
    /// The deadline that an earlier rollout exceeded, where one did: when its condition was last updated.
    exceeded: Option<Option<Time>>,
}

impl Baseline {
    /// As the World has it now: to be taken right before the change is sent.
    pub async fn take(cx: &Cx, target: &ObjectRef) -> Result<Baseline, Stop> {
        let target = target.clone();
        cx.look(move |world, _| {
            let w = world.workload(&target);
            Baseline {
                pods: w.map(|w| all_pods(world, w).map(|p| p.meta.uid.clone()).collect()).unwrap_or_default(),
                left: w.and_then(|w| newest(world, w)).map(|rs| rs.meta.uid.clone()),
                exceeded: w.and_then(exceeded).map(|c| c.updated.or(c.since)),
            }
        })
        .await
    }

    /// For a change of the number of pods, which leaves no ReplicaSet.
    pub fn scaled(self) -> Baseline {
        Baseline { left: None, ..self }
    }
}

enum Seen {
    Complete(String),
    Failing(String),
    /// Pods of an unwanted revision that the controller will not replace.
    Stuck(String),
}

/// Watches until the workload's controller has seen `generation` and every replica is of it and available.
///
/// Source: `kubectl rollout status` (polymorphichelpers/rollout_status.go) for what "complete" means.
pub(super) async fn watch(
    cx: &Cx,
    target: &ObjectRef,
    generation: i64,
    baseline: Baseline,
) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let object = target.clone();
    let deadline =
        cx.look(move |world, _| world.workload(&object).map_or(600, |w| w.progress_deadline)).await?;
    let wait = cx.options().timeout.unwrap_or(Duration::from_secs(u64::from(deadline) + 60));
    let until = cx.now().plus(wait);
    let (object, run) = (target.clone(), cx.clone());
    let (mut failing_since, mut stuck_since): (Option<Time>, Option<Time>) = (None, None);
    let seen = cx
        .until(Some(until), move |world, now| {
            let w = world.workload(&object)?;
            if w.meta.generation < generation || w.observed_generation < w.meta.generation {
                run.progress(Progress { line: "waiting for the controller".into(), ..Progress::default() });
                return None;
            }
            let (done, line) = complete(w);
            run.progress(Progress {
                line: line.clone(),
                done: u64::from(w.available.min(w.updated)),
                total: u64::from(w.desired),
                items: Vec::new(),
            });
            if done {
                return Some(Seen::Complete(line));
            }
            let trouble = trouble(world, w, &baseline, now);
            if let Some(c) = exceeded(w)
                && baseline.exceeded != Some(c.updated.or(c.since))
            {
                let why = trouble.map_or_else(|| c.message.to_string(), |(pod, clue)| sentence(&pod, &clue));
                return Some(Seen::Failing(why));
            }
            let lasts = |found: bool, since: &mut Option<Time>| {
                if !found {
                    *since = None;
                }
                found && since.get_or_insert(now).age(now) >= SURE
            };
            let failing = lasts(trouble.is_some(), &mut failing_since);
            if let Some((pod, clue)) = trouble.filter(|_| failing) {
                return Some(Seen::Failing(sentence(&pod, &clue)));
            }
            let stuck = unwanted(world, w);
            let lasting = lasts(stuck.is_some(), &mut stuck_since);
            stuck.filter(|_| lasting).map(|pod| Seen::Stuck(pod.meta.name.to_string()))
        })
        .await?;
    Ok(match seen {
        Some(Seen::Complete(line)) => Done::Verified(line),
        Some(Seen::Failing(why)) => Done::Applied(format!("the new pods fail: {why}")),
        Some(Seen::Stuck(pod)) => {
            let pod = ObjectRef::new(Kind::Pod, target.namespace.clone(), pod);
            cx.next("delete", pod.clone());
            Done::Applied(format!(
                "{pod} is of a revision that is not wanted any more and is not ready; a StatefulSet waits for it and \
                 does not replace it: delete the pod"
            ))
        }
        None => {
            let object = target.clone();
            let state = cx
                .look(move |world, _| world.workload(&object).map(|w| complete(w).1))
                .await?
                .unwrap_or_else(|| "it is gone".to_owned());
            Done::Applied(format!("not complete after {} s: {state}", wait.as_secs()))
        }
    })
}

/// The condition of a rollout that exceeded its deadline.
fn exceeded(w: &Workload) -> Option<&Condition> {
    condition(&w.conditions, "Progressing")
        .filter(|c| c.status == Status::False && &*c.reason == "ProgressDeadlineExceeded")
}

/// A pod that keeps an ordered StatefulSet from rolling out: of another revision than the wanted one, and not ready.
///
/// The controller waits for it to become ready before it replaces any pod, itself included (Kubernetes
/// documentation, StatefulSets, "Forced rollback").
fn unwanted<'w>(world: &'w World, w: &Workload) -> Option<&'w Pod> {
    if w.kind != Kind::StatefulSet || w.update_revision.is_empty() || &*w.strategy == "OnDelete" {
        return None;
    }
    all_pods(world, w).find(|p| {
        let of = p.meta.labels.get("controller-revision-hash");
        p.meta.deleting.is_none() && !p.ready && of.is_some_and(|hash| hash != &*w.update_revision)
    })
}

fn sentence(pod: &str, found: &Diagnosis) -> String {
    format!("{pod}: {} ({})", found.row, found.cause)
}

/// Whether the rollout is complete, and a line on where it stands.
pub(super) fn complete(w: &Workload) -> (bool, String) {
    let n = w.desired;
    match w.kind {
        Kind::DaemonSet => {
            let done = w.updated >= n && w.available >= n;
            (done, format!("{} of {n} pods updated, {} available", w.updated, w.available))
        }
        Kind::ReplicaSet => (
            w.current == n && w.available >= n,
            format!("{} of {n} pods, {} available", w.current, w.available),
        ),
        Kind::StatefulSet => {
            let rolled = w.current_revision == w.update_revision || w.updated >= n;
            let done = w.ready >= n && w.current == n && rolled;
            (done, format!("{} of {n} pods updated, {} ready", w.updated, w.ready))
        }
        _ => {
            // Scaled down, the count is above the wanted one until the pods are gone.
            let done = w.updated == n && w.current == n && w.available >= n;
            let old = w.current.saturating_sub(w.updated);
            let tail = if old > 0 { format!(", {old} old pods still there") } else { String::new() };
            (done, format!("{} of {n} pods updated, {} available{tail}", w.updated, w.available))
        }
    }
}

/// The newest ReplicaSet of a Deployment.
fn newest<'w>(world: &'w World, w: &Workload) -> Option<&'w Workload> {
    world.replica_sets_of(&w.meta.uid).map(|(_, rs)| rs).max_by_key(|rs| rs.revision)
}

/// All pods of a workload, through its ReplicaSets where it has some.
fn all_pods<'w>(world: &'w World, w: &Workload) -> impl Iterator<Item = &'w Pod> {
    let sets = world.replica_sets_of(&w.meta.uid).map(|(_, rs)| rs.meta.uid.clone());
    let owners: Vec<Uid> = sets.chain([w.meta.uid.clone()]).collect();
    owners.into_iter().flat_map(move |uid| world.pods_of(&uid).map(|(_, p)| p).collect::<Vec<_>>())
}

/// The pods of the revision that is being rolled out.
fn new_pods<'a>(world: &'a World, w: &Workload, baseline: &Baseline) -> Vec<&'a Pod> {
    if w.kind != Kind::Deployment {
        return world
            .pods_of(&w.meta.uid)
            .map(|(_, p)| p)
            .filter(|p| {
                // StatefulSet pods carry the revision they were made from.
                w.update_revision.is_empty()
                    || p.meta.labels.get("controller-revision-hash").is_none_or(|h| h == &*w.update_revision)
            })
            .collect();
    }
    let newest = newest(world, w).filter(|rs| Some(&rs.meta.uid) != baseline.left.as_ref());
    newest.map_or_else(Vec::new, |rs| world.pods_of(&rs.meta.uid).map(|(_, p)| p).collect())
}

/// A pod that was made since, of the new revision, and what the judge says of it. A pod that waits for a node or for its
/// first successful check may still get there.
fn trouble(world: &World, w: &Workload, baseline: &Baseline, now: Time) -> Option<(String, Diagnosis)> {
    let fails = |d: &Diagnosis| {
        d.severity >= Severity::Warning && !["schedule.", "ready."].iter().any(|f| d.cause.starts_with(f))
    };
    new_pods(world, w, baseline)
        .into_iter()
        .filter(|p| p.meta.deleting.is_none() && !baseline.pods.contains(&p.meta.uid))
        .find_map(|p| {
            let found = alone(world, &pod::reference(p), now).into_iter().find(fails)?;
            Some((p.meta.name.to_string(), found))
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::world::{Meta, Selector};

    fn workload(kind: Kind, desired: u32, current: u32, updated: u32, available: u32) -> Workload {
        Workload {
            kind,
            meta: Meta::default(),
            desired,
            current,
            updated,
            ready: available,
            available,
            observed_generation: 0,
            paused: false,
            selector: Selector::default(),
            template: Arc::default(),
            conditions: Box::new([]),
            revision: None,
            change_cause: "".into(),
            current_revision: "a".into(),
            update_revision: "a".into(),
            strategy: "".into(),
            max_unavailable: "".into(),
            max_surge: "".into(),
            progress_deadline: 600,
            history_limit: 10,
            service_name: "".into(),
            partition: 0,
        }
    }

    #[test]
    fn complete_means_all_new_all_available_and_none_too_many() {
        let deployment = |c, u, a| complete(&workload(Kind::Deployment, 3, c, u, a)).0;
        assert!(deployment(3, 3, 3));
        assert!(!deployment(4, 3, 4), "an old pod is still there");
        assert!(!deployment(3, 3, 2), "one is not available");
        assert!(!deployment(3, 2, 3), "one is not new");
        assert!(!deployment(8, 8, 8), "being scaled down, the surplus is still there");
        let set = |c, a| complete(&workload(Kind::StatefulSet, 3, c, 0, a)).0;
        assert!(set(3, 3) && !set(3, 2) && !set(5, 5));
        assert!(complete(&workload(Kind::ReplicaSet, 0, 0, 0, 0)).0);
    }
}
