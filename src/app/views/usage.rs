//! Usage against requests and limits, its trend, and the traffic of an object: lines of its description.

use crate::app::core::model::Model;
use crate::app::table::cell::bytes;
use crate::app::table::picture;
use crate::app::table::trend;
use crate::app::views::page::Page;
use crate::world::time::human;
use crate::world::traffic::Served;
use crate::world::{Kind, Node, ObjectRef, Pod, Readings, Resources, Role, Series, Time, Uid};

/// A pod's usage against its limits.
pub fn pod(model: &Model, pod: &Pod, page: &mut Page) {
    let readings = &model.data.world.readings;
    let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
    let mut lines: Vec<(String, String)> = Vec::new();
    if let Some(history) = readings.pod(namespace, name).filter(|h| h.usage.at.0 > 0) {
        let from = source(readings.usage_source(), history.usage.at, page.now);
        let limit = all(pod, |r| r.memory, |c| &c.spec.limits);
        let asked = all(pod, |r| r.memory, |c| &c.spec.requests);
        if let Some(used) = history.usage.memory() {
            let of = of(asked.map(bytes), limit.map(bytes));
            let moves = moves(&history.memory, page.now, limit.map(|l| l as f64));
            let spark = spark(model, &history.memory, page.now);
            lines.push(("memory".into(), format!("{spark} {}{of}{moves}  {from}", bytes(used))));
        }
        if let Some(used) = history.usage.cpu() {
            let milli = |n: Option<u64>| n.map(|n| format!("{n}m"));
            let of = of(
                milli(all(pod, |r| r.cpu, |c| &c.spec.requests)),
                milli(all(pod, |r| r.cpu, |c| &c.spec.limits)),
            );
            lines.push(("cpu".into(), format!("{used}m{of}  {from}")));
        }
    }
    for (gpu, history) in readings.gpus_of(&pod.node, namespace, name) {
        let used = gpu.memory.used.map_or("memory unknown".into(), bytes);
        let total = gpu.total().map_or(String::new(), |t| format!(" of {}", bytes(t)));
        let busy = gpu.busy.map_or(String::new(), |b| format!(", {b:.0} % busy"));
        let moves = moves(&history.memory, page.now, gpu.usable().map(|u| u as f64));
        let spark = spark(model, &history.memory, page.now);
        let stale = if Readings::is_stale(gpu, page.now) { "stale: " } else { "" };
        let from = source(Some(&gpu.source), gpu.read_at, page.now);
        lines.push((
            format!("gpu {}", gpu.label()),
            format!("{spark} {stale}{used}{total}{busy}{moves}  {from}"),
        ));
    }
    if let Some(history) = readings.engine(namespace, name) {
        let engine = &history.now;
        let mut parts = Vec::new();
        parts.extend(engine.running.map(|n| format!("{n:.0} running")));
        parts.extend(engine.waiting.map(|n| format!("{n:.0} waiting")));
        parts.extend(engine.kv_cache.map(|k| format!("KV cache {:.0} %", k * 100.0)));
        parts.extend(history.recent(|e| e.first_token).map(|s| format!("first token {s:.2} s")));
        parts.extend(history.recent(|e| e.request).map(|s| format!("request {s:.2} s")));
        let from = source(None, engine.read_at, page.now);
        lines.push((engine.kind.to_string(), format!("{}  {from}", parts.join(", "))));
    }
    let own = Served::Pod { namespace: namespace.clone(), name: name.clone() };
    lines.extend(traffic(model, std::iter::once(own), page.now));
    write(page, lines);
}

/// A node's usage.
pub fn node(model: &Model, node: &Node, page: &mut Page) {
    let readings = &model.data.world.readings;
    let Some(history) = readings.node(&node.meta.name).filter(|h| h.usage.at.0 > 0) else { return };
    let from = source(readings.usage_source(), history.usage.at, page.now);
    let mut lines = Vec::new();
    if let Some(used) = history.usage.memory {
        let all = node.allocatable.memory;
        let of = all.map_or(String::new(), |a| format!(" of {} allocatable", bytes(a)));
        let moves = moves(&history.memory, page.now, all.map(|a| a as f64));
        lines.push((
            "memory".into(),
            format!("{} {}{of}{moves}  {from}", spark(model, &history.memory, page.now), bytes(used)),
        ));
    }
    if let Some(used) = history.usage.cpu {
        let of = node.allocatable.cpu.map_or(String::new(), |a| format!(" of {a}m allocatable"));
        lines.push(("cpu".into(), format!("{} {used}m{of}  {from}", spark(model, &history.cpu, page.now))));
    }
    write(page, lines);
}

