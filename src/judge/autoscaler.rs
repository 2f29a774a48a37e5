//! HorizontalPodAutoscalers that cannot read their metrics, have no target, or have run out of replicas.

use crate::world::{Autoscaler, Condition, Kind, ObjectRef, Status, World, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::limits::seconds;
use super::registry::causes;

const WHY_HPA: &str = "the workload keeps the replicas it has, whatever the load does";

causes! {
    NO_METRICS = "hpa.no-metrics" Warning Watch("autoscalers, events") tree "object":
        "the autoscaler cannot compute a replica count: a metric does not arrive",
        why WHY_HPA, source "condition ScalingActive";
    TARGET_MISSING = "hpa.target-missing" Warning Watch("autoscalers, events") tree "object":
        "the workload that the autoscaler scales does not exist or cannot be scaled",
        why WHY_HPA, source "condition AbleToScale, event FailedGetScale";
    AT_MAX = "hpa.at-max" Warning Watch("autoscalers") tree "object":
        "the autoscaler wants more replicas than its maximum, for ten minutes",
        why "load still grows beyond what the replicas carry, and nothing more will start",
        source "condition ScalingLimited, reason TooManyReplicas";
}

/// Metrics lag behind a new pod by a minute or two; only what lasts longer is a failure.
const BLIND: u64 = 120;
const LIMITED: u64 = 600;

pub fn judge(ctx: &Ctx, hpa: &Autoscaler, object: &ObjectRef, out: &mut Out) {
    if hpa.meta.deleting.is_some() {
        return;
    }
    let failed = |kind: &str| condition(&hpa.conditions, kind).filter(|c| c.status == Status::False);
    let target = format!("{}/{}", hpa.target_kind.to_ascii_lowercase(), hpa.target_name);
    if let Some(c) = failed("AbleToScale").filter(|c| &*c.reason == "FailedGetScale") {
        let since = c.since.unwrap_or(ctx.now);
        let missing = c.message.contains("not found");
        let says = if missing { "does not exist" } else { "cannot be scaled" };
        out.push(
            Diagnosis::new(TARGET_MISSING, object.clone(), since)
                .title(format!("autoscaler {}: its target {target} {says}", hpa.meta.name))
                .row(format!("target {says}"))
                .evidence("condition AbleToScale", quote(c), object, c.since),
        );
        return;
    }
    // `ScalingDisabled`: somebody scaled the target to 0, which switches the autoscaler off.
    if let Some(c) = failed("ScalingActive").filter(|c| &*c.reason != "ScalingDisabled") {
        let since = c.since.unwrap_or(ctx.now);
        let fires = since.plus(seconds(BLIND));
        if ctx.now < fires {
            out.again(fires);
        }
        let mut found = Diagnosis::new(NO_METRICS, object.clone(), since)
            .fires_at(fires)
            .title(format!("autoscaler {} gets no metrics: {}", hpa.meta.name, last_clause(&c.message)))
            .row("no metrics")
            .evidence("condition ScalingActive", quote(c), object, c.since);
        let events = ctx.world.events_of(object);
        let event = events.into_iter().find(|e| {
            same(&e.regarding_uid, &hpa.meta.uid) && e.warning && e.reason.starts_with("FailedGet")
        });
        if let Some(event) = event {
            found = found.event(event);
        }
        if c.message.contains("pods might be unready") {
            let target = ObjectRef::new(
                Kind::of(&hpa.target_kind),
                hpa.meta.namespace.clone(),
                hpa.target_name.clone(),
            );
            found = found.waits_for(Some(target));
        }
        out.push(found);
        return;
    }
    let limited = condition(&hpa.conditions, "ScalingLimited")
        .filter(|c| c.status == Status::True && &*c.reason == "TooManyReplicas");
    if let Some(c) = limited.filter(|_| hpa.current >= hpa.max && hpa.min < hpa.max) {
        let since = c.since.unwrap_or(ctx.now);
        let fires = since.plus(seconds(LIMITED));
        if ctx.now < fires {
            return out.again(fires);
        }
        out.push(
            Diagnosis::new(AT_MAX, object.clone(), since)
                .title(format!(
                    "autoscaler {} wants more than its maximum of {} replicas",
                    hpa.meta.name, hpa.max
                ))
                .row(format!("at its maximum of {}", hpa.max))
                .evidence("condition ScalingLimited", quote(c), object, c.since)
                .evidence(
                    "autoscaler status",
                    format!("current {}, desired {}, maximum {}", hpa.current, hpa.desired, hpa.max),
                    object,
                    None,
                ),
        );
    }
}

fn quote(c: &Condition) -> String {
    format!("{}: {}", c.reason, c.message)
}

/// The innermost reason of a chain of `…: …: …`, and not the bare object in its brackets.
fn last_clause(message: &str) -> &str {
    let end = message.find(" (get ").unwrap_or(message.len());
    message[..end].rsplit(": ").next().unwrap_or(message)
}

/// The autoscalers of a workload that changed.
pub fn of_target(world: &World, workload: &ObjectRef) -> Vec<ObjectRef> {
    world
        .autoscalers
        .values()
        .filter(|h| {
            h.meta.namespace == workload.namespace
                && h.target_name == workload.name
                && *h.target_kind == *workload.kind.name()
        })
        .map(|h| ObjectRef::new(Kind::HorizontalPodAutoscaler, h.meta.namespace.clone(), h.meta.name.clone()))
        .collect()
}
