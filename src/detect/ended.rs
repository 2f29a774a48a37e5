//! Pods that are over: evicted, preempted, refused by the kubelet, failed for good, or deleted and still there.

use crate::world::patterns;
use crate::world::{Condition, ContainerState, Kind, ObjectRef, Pod, Status, condition};

use super::config::seconds;
use super::finding::Severity;
use super::signal::{Ctx, Out, Part, Signal};
use super::{crash, job};

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
            Signal::new("node.not-ready", node, deleting)
                .family(super::node::FAMILY)
                .part(Part::Victim)
                .title(format!("node {} is not ready", pod.node))
                .row(format!("node {} not ready", pod.node)),
        );
        return;
    }
    let over = pod.containers.iter().all(|c| !matches!(c.state, ContainerState::Running { .. }));
    let (title, quote) = if over {
        (
            "deleted, its containers have ended, and the object is still held (a finalizer?)",
            "all containers have ended",
        )
    } else {
        ("deleted, and its containers still run after their grace period", "containers still run")
    };
    out.push(
        Signal::new("delete.stuck", object.clone(), deleting)
            .title(title)
            .row("stuck terminating")
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
            if ctx.now >= until {
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
) -> Option<Signal> {
    let message = &*pod.message;
    let status = |s: Signal| {
        let quote = if message.is_empty() { &*pod.reason } else { message };
        s.evidence(format!("pod status, reason {}", pod.reason), quote, object, Some(since))
    };
    if &*pod.reason == "Evicted" {
        let clue = patterns::evicted(&pod.reason, message);
        let cause = clue.as_ref().map_or("evicted.disk", |c| c.cause);
        if cause == "evicted.ephemeral-limit" {
            let what = message.trim().trim_end_matches('.');
            return Some(status(
                Signal::new(cause, root.clone(), since)
                    .title(format!("evicted for its own storage: {what}"))
                    .row("evicted: storage limit"),
            ));
        }
        let what = match cause {
            "evicted.memory" => "memory",
            "evicted.pid" => "process ids",
            _ => "disk",
        };
        // Pods evicted from one node have the node's trouble; the pod is its victim.
        let node = if pod.node.is_empty() { root.clone() } else { Ctx::node_ref(&pod.node) };
        let grower = super::node::grower(message);
        let title = match &grower {
            Some((_, says)) => format!("evicted: node {} ran low on {what}; container {says}", pod.node),
            None => format!("evicted: node {} ran low on {what}", pod.node),
        };
        let mut s = Signal::new(cause, node, since).title(title).row(format!("evicted: node low on {what}"));
        if grower.is_none() {
            // It had not grown: it speaks only where nobody who had was evicted.
            s = s.part(Part::Victim);
        }
        if cause == "evicted.memory" && super::node::pressed(ctx, &pod.node, "MemoryPressure") {
            s = s.family("node.pressure-memory").part(Part::Victim);
        }
        if cause == "evicted.disk" && super::node::pressed(ctx, &pod.node, "DiskPressure") {
            s = s.family("node.pressure-disk").part(Part::Victim);
        }
        return Some(status(s));
    }
    if let Some(target) = target {
        let cause = patterns::evicted(&target.reason, &target.message)?.cause;
        let title = match cause {
            "preempted" => "removed to make room for a pod of higher priority",
            "evicted.taint" => "evicted by a taint on its node",
            _ => return None,
        };
        return Some(
            Signal::new(cause, root.clone(), since)
                .title(title)
                .row(title.split(" to ").next().unwrap_or(title))
                .evidence("condition DisruptionTarget", &*target.message, object, target.since),
        );
    }
    let refused = pod.reason.starts_with("OutOf")
        || matches!(
            &*pod.reason,
            "UnexpectedAdmissionError" | "TopologyAffinityError" | "NodeAffinity" | "AdmissionError"
        );
    refused.then(|| {
        status(
            Signal::new("pod.rejected", root.clone(), since)
                .severity(Severity::Warning)
                .title(format!("the kubelet of {} refused the pod: {}", pod.node, pod.reason))
                .row(format!("refused: {}", pod.reason)),
        )
    })
}
