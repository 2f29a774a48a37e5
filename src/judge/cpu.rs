//! CPU that a container does not get: its limit stops it, or its node has no CPU free.

use std::time::Duration;

use crate::world::measured::WaitFor;
use crate::world::time::human;
use crate::world::waits::{HIGH, Waiting};
use crate::world::{Container, Node, ObjectRef, Pod, Role, Time};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::causes;

causes! {
    THROTTLED = "cpu.throttled" Warning Watch("CFS counters") tree "pod":
        "a container's CPU limit stops it in a large share of the scheduler's periods",
        why "each stop adds up to a tenth of a second to a request and makes probes time out, while the average usage looks harmless",
        source "throttled of all CFS periods, by the kubelet's cAdvisor or Prometheus: 25 % for 5 minutes is info, 50 % a warning";
    SATURATED = "cpu.saturated" Warning Watch("usage of nodes") tree "node":
        "a node's CPUs are fully used",
        why "every container on the node waits for its turn, and the kubelet and kube-proxy do too",
        source "95 % of allocatable for 5 minutes; info unless PSI shows containers that wait";
}

/// A share from which on throttling is more than an inefficiency.
const MUCH: f64 = 0.5;
/// A program that starts may use all its limit for some minutes.
const LASTS: u64 = 300;
/// A share read longer ago says nothing of now: five readings were missed.
const OLD: Duration = Duration::from_secs(300);
/// Percent of a node's allocatable CPU that leave none.
const FULL: u64 = 95;
/// Waiting containers that are quoted.
const QUOTED: usize = 3;

fn fresh(waiting: &Waiting, now: Time) -> bool {
    waiting.at.age(now) <= OLD
}

/// The time that a share covers in words.
fn span(waiting: &Waiting) -> String {
    waiting.over.map_or_else(|| "since its start".to_owned(), |over| format!("over {}", human(over)))
}

/// How much of the time a container's tasks waited for a free CPU.
fn waited(c: &Container, share: f64, waiting: &Waiting) -> String {
    format!("{}: tasks waited for CPU {:.0} % of the time {}", c.spec.name, share * 100.0, span(waiting))
}

/// Judges the throttling of a pod's containers.
pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let counted = pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    for c in counted {
        let waits = &ctx.world.readings.waits;
        let of = |of| waits.of(&pod.meta.namespace, &pod.meta.name, &c.spec.name, of);
        let Some(waiting) = of(WaitFor::CpuLimit).filter(|w| fresh(w, ctx.now)) else { continue };
        let (Some(share), Some(since)) = (waiting.share, waiting.high_since) else { continue };
        out.again(waiting.at.plus(OLD + seconds(1)));
        let fires = since.plus(seconds(LASTS));
        if ctx.now < fires {
            out.again(fires);
        }
        let mut diagnosis = Diagnosis::new(THROTTLED, ctx.root(object), since)
            .fires_at(fires)
            .container(&c.spec.name)
            .title(format!(
                "the CPU limit of container {} of pod {} stops it in {:.0} % of its periods",
                c.spec.name,
                pod.meta.name,
                share * 100.0
            ))
            .row(format!("CPU throttled {:.0} %", share * 100.0))
            .evidence(
                "CFS counters",
                format!(
                    "{}: throttled in {:.0} % of its periods {}{}",
                    c.spec.name,
                    share * 100.0,
                    span(waiting),
                    usage(ctx, pod, c)
                ),
                object,
                Some(waiting.at),
            );
        if share < MUCH {
            diagnosis = diagnosis.severity(Severity::Info);
        }
        if waiting.over.is_none() {
            // It may have been stopped an hour ago and be well now.
            diagnosis = diagnosis.likely();
        }
        if let Some(cpu) = of(WaitFor::Cpu).filter(|w| fresh(w, ctx.now))
            && let Some(share) = cpu.share
        {
            diagnosis = diagnosis.evidence("PSI", waited(c, share, cpu), object, Some(cpu.at));
        }
        out.push(diagnosis);
    }
}

/// The use of CPU against the limit, as far as both are known.
fn usage(ctx: &Ctx, pod: &Pod, c: &Container) -> String {
    let measured = ctx.world.readings.pod(&pod.meta.namespace, &pod.meta.name);
    let used = measured.and_then(|h| h.usage.containers.iter().find(|u| u.name == c.spec.name)?.cpu);
    match (used, c.spec.limits.cpu) {
        (Some(used), Some(limit)) => format!("; it uses {used}m of {limit}m on average"),
        (None, Some(limit)) => format!("; its limit is {limit}m"),
        _ => String::new(),
    }
}

/// Judges the CPUs of a node.
pub fn of_node(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let Some(history) = ctx.world.readings.node(&node.meta.name) else { return };
    let Some(all) = node.allocatable.cpu.filter(|all| *all > 0) else { return };
    let usage = &history.usage;
    let Some(used) = usage.cpu.filter(|_| usage.at.age(ctx.now) <= OLD) else { return };
    let full = |v: f64| v * 100.0 >= (all * FULL) as f64;
    if !full(used as f64) {
        return;
    }
    let points: Vec<(Time, f64)> = history.cpu.points().collect();
    let since = points.iter().rev().take_while(|(_, v)| full(*v)).last().map_or(usage.at, |(at, _)| *at);
    let fires = since.plus(seconds(LASTS));
    if ctx.now < fires {
        out.again(fires);
    }
    out.again(usage.at.plus(OLD + seconds(1)));
    let percent = used.saturating_mul(100) / all;
    let mut diagnosis = Diagnosis::new(SATURATED, object.clone(), since)
        .fires_at(fires)
        .title(format!("node {} uses {percent} % of its CPU", node.meta.name))
        .row(format!("CPU {percent} %"))
        .severity(Severity::Info)
        .evidence("usage", format!("{used}m of {all}m CPU"), object, Some(usage.at));
    for (pod, c, share, waiting) in waiting(ctx, node).into_iter().take(QUOTED) {
        let quote = format!("pod {}, {}", pod.meta.name, waited(c, share, waiting));
        let pod = super::pod::reference(pod);
        diagnosis = diagnosis.severity(Severity::Warning).evidence("PSI", quote, &pod, Some(waiting.at));
    }
    out.push(diagnosis);
}

/// The containers of a node that wait for a free CPU much of the time, those that wait most first. One that its own
/// limit stops waits for that.
fn waiting<'w>(ctx: &Ctx<'w>, node: &Node) -> Vec<(&'w Pod, &'w Container, f64, &'w Waiting)> {
    let waits = &ctx.world.readings.waits;
    let mut out: Vec<_> = ctx
        .world
        .pods_on(&node.meta.name)
        .flat_map(|(_, p)| p.containers.iter().map(move |c| (p, c)))
        .filter_map(|(p, c)| {
            let of = |of| waits.of(&p.meta.namespace, &p.meta.name, &c.spec.name, of);
            let waiting = of(WaitFor::Cpu).filter(|w| fresh(w, ctx.now))?;
            let share = waiting.share.filter(|s| *s >= HIGH)?;
            let limited = of(WaitFor::CpuLimit).is_some_and(|w| w.high_since.is_some());
            (!limited).then_some((p, c, share, waiting))
        })
        .collect();
    out.sort_by(|a, b| b.2.total_cmp(&a.2));
    out
}
