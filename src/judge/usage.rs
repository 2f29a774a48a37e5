//! A pod's usage against its limits: memory that is nearly used up, memory that leaks.

use std::time::Duration;

use crate::world::time::human;
use crate::world::{ObjectRef, Pod, Role, Series, Time};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::gpu::{gib, running_since};
use super::growth::growth;
use super::limits::seconds;
use super::registry::causes;

const WHY: &str = "the kernel kills the container at its limit, in the middle of whatever it does";

causes! {
    NEAR_LIMIT = "memory.near-limit" Warning Watch("usage") tree "pod":
        "a container's working set is close to its memory limit",
        why WHY, source "at least 90 % for a minute; an even level for half an hour is info";
    LEAK = "memory.leak" Warning Watch("usage") tree "pod":
        "a pod's working set grows steadily towards its memory limit, or without one towards its node's memory",
        why WHY, source "median slope over at least six readings, to a new high";
}

/// Parts of a hundred of the limit.
const NEAR: u64 = 90;
const NEAR_FOR: u64 = 60;
/// A level held this long is the program's own: a heap of fixed size, a cache that is full.
const EVEN: u64 = 1800;
/// Programs warm up: caches fill, heaps grow to their size.
const WARM_UP: u64 = 600;
/// Growth is told from at least this much time.
const WATCHED: u64 = 600;

/// A value measured longer ago says nothing of now; a metrics server and a kubelet measure every 15 s or so.
const OLD: Duration = Duration::from_secs(300);

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let Some(history) = ctx.world.readings.pod(&pod.meta.namespace, &pod.meta.name) else { return };
    if history.usage.at.age(ctx.now) > OLD {
        return;
    }
    let counted = || pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    let limit_of = |name: &str| counted().find(|c| *c.spec.name == *name).and_then(|c| c.spec.limits.memory);
    // The pod's limit is known where all of its containers have one.
    let all = counted().map(|c| c.spec.limits.memory).sum::<Option<u64>>().filter(|sum| *sum > 0);
    let started = running_since(pod);
    let began = history.memory.points().next().map_or(ctx.now, |(t, _)| t);
    let settled = started.map_or(began, |s| s.plus(seconds(WARM_UP)).max(began));

    if all.is_none() && unlimited(ctx, pod, &history.memory, settled, object, out) {
        return;
    }
    if let Some(limit) = all
        && let Some(grown) = growth(&history.memory, settled, ctx.now, limit as f64)
        && grown.trend.span >= seconds(WATCHED)
    {
        let rate = grown.trend.per_hour / 1_048_576.0;
        let quote = format!(
            "{} of {} used; +{rate:.0} MiB/h over {} ({} readings)",
            gib(grown.trend.last as u64),
            gib(limit),
            human(grown.trend.span),
            grown.trend.samples
        );
        out.push(
            Diagnosis::new(LEAK, ctx.root(object), grown.since)
                .title(format!(
                    "memory of pod {} grows by {rate:.0} MiB/h and reaches its limit in {}",
                    pod.meta.name,
                    human(grown.left)
                ))
                .row(format!("memory at its limit in {}", human(grown.left)))
                .evidence("usage", quote, object, Some(history.usage.at)),
        );
        return;
    }
    let near = history.usage.containers.iter().filter_map(|c| {
        let (used, limit) = (c.memory?, limit_of(&c.name)?);
        (limit > 0 && used.saturating_mul(100) >= limit.saturating_mul(NEAR)).then_some((c, used, limit))
    });
    let Some((container, used, limit)) =
        near.max_by_key(|(_, used, limit)| used.saturating_mul(1000) / limit)
    else {
        return;
    };
    // The series is of all containers; of one alone it says since when.
    let alone = history.usage.containers.len() == 1;
    let points: Vec<_> = history.memory.points().collect();
    let is_high = |(_, v): &(Time, f64)| !alone || *v * 100.0 >= limit as f64 * NEAR as f64;
    let below = points.iter().rposition(|p| !is_high(p)).map_or(0, |i| i + 1);
    let high = &points[below..];
    let since = high.first().map_or(ctx.now, |(t, _)| *t);
    let fires = since.plus(seconds(NEAR_FOR));
    if ctx.now < fires {
        out.again(fires);
    }
    let (low, most) = high.iter().fold((f64::MAX, 0.0f64), |(l, h), (_, v)| (l.min(*v), h.max(*v)));
    let even = since.age(ctx.now) >= seconds(EVEN) && most - low < limit as f64 * 0.03;
    let percent = used.saturating_mul(100) / limit;
    out.again(history.usage.at.plus(OLD + seconds(1)));
    let mut diagnosis = Diagnosis::new(NEAR_LIMIT, ctx.root(object), since)
        .fires_at(fires)
        .title(format!(
            "container {} of pod {} uses {percent} % of its memory limit",
            container.name, pod.meta.name
        ))
        .row(format!("memory at {percent} %"))
        .evidence(
            "usage",
            format!("{}: {} of {}", container.name, gib(used), gib(limit)),
            object,
            Some(history.usage.at),
        );
    if even {
        diagnosis = diagnosis.severity(Severity::Info);
    }
    out.push(diagnosis);
}

