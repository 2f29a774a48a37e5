//! Causes found in the readings of GPUs: leaks, memory that is full or idle, errors, heat, exporters that do not answer.

use crate::world::gpu::Gpu;
use crate::world::histories::GpuHistory;
use crate::world::measured::Engine;
use crate::world::readings::{FRESH, Place, Scrape, Target};
use crate::world::time::human;
use crate::world::{ContainerState, Node, ObjectRef, Pod, Readings, Text, Time};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::growth::{Growth, correlation, growth};
use super::limits::seconds;
use super::log::GPU_HUNG_COLLECTIVE;
use super::registry::causes;
use super::roles;

const WHY_MEMORY: &str = "a GPU without memory fails every request that needs some, and the process that holds it is the one that dies";
const WHY_DEVICE: &str =
    "a sick GPU computes wrong results or none, and takes the jobs on it down after hours of work";
const WHY_BLIND: &str =
    "without readings nobody sees memory run out, errors or heat; it says nothing of the GPUs themselves";

causes! {
    MEMORY_LEAK = "gpu.memory-leak" Warning Watch("GPU readings") tree "gpu":
        "used GPU memory grows steadily and will be full soon",
        why WHY_MEMORY, source "median slope over at least six readings, to a new high";
    MEMORY_FULL = "gpu.memory-full" Warning Watch("GPU readings") tree "gpu":
        "a GPU's memory filled up while the process ran",
        why WHY_MEMORY, source "used of usable memory; not where it was taken at the start";
    IDLE_RESERVED = "gpu.idle-reserved" Info Watch("GPU readings") tree "gpu":
        "a pod holds GPU memory and computes nothing",
        why "it costs as much as a busy one, and nobody else may use it", source "utilisation 0 with memory in use";
    XID = "gpu.xid" Critical Watch("GPU readings, nodes") tree "gpu":
        "the driver reports an error of the device that calls for a reset or a replacement",
        why WHY_DEVICE, source "NVIDIA's catalogue of XIDs";
    ECC = "gpu.ecc" Critical Watch("GPU readings") tree "gpu":
        "uncorrectable memory errors since the driver was loaded, or rows that could not be remapped",
        why WHY_DEVICE, source "ECC counters and row remapping";
    THERMAL = "gpu.thermal" Warning Watch("GPU readings") tree "gpu":
        "the GPU lowers its clocks for heat",
        why "it runs at a fraction of its speed, and jobs over several GPUs wait for the slowest", source "clock event reasons";
    EXPORTER_STALE = "gpu.exporter-stale" Warning Watch("GPU readings") tree "gpu":
        "a GPU exporter answers the same values again and again",
        why WHY_BLIND, source "identical answers over three minutes";
}

/// A process that starts may take memory for this long without that being a leak.
const WARM_UP: u64 = 300;
/// Growth over less time than this is likely a leak, and not proved.
const PROVES: u64 = 600;
/// A GPU this full has nothing left to give.
const FULL: f64 = 0.98;
/// It was at most this full before: memory that was full from the start was taken on purpose.
const NOT_FULL: f64 = 0.9;
/// A busy share of 0 this long is no pause.
const IDLE: u64 = 300;
const IDLE_BYTES: u64 = 1 << 30;
/// A collective over many GPUs may take seconds, and a checkpoint a minute.
const STALLED: u64 = 300;
/// Heat lasts this long before it is said.
const HOT: u64 = 60;
/// An exporter may be away this long.
const AWAY: u64 = 300;
/// How long an error is news.
const NEWS: u64 = 3600;
/// An inference server may use this much more of a GPU than it was told to take.
const BEYOND_SHARE: f64 = 0.05;

/// Errors of the device, as NVIDIA's catalogue has them: reset, drain or replace.
const DEVICE_XIDS: &[u32] = &[
    46, 48, 54, 62, 63, 64, 74, 78, 79, 92, 94, 95, 110, 119, 120, 136, 140, 143, 144, 145, 146, 147, 148,
    149, 150, 154, 155, 156, 158,
];
/// Errors that a program makes.
const PROGRAM_XIDS: &[u32] = &[13, 31, 43, 45, 68, 109, 137];

/// Since when the newest of the pod's containers runs.
pub fn running_since(pod: &Pod) -> Option<Time> {
    let since = pod.containers.iter().filter_map(|c| match c.state {
        ContainerState::Running { since } => since,
        _ => None,
    });
    since.max()
}

pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0)
}

