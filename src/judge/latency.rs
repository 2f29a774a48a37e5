//! Why an inference server is slow, by its own metrics: requests that queue, a KV cache that is full.

use crate::world::histories::EngineHistory;
use crate::world::measured::Engine;
use crate::world::readings::FRESH;
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, Phase, Pod, Time};

use super::autoscaler;
use super::diagnosis::{Ctx, Diagnosis, Out};
use super::gpu::running_since;
use super::limits::seconds;
use super::registry::causes;

const WHY: &str = "users wait for their first token, time out, and ask again, which makes the queue longer";

causes! {
    QUEUE = "latency.queue" Warning Watch("engine metrics") tree "pod":
        "requests wait because the server is fully used",
        why WHY, source "waiting against running requests for a minute, or growing steadily";
    KV_CACHE = "latency.kv-cache" Warning Watch("engine metrics") tree "pod":
        "requests wait, or are thrown back, because the KV cache is full",
        why WHY, source "KV cache at 95 % with requests waiting or preempted";
    REPLICAS = "latency.replicas" Warning Watch("engine metrics, pods") tree "pod":
        "requests wait in every replica of a workload: they are too few for the load",
        why WHY, source "a queue in each of at least two ready replicas";
    COLD_START = "latency.cold-start" Warning Watch("engine metrics, pods") tree "pod":
        "requests wait while another replica of the workload is still starting",
        why WHY, source "a queue beside a replica that runs, is not ready and started within half an hour";
}

/// So many waiting requests are a queue: as many as this, and half of those that run.
const WAITING: f64 = 10.0;
const LASTS: u64 = 60;
/// A queue that grows this steadily need not be watched as long.
const STEADY: f64 = 0.8;
const GROWS_FOR: u64 = 15;

/// A large model takes this long to load at most; a replica that is not ready after that does not start.
const STARTS: u64 = 1800;

/// The replicas of a pod's workload, itself included.
struct Replicas<'w> {
    /// Those that are ready, and those of them that have a queue.
    ready: usize,
    queued: usize,
    /// Those that start, with the time since when.
    starting: Vec<(&'w Pod, Time)>,
}

impl<'w> Replicas<'w> {
    fn of(ctx: &Ctx<'w>, pod: &Pod) -> Option<Replicas<'w>> {
        let owner = pod.meta.owner.as_ref()?;
        let mut out = Replicas { ready: 0, queued: 0, starting: Vec::new() };
        let live = ctx.world.pods_of(&owner.uid).map(|(_, p)| p).filter(|p| p.meta.deleting.is_none());
        for p in live {
            if p.ready {
                out.ready += 1;
                out.queued += usize::from(has_queue(ctx, p));
            } else if p.phase == Phase::Running
                && let Some(since) = running_since(p)
                && since.age(ctx.now) < seconds(STARTS)
            {
                out.starting.push((p, since));
            }
        }
        Some(out)
    }

    /// Whether each of several replicas has a queue.
    fn all_queued(&self) -> bool {
        self.ready >= 2 && self.queued == self.ready
    }
}

/// Whether enough requests wait in a pod to call it a queue, by a reading that is not old.
fn has_queue(ctx: &Ctx, pod: &Pod) -> bool {
    let engine = ctx.world.readings.engine(&pod.meta.namespace, &pod.meta.name);
    engine.is_some_and(|e| e.now.read_at.age(ctx.now) <= FRESH && is_queue(&e.now))
}

fn is_queue(engine: &Engine) -> bool {
    let waiting = engine.waiting.unwrap_or(0.0);
    waiting >= WAITING && waiting * 2.0 >= engine.running.unwrap_or(0.0)
}

/// The autoscalers of the workload in words.
fn scaling(ctx: &Ctx, workload: &ObjectRef) -> String {
    let found = autoscaler::of_target(ctx.world, workload);
    let known = found.iter().find_map(|o| ctx.world.autoscalers.find(&o.namespace, &o.name));
    match known {
        Some(h) => format!("autoscaler {}: {} of at most {} replicas", h.meta.name, h.current, h.max),
        None if ctx.world.synced(&Kind::HorizontalPodAutoscaler) => {
            "no HorizontalPodAutoscaler scales it".to_owned()
        }
        None => "HorizontalPodAutoscalers were not read".to_owned(),
    }
}

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let Some(history) = ctx.world.readings.engine(&pod.meta.namespace, &pod.meta.name) else { return };
    let engine = &history.now;
    if engine.read_at.age(ctx.now) > FRESH {
        return;
    }
    out.again(engine.read_at.plus(FRESH + seconds(1)));
    let waiting = engine.waiting.unwrap_or(0.0);
    let Some(since) = history.queued_since.filter(|_| is_queue(engine)) else { return };
    let grows = history.waiting.trend(since).is_some_and(|t| t.per_hour > 0.0 && t.steadiness >= STEADY);
    let fires = since.plus(seconds(if grows { GROWS_FOR } else { LASTS }));
    if ctx.now < fires {
        out.again(fires);
    }
    let full = history.full_since.filter(|_| engine.kv_cache.is_some());
    let replicas = Replicas::of(ctx, pod);
    let (rule, why) = match &replicas {
        _ if full.is_some() => (KV_CACHE, "its KV cache is full".to_owned()),
        Some(r) if !r.starting.is_empty() => {
            let all = r.ready + r.starting.len();
            (COLD_START, format!("{} of {all} replicas still start", r.starting.len()))
        }
        Some(r) if r.all_queued() => (REPLICAS, format!("all {} replicas have a queue", r.ready)),
        _ => (QUEUE, "it is fully used".to_owned()),
    };
    let mut diagnosis = Diagnosis::new(rule, ctx.root(object), since)
        .family("latency.engine")
        .fires_at(fires)
        .title(format!("{waiting:.0} requests wait in {} pod {}: {why}", engine.kind, pod.meta.name))
        .row(format!("{waiting:.0} requests wait"))
        .evidence(format!("{} metrics", engine.kind), state(history), object, Some(engine.read_at));
    if let Some(seconds) = history.recent(|e| e.first_token) {
        let quote = format!("the first token takes {seconds:.1} s on average");
        diagnosis =
            diagnosis.evidence(format!("{} metrics", engine.kind), quote, object, Some(engine.read_at));
    }
    for (starting, since) in replicas.iter().flat_map(|r| &r.starting) {
        let quote = format!("runs for {} and is not ready yet", human(since.age(ctx.now)));
        diagnosis = diagnosis.evidence("pod status", quote, &super::pod::reference(starting), Some(*since));
    }
    if rule == REPLICAS {
        let workload = ctx.root(object);
        diagnosis = diagnosis.evidence("autoscaling", scaling(ctx, &workload), &workload, None);
    }
    if grows {
        let quote = format!("the queue grows since {}", human(since.age(ctx.now)));
        diagnosis = diagnosis.evidence("series", quote, object, Some(engine.read_at));
    }
    out.push(diagnosis);
}

fn state(history: &EngineHistory) -> String {
    let e = &history.now;
    let mut parts = vec![format!("{:.0} waiting", e.waiting.unwrap_or(0.0))];
    parts.extend(e.running.map(|n| format!("{n:.0} running")));
    parts.extend(e.kv_cache.map(|k| format!("KV cache {:.0} %", k * 100.0)));
    parts.extend(e.preemptions.filter(|n| *n > 0.0).map(|n| format!("{n:.0} preempted since its start")));
    parts.join(", ")
}