/// Growth that reaches the node's memory within this time need not be watched for long.
const SOON: u64 = 1800;
/// A pod without a limit is worth judging from this many bytes on.
const LARGE: u64 = 1 << 30;

/// A pod without a memory limit that grows until its node has none left: the kubelet then evicts its neighbours. Whether
/// it is one.
fn unlimited(ctx: &Ctx, pod: &Pod, memory: &Series, from: Time, object: &ObjectRef, out: &mut Out) -> bool {
    let Some(node) = ctx.world.nodes.find("", &pod.node) else { return false };
    let used = ctx.world.readings.node(&pod.node).filter(|h| h.usage.at.age(ctx.now) <= OLD);
    let (Some(used), Some(all)) = (used.and_then(|h| h.usage.memory), node.allocatable.memory) else {
        return false;
    };
    let Some((_, own)) = memory.last() else { return false };
    // It can grow as far as the node has memory left.
    let full = own + all.saturating_sub(used) as f64;
    let Some(grown) = growth(memory, from, ctx.now, full) else { return false };
    let watched = grown.trend.span >= seconds(WATCHED);
    if !watched && grown.left > seconds(SOON) {
        return false;
    }
    let rate = grown.trend.per_hour / 1_048_576.0;
    let neighbours =
        ctx.world.pods_on(&pod.node).filter(|(_, p)| p.meta.namespace != pod.meta.namespace).count();
    let quote = format!(
        "{} used, no limit; +{rate:.0} MiB/h over {} ({} readings); node {}: {} of {} used, {neighbours} pods of other namespaces",
        gib(own as u64),
        human(grown.trend.span),
        grown.trend.samples,
        pod.node,
        gib(used),
        gib(all)
    );
    let mut diagnosis = Diagnosis::new(LEAK, ctx.root(object), grown.since)
        .title(format!(
            "memory of pod {} grows by {rate:.0} MiB/h without a limit and fills node {} in {}",
            pod.meta.name,
            pod.node,
            human(grown.left)
        ))
        .row(format!("node's memory full in {}", human(grown.left)))
        .evidence("usage", quote, object, Some(ctx.now));
    if !watched {
        // A cache that warms up looks the same for some minutes.
        diagnosis = diagnosis.likely();
    }
    out.push(diagnosis);
    true
}

/// Whether what a pod uses is worth judging.
pub fn is_notable(pod: &Pod, used: u64) -> bool {
    let limits = pod.containers.iter().filter_map(|c| c.spec.limits.memory);
    let all: u64 = limits.fold(0, u64::saturating_add);
    if all == 0 { used >= LARGE } else { used.saturating_mul(2) >= all }
}