/// Judges the GPUs that a pod holds.
pub fn of_pod(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
    let readings = &ctx.world.readings;
    let engine = readings.engine(namespace, name).map(|e| &e.now);
    let started = running_since(pod);
    for (gpu, history) in readings.gpus_of(&pod.node, namespace, name) {
        // A device shared by several pods is nobody's own: each has its share under it.
        if Readings::is_stale(gpu, ctx.now) || gpu.holders.len() > 1 {
            continue;
        }
        let settled = started.map_or(history.since, |s| s.plus(seconds(WARM_UP)).max(history.since));
        if let Some(grown) = leak(gpu, history, engine, settled, ctx.now) {
            out.push(leaking(ctx, gpu, history, pod, object, &grown));
        } else if let Some(since) = filled(gpu, history, engine, settled) {
            out.push(
                Diagnosis::new(MEMORY_FULL, ctx.root(object), since)
                    .title(format!("GPU {} of pod {name} has no memory left", gpu.label()))
                    .row("GPU memory full")
                    .evidence(source(gpu), state(gpu), object, Some(gpu.read_at)),
            );
        }
        idle(ctx, gpu, history, pod, object, out);
        stalled(ctx, gpu, history, pod, object, out);
        // Numbers that nobody renews prove nothing any more.
        out.again(gpu.read_at.plus(FRESH + seconds(1)));
    }
}

fn source(gpu: &Gpu) -> Text {
    format!("{}, {}", gpu.source, gpu.scope().as_str()).into()
}

fn state(gpu: &Gpu) -> String {
    let used = gpu.memory.used.map_or("?".to_owned(), gib);
    let total = gpu.total().map_or("?".to_owned(), gib);
    let busy = gpu.busy.map_or(String::new(), |b| format!(", {b:.0} % busy"));
    format!("GPU {}: {used} of {total} used{busy}", gpu.label())
}

/// How much of the device an inference server takes at its start: what it uses of that says nothing.
fn taken(engine: Option<&Engine>, gpu: &Gpu) -> Option<f64> {
    let engine = engine.filter(|e| e.preallocates)?;
    let total = gpu.total()? as f64;
    Some(engine.memory_share.map_or(f64::INFINITY, |share| (share + BEYOND_SHARE) * total))
}

fn leak(gpu: &Gpu, history: &GpuHistory, engine: Option<&Engine>, from: Time, now: Time) -> Option<Growth> {
    let (used, usable) = (gpu.memory.used? as f64, gpu.usable()? as f64);
    if taken(engine, gpu).is_some_and(|taken| used <= taken) {
        return None;
    }
    growth(&history.memory, from, now, usable)
}

/// Whether a GPU of the pod has little memory left that a server did not take at its start.
pub fn is_nearly_full(ctx: &Ctx, pod: &Pod) -> bool {
    let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
    let readings = &ctx.world.readings;
    let takes_all = readings.engine(namespace, name).is_some_and(|e| e.now.preallocates);
    let full = |g: &Gpu| !Readings::is_stale(g, ctx.now) && g.fullness().is_some_and(|f| f >= NOT_FULL);
    !takes_all && readings.gpus_of(&pod.node, namespace, name).any(|(g, _)| full(g))
}

/// Since when a GPU that was not full before is.
fn filled(gpu: &Gpu, history: &GpuHistory, engine: Option<&Engine>, from: Time) -> Option<Time> {
    if engine.is_some_and(|e| e.preallocates) || gpu.fullness()? < FULL {
        return None;
    }
    let usable = gpu.usable()? as f64;
    let points: Vec<(Time, f64)> = history.memory.points().filter(|(t, _)| *t >= from).collect();
    if !points.iter().any(|(_, v)| *v <= usable * NOT_FULL) {
        return None;
    }
    points.iter().rev().take_while(|(_, v)| *v >= usable * FULL).last().map(|(t, _)| *t)
}

fn leaking(
    ctx: &Ctx,
    gpu: &Gpu,
    history: &GpuHistory,
    pod: &Pod,
    object: &ObjectRef,
    grown: &Growth,
) -> Diagnosis {
    let trend = &grown.trend;
    let rate = trend.per_hour / 1_073_741_824.0;
    let urgent = grown.left < seconds(3600);
    let from = if history.has_past { ", some by Prometheus" } else { "" };
    let quote = format!(
        "{}; +{rate:.1} GiB/h over {} ({} readings{from})",
        state(gpu),
        human(trend.span),
        trend.samples
    );
    let mut diagnosis = Diagnosis::new(MEMORY_LEAK, ctx.root(object), grown.since)
        .title(format!(
            "GPU memory of pod {} grows by {rate:.1} GiB/h and is full in {}",
            pod.meta.name,
            human(grown.left)
        ))
        .row(format!("GPU memory full in {}", human(grown.left)))
        .evidence(source(gpu), quote, object, Some(gpu.read_at));
    if urgent {
        diagnosis = diagnosis.severity(Severity::Critical);
    }
    if trend.span < seconds(PROVES) {
        // A burst of large requests looks the same for some minutes.
        diagnosis = diagnosis.likely();
    }
    if let Some(engine) = ctx.world.readings.engine(&pod.meta.namespace, &pod.meta.name)
        && let Some(latency) = engine.recent(|e| e.request)
    {
        let together = correlation(&history.memory, &engine.latency, grown.since).map(|(r, n)| {
            format!("; it correlates with the memory, r = {r:.2}, n = {n}, which proves no cause")
        });
        let quote = format!("a request takes {latency:.2} s on average{}", together.unwrap_or_default());
        diagnosis = diagnosis.evidence(engine.now.kind.clone(), quote, object, Some(engine.now.read_at));
    }
    diagnosis
}

