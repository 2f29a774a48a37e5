//! Pods that are over: evicted, preempted, refused by the kubelet, failed for good, or deleted and still there.

use crate::judge::patterns;
use crate::world::{Condition, ContainerState, Kind, ObjectRef, Pod, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::evidence::Severity;
use super::limits::seconds;
use super::node;
use super::registry::causes;
use super::{crash, job};

const WHY_EVICTED: &str =
    "the node had to choose: whoever grew is to be found, whoever was evicted is a victim";
const WHY_PREEMPTED: &str = "more important work took the place: capacity is short";
const WHY_POD: &str =
    "the kubelet refuses the pod after the scheduler placed it: it will be tried again in vain";
const WHY_DELETE: &str = "what does not go holds its node, volume or name, and what should replace it waits";

causes! {
    MEMORY = "evicted.memory" Warning Watch("pods") tree "node":
        "evicted because its node ran low on memory; names the grower",
        why WHY_EVICTED, source "status.reason Evicted";
    DISK = "evicted.disk" Warning Watch("pods") tree "node":
        "evicted because its node ran low on disk",
        why WHY_EVICTED, source "status.reason Evicted";
    PID = "evicted.pid" Warning Watch("pods") tree "node":
        "evicted because its node ran low on process ids",
        why WHY_EVICTED, source "status.reason Evicted";
    EPHEMERAL_LIMIT = "evicted.ephemeral-limit" Warning Watch("pods") tree "pod":
        "evicted for going over its own storage limit",
        why WHY_EVICTED, source "status.message";
    TAINT = "evicted.taint" Warning Watch("pods") tree "node":
        "evicted by a NoExecute taint",
        why WHY_EVICTED, source "condition DisruptionTarget";
    PREEMPTED = "preempted" Warning Watch("pods") tree "pod":
        "removed to make room for a pod of higher priority",
        why WHY_PREEMPTED, source "condition DisruptionTarget";
    POD_REJECTED = "pod.rejected" Warning Watch("pods") tree "pod":
        "the kubelet refused the pod at its door (resources, affinity, devices)",
        why WHY_POD, source "status.reason of a failed pod";
    DELETE_STUCK = "delete.stuck" Warning Watch("pods") tree "pod":
        "deleted, its containers have ended or its grace is long over, and the object is still there",
        why WHY_DELETE, source "deletionTimestamp against the grace period";
}

/// A deleted pod that outstays its grace period.
pub fn overdue(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let Some(deleting) = pod.meta.deleting else { return };
    // `deletionTimestamp` already lies the grace period ahead of the request.
    let due = deleting.plus(seconds(ctx.limits.deleting));
    if ctx.now < due {
        return out.again(due);
    }
    if ctx.node_down(&pod.node) {
        let node = Ctx::node_ref(&pod.node);
        out.push(
            Diagnosis::new(node::NOT_READY, node, deleting)
                .family(super::node::FAMILY)
                .part(Part::Victim)
                .title(format!("node {} is not ready", pod.node))
                .row(format!("node {} not ready", pod.node)),
        );
        return;
    }
    let over = pod.containers.iter().all(|c| !matches!(c.state, ContainerState::Running { .. }));
    let holders = pod.meta.finalizers.join(", ");
    let (title, quote) = match (over, holders.is_empty()) {
        (true, false) => (
            format!("deleted, its containers have ended, and finalizers still hold it: {holders}"),
            format!("finalizers: {holders}"),
        ),
        (true, true) => (
            "deleted, its containers have ended, and its kubelet has not removed it".to_owned(),
            "all containers have ended; no finalizers".to_owned(),
        ),
        (false, _) => (
            "deleted, and its containers still run after their grace period".to_owned(),
            "containers still run".to_owned(),
        ),
    };
    out.push(
        Diagnosis::new(DELETE_STUCK, object.clone(), deleting)
            .title(title)
            .row("stuck terminating")
            .likely_unless(ctx.world.synced(&Kind::Node))
            .evidence("pod metadata", format!("deletionTimestamp {deleting}"), object, Some(deleting))
            .evidence("pod status", quote, object, None),
    );
}

/// A pod in phase Failed.
pub fn failed(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let root = ctx.root(object);
    let end = pod
        .containers
        .iter()
        .filter_map(|c| match &c.state {
            ContainerState::Terminated(t) => t.finished,
            _ => None,
        })
        .max();
    let target = condition(&pod.conditions, "DisruptionTarget").filter(|c| c.status == Status::True);
    let since = target.and_then(|c| c.since).or(end).or(pod.ready_since).or(pod.started).unwrap_or(ctx.now);

    if let Some(signal) = disrupted(ctx, pod, object, &root, target, since) {
        // Its workload has made another by now: only the news is worth telling.
        if pod.meta.owner.is_some() {
            let until = since.plus(seconds(ctx.limits.evicted));
            if ctx.now >= until && !ctx.is_asked(object) {
                return;
            }
            out.again(until);
        }
        out.push(signal);
        return;
    }
    if let Some(owner) = &pod.meta.owner {
        if owner.kind == Kind::Job {
            return job::failed_pod(ctx, pod, object, owner, out);
        }
        // Replaced by its workload; what keeps failing shows on the replacement.
        return;
    }
    if &*pod.reason == "DeadlineExceeded" {
        return out.push(
            Diagnosis::new(job::JOB_DEADLINE, root, since)
                .title("the pod ran longer than its deadline, and its kubelet ended it")
                .row("deadline exceeded")
                .evidence("pod status, reason DeadlineExceeded", &*pod.message, object, Some(since)),
        );
    }
    // A bare pod that failed: its container says why.
    for c in &pod.containers {
        let before = out.signals.len();
        crash::judge(ctx, pod, object, c, out);
        if out.signals.len() > before {
            return;
        }
    }
}

fn disrupted(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    root: &ObjectRef,
    target: Option<&Condition>,
    since: crate::world::Time,
) -> Option<Diagnosis> {
    let message = &*pod.message;
    let status = |s: Diagnosis| {
        let quote = if message.is_empty() { &*pod.reason } else { message };
        s.evidence(format!("pod status, reason {}", pod.reason), quote, object, Some(since))
    };
    if &*pod.reason == "Evicted" {
        let clue = patterns::evicted(&pod.reason, message);
        let cause = clue.as_ref().map_or(DISK, |c| c.cause);
        if cause == EPHEMERAL_LIMIT {
            let what = message.trim().trim_end_matches('.');
            return Some(status(
                Diagnosis::new(cause, root.clone(), since)
                    .title(format!("evicted for its own storage: {what}"))
                    .row("evicted: storage limit"),
            ));
        }
        let what = match cause {
            MEMORY => "memory",
            PID => "process ids",
            _ => "disk",
        };
        // Pods evicted from one node have the node's trouble; the pod is its victim.
        let node = if pod.node.is_empty() { root.clone() } else { Ctx::node_ref(&pod.node) };
        let grower = super::node::grower(message);
        let title = match &grower {
            Some((_, says)) => format!("evicted: node {} ran low on {what}; container {says}", pod.node),
            None => format!("evicted: node {} ran low on {what}", pod.node),
        };
        let mut s =
            Diagnosis::new(cause, node, since).title(title).row(format!("evicted: node low on {what}"));
        if grower.is_none() {
            // It had not grown: it speaks only where nobody who had was evicted.
            s = s.part(Part::Victim);
        }
        if cause == MEMORY && super::node::pressed(ctx, &pod.node, "MemoryPressure") {
            s = s.family(&node::PRESSURE_MEMORY).part(Part::Victim);
        }
        if cause == DISK && super::node::pressed(ctx, &pod.node, "DiskPressure") {
            s = s.family(&node::PRESSURE_DISK).part(Part::Victim);
        }
        return Some(status(s));
    }
    if let Some(target) = target {
        let cause = patterns::evicted(&target.reason, &target.message)?.cause;
        let title = match cause {
            PREEMPTED => "removed to make room for a pod of higher priority",
            TAINT => "evicted by a taint on its node",
            _ => return None,
        };
        return Some(
            Diagnosis::new(cause, root.clone(), since)
                .title(title)
                .row(title.split(" to ").next().unwrap_or(title))
                .evidence("condition DisruptionTarget", &*target.message, object, target.since),
        );
    }
    if &*pod.reason == "AppArmor"
        && let Some(clue) = patterns::security(message)
    {
        return Some(status(
            Diagnosis::new(clue.cause, root.clone(), since)
                .title(format!("the kubelet of {} refused the pod: {}", pod.node, clue.words))
                .row(clue.words),
        ));
    }
    let refused = pod.reason.starts_with("OutOf")
        || message.starts_with("Pod was rejected: ")
        || matches!(
            &*pod.reason,
            "UnexpectedAdmissionError" | "TopologyAffinityError" | "NodeAffinity" | "AdmissionError"
        );
    refused.then(|| {
        status(
            Diagnosis::new(POD_REJECTED, root.clone(), since)
                .severity(Severity::Warning)
                .title(match patterns::admission(message) {
                    Some(why) => format!("the kubelet of {} refuses the pod: {}", pod.node, why.words),
                    None => format!("the kubelet of {} refused the pod: {}", pod.node, pod.reason),
                })
                .row(patterns::admission(message).map_or_else(
                    || format!("refused: {}", pod.reason),
                    |why| format!("refused: {}", why.words),
                )),
        )
    })
}