/// The requests that a workload or a Service answers.
pub fn requests(model: &Model, object: &ObjectRef, page: &mut Page) {
    let (namespace, name) = (object.namespace.clone(), object.name.clone());
    let own = match object.kind {
        Kind::Service => Served::Service { namespace, name },
        _ => Served::Workload { namespace, name },
    };
    let world = &model.data.world;
    let mut owners: Vec<&Uid> = world.meta(object).map(|m| &m.uid).into_iter().collect();
    // A Deployment's pods belong to its ReplicaSets.
    let sets = owners.first().into_iter().flat_map(|uid| world.replica_sets_of(uid));
    let sets: Vec<&Uid> = sets.map(|(_, set)| &set.meta.uid).collect();
    owners.extend(sets);
    let pods = owners
        .into_iter()
        .flat_map(|uid| world.pods_of(uid))
        .map(|(_, p)| Served::Pod { namespace: p.meta.namespace.clone(), name: p.meta.name.clone() });
    let all: Vec<Served> = std::iter::once(own).chain(pods).collect();
    write(page, traffic(model, all.into_iter(), page.now).into_iter().collect());
}

fn write(page: &mut Page, lines: Vec<(String, String)>) {
    if lines.is_empty() {
        return;
    }
    page.title("Use");
    for (key, text) in lines {
        page.pair(&key, text, "text");
    }
}

fn traffic(model: &Model, of: impl Iterator<Item = Served>, now: Time) -> Option<(String, String)> {
    let t = model.data.world.readings.traffic.of(of, now)?;
    let mut parts = Vec::new();
    parts.extend(t.rate.map(|r| if r < 10.0 { format!("{r:.1}/s") } else { format!("{r:.0}/s") }));
    parts.extend(t.error_share().map(|s| format!("{:.1} % 5xx", s * 100.0)));
    parts.extend(t.p95.map(|s| format!("P95 {s:.2} s")));
    let from = source(Some(&format!("Prometheus, {}", t.metric)), t.at, now);
    (!parts.is_empty()).then(|| ("requests".into(), format!("{}  {from}", parts.join(", "))))
}

/// The sum of a resource over all containers that run together; `None` where one of them has none.
fn all(
    pod: &Pod,
    of: fn(&Resources) -> Option<u64>,
    from: fn(&crate::world::Container) -> &Resources,
) -> Option<u64> {
    let counted = pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    counted.map(|c| of(from(c))).sum()
}

fn of(asked: Option<String>, limit: Option<String>) -> String {
    let asked = asked.map_or("no request".into(), |a| format!("{a} requested"));
    let limit = limit.map_or("no limit".into(), |l| format!("limit {l}"));
    format!(", {asked}, {limit}")
}

/// The trend and when the limit is reached, with the window and the number of readings.
fn moves(series: &Series, now: Time, limit: Option<f64>) -> String {
    let Some((t, left)) = trend::of(series, now, limit) else { return String::new() };
    let sign = if t.per_hour > 0.0 { '+' } else { '-' };
    let rate = bytes(t.per_hour.abs() as u64);
    let left = left.map_or(String::new(), |d| format!(", full in {}", human(d)));
    format!("  {sign}{rate}/h over {} ({} readings){left}", human(t.span), t.samples)
}

fn spark(model: &Model, series: &Series, now: Time) -> String {
    picture::line(model.theme.spark(), &trend::steps(series, now))
}

fn source(name: Option<&str>, at: Time, now: Time) -> String {
    let name = name.map_or(String::new(), |n| format!("{n}, "));
    format!("({name}{} ago)", human(at.age(now)))
}