fn idle(ctx: &Ctx, gpu: &Gpu, history: &GpuHistory, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let Some(since) = history.idle_since.filter(|_| gpu.memory.used.is_some_and(|u| u >= IDLE_BYTES)) else {
        return;
    };
    let fires = since.plus(seconds(IDLE));
    if ctx.now < fires {
        return out.again(fires);
    }
    out.push(
        Diagnosis::new(IDLE_RESERVED, ctx.root(object), since)
            .title(format!(
                "pod {} holds GPU memory and has computed nothing for {}",
                pod.meta.name,
                human(since.age(ctx.now))
            ))
            .row("GPU idle")
            .evidence(source(gpu), state(gpu), object, Some(gpu.read_at)),
    );
}

/// A kernel that waits for another GPU spins: the GPU is busy, and neither computes nor moves data.
fn stalled(ctx: &Ctx, gpu: &Gpu, history: &GpuHistory, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let Some(since) = history.stalled_since else { return };
    let fires = since.plus(seconds(STALLED));
    if ctx.now < fires {
        return out.again(fires);
    }
    let share = |v: Option<f64>| v.map_or("?".to_owned(), |v| format!("{v:.1} %"));
    let power = gpu.power.map_or(String::new(), |w| format!(", {w:.0} W"));
    let quote = format!(
        "GPU {}: {:.0} % busy, tensor cores {}, memory {}{power}, for {}",
        gpu.label(),
        gpu.busy.unwrap_or(0.0),
        share(gpu.tensor_active),
        share(gpu.memory_active),
        human(since.age(ctx.now))
    );
    let mut diagnosis = Diagnosis::new(GPU_HUNG_COLLECTIVE, ctx.root(object), since)
        .title(format!(
            "GPU {} of pod {} is busy and has done no work for {}",
            gpu.label(),
            pod.meta.name,
            human(since.age(ctx.now))
        ))
        .row("GPU busy, no work")
        .likely()
        .evidence(source(gpu), quote, object, Some(gpu.read_at));
    for (rank, other) in odd_ranks(ctx, pod) {
        let busy = other.busy.map_or("?".to_owned(), |b| format!("{b:.0}"));
        let quote = format!("GPU {} is {busy} % busy while the other ranks wait", other.label());
        diagnosis =
            diagnosis.evidence(source(other), quote, &super::pod::reference(rank), Some(other.read_at));
    }
    out.push(diagnosis);
}

/// The pods beside this one, of the same owner, with a GPU that does not wait: the others may wait for them. None where
/// half of them do not.
fn odd_ranks<'w>(ctx: &Ctx<'w>, pod: &Pod) -> Vec<(&'w Pod, &'w Gpu)> {
    let Some(owner) = &pod.meta.owner else { return Vec::new() };
    let ranks: Vec<&Pod> = ctx.world.pods_of(&owner.uid).map(|(_, p)| p).collect();
    let gpus = ranks.iter().flat_map(|p| {
        let own = ctx.world.readings.gpus_of(&p.node, &p.meta.namespace, &p.meta.name);
        own.filter(|(g, _)| !Readings::is_stale(g, ctx.now)).map(|(g, _)| (*p, g))
    });
    let (waits, odd): (Vec<_>, Vec<_>) = gpus.partition(|(_, g)| g.is_stalled());
    if odd.len() < waits.len() { odd } else { Vec::new() }
}

/// Judges the GPUs of a node, and whoever reads them.
pub fn of_node(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let readings = &ctx.world.readings;
    let mut fresh: Vec<(&Gpu, &GpuHistory)> =
        readings.gpus_on(&node.meta.name).filter(|(g, _)| !Readings::is_stale(g, ctx.now)).collect();
    // Slices carry what is their device's: one of them speaks for it.
    fresh.dedup_by_key(|(g, _)| g.index);
    for (gpu, history) in fresh {
        xid(ctx, node, gpu, history, object, out);
        ecc(ctx, gpu, object, out);
        if let Some(since) = history.hot_since {
            let fires = since.plus(seconds(HOT));
            if ctx.now < fires {
                out.again(fires);
            } else {
                let heat = gpu.temperature.map_or(String::new(), |t| format!(" at {t:.0} °C"));
                out.push(
                    Diagnosis::new(THERMAL, object.clone(), since)
                        .title(format!("GPU {} lowers its clocks for heat{heat}", gpu.label()))
                        .row(format!("GPU {} hot", gpu.index))
                        .evidence(
                            source(gpu),
                            format!("clock event reason: thermal{heat}"),
                            object,
                            Some(gpu.read_at),
                        ),
                );
            }
        }
    }
    let exporters = readings
        .scrapes()
        .filter(|(t, _)| t.node == node.meta.name && matches!(&*t.source, "dcgm" | "amd" | "intel"));
    for (target, scrape) in exporters {
        exporter(ctx, node, target, scrape, object, out);
    }
}

