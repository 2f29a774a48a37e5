//! Why an inference server is slow, by its own metrics: requests that queue, a KV cache that is full.

use crate::world::histories::EngineHistory;
use crate::world::readings::FRESH;
use crate::world::time::human;
use crate::world::{ObjectRef, Pod};

use super::diagnosis::{Ctx, Diagnosis, Out};
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
}

/// So many waiting requests are a queue: as many as this, and half of those that run.
const WAITING: f64 = 10.0;
const LASTS: u64 = 60;
/// A queue that grows this steadily need not be watched as long.
const STEADY: f64 = 0.8;
const GROWS_FOR: u64 = 15;

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let Some(history) = ctx.world.readings.engine(&pod.meta.namespace, &pod.meta.name) else { return };
    let engine = &history.now;
    if engine.read_at.age(ctx.now) > FRESH {
        return;
    }
    out.again(engine.read_at.plus(FRESH + seconds(1)));
    let waiting = engine.waiting.unwrap_or(0.0);
    let queued = waiting >= WAITING && waiting * 2.0 >= engine.running.unwrap_or(0.0);
    let Some(since) = history.queued_since.filter(|_| queued) else { return };
    let grows = history.waiting.trend(since).is_some_and(|t| t.per_hour > 0.0 && t.steadiness >= STEADY);
    let fires = since.plus(seconds(if grows { GROWS_FOR } else { LASTS }));
    if ctx.now < fires {
        out.again(fires);
    }
    let full = history.full_since.filter(|_| engine.kv_cache.is_some());
    let (rule, why) = match full {
        Some(_) => (KV_CACHE, "its KV cache is full"),
        None => (QUEUE, "it is fully used"),
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