fn xid(ctx: &Ctx, node: &Node, gpu: &Gpu, history: &GpuHistory, object: &ObjectRef, out: &mut Out) {
    let Some((code, since, known)) = history.xid_since else { return };
    let Some(xid) = &gpu.xid else { return };
    let lacking = node.allocatable.gpu.unwrap_or(0) < node.capacity.gpu.unwrap_or(0);
    let sick = lacking || !gpu.trouble.is_empty();
    // The gauge keeps its last value for ever: only a change, a count of the exporter, or a device that is out says that
    // it is about today.
    let news = !known && since.age(ctx.now) < seconds(NEWS) || xid.recent.is_some_and(|n| n > 0);
    let program = PROGRAM_XIDS.contains(&code);
    let device = DEVICE_XIDS.contains(&code);
    if !(news || device && sick) {
        return;
    }
    if !known {
        out.again(since.plus(seconds(NEWS)));
    }
    let (severity, what) = match (device, program) {
        (true, _) => (Severity::Critical, "an error of the device"),
        (_, true) => (Severity::Info, "an error of the program that runs on it"),
        _ => (Severity::Warning, "an error"),
    };
    let message = if xid.message.is_empty() { String::new() } else { format!(": {}", xid.message) };
    let mut diagnosis = Diagnosis::new(XID, object.clone(), since)
        .severity(severity)
        .title(format!("GPU {} reports XID {code}, {what}{message}", gpu.label()))
        .row(format!("XID {code}"))
        .evidence(
            source(gpu),
            format!("GPU {}: XID {code}{message}", gpu.label()),
            object,
            Some(gpu.read_at),
        );
    if lacking {
        let offers = format!(
            "allocatable GPUs {}, capacity {}",
            node.allocatable.gpu.unwrap_or(0),
            node.capacity.gpu.unwrap_or(0)
        );
        diagnosis = diagnosis.evidence("node status", offers, object, None);
    }
    out.push(diagnosis);
}

fn ecc(ctx: &Ctx, gpu: &Gpu, object: &ObjectRef, out: &mut Out) {
    let errors = gpu.ecc.uncorrected.filter(|n| *n > 0);
    let failed = gpu.ecc.remap_failed == Some(true);
    let quote = match (errors, failed) {
        (_, true) => "remapping a bad row has failed: the GPU has to be replaced".to_owned(),
        (Some(n), false) => format!("{n} uncorrectable memory errors since the driver was loaded"),
        (None, false) => return,
    };
    out.push(
        Diagnosis::new(ECC, object.clone(), ctx.now)
            .title(format!("GPU {}: {quote}", gpu.label()))
            .row(format!("GPU {} ECC", gpu.index))
            .evidence(source(gpu), quote, object, Some(gpu.read_at)),
    );
}

fn exporter(ctx: &Ctx, node: &Node, target: &Target, scrape: &Scrape, object: &ObjectRef, out: &mut Out) {
    // The exporter's own pod, as long as it is there; else the node it measures.
    let pod = match &target.place {
        Place::Pod { namespace, name, .. } => ctx.world.pods.find(namespace, name).map(super::pod::reference),
        _ => None,
    };
    let place = pod.unwrap_or_else(|| object.clone());
    let root = ctx.root(&place);
    if let Some((since, why)) = scrape.unanswered() {
        let fires = since.plus(seconds(AWAY));
        if ctx.now < fires {
            return out.again(fires);
        }
        out.push(
            Diagnosis::new(roles::GPU_EXPORTER_DOWN, root, since)
                .title(format!("the {} exporter of node {} does not answer", target.source, node.meta.name))
                .row("GPU exporter silent")
                .evidence(format!("{} scrape", target.source), why, &place, Some(scrape.at)),
        );
    } else if let Some(since) = scrape.stale() {
        let age = human(since.age(ctx.now));
        out.push(
            Diagnosis::new(EXPORTER_STALE, root, since)
                .title(format!(
                    "the {} exporter of node {} has answered the same values for {age}",
                    target.source, node.meta.name
                ))
                .row("GPU exporter stale")
                .evidence(
                    format!("{} scrape", target.source),
                    format!("the same answer for {age}"),
                    &place,
                    Some(scrape.at),
                ),
        );
    }
}
