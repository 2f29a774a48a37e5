//! A kubelet's `/metrics/cadvisor`: usage, CFS periods and pressure of containers.
use std::fmt::Write as _;

use jiff::Timestamp;

use super::engine::Engine;
use super::kubelet::{Container, PodRun, spec_of};
use super::vllm::total;

/// CFS periods a second.
const PERIODS: f64 = 10.0;

/// The numbers of a running container, by metric.
pub(super) fn numbers(run: &PodRun, container: &Container, now: Timestamp) -> Vec<(&'static str, f64)> {
    let Some(going) = &container.run else { return Vec::new() };
    let elapsed = going.elapsed(now);
    let seconds = elapsed.as_secs_f64();
    let mut out = vec![
        ("container_memory_working_set_bytes", run.container_memory(container, now).round()),
        ("container_cpu_usage_seconds_total", run.container_cpu(container, now) * seconds),
    ];
    // Only a container with a CPU limit has a quota that the kernel counts periods for.
    if spec_of(run, container).is_some_and(|s| s.pointer("/resources/limits/cpu").is_some()) {
        let throttled = going.behaviour.throttled.as_ref();
        let stopped =
            throttled.map_or(0.0, |share| total(elapsed, |t| share.at(t).clamp(0.0, 1.0) * PERIODS));
        out.push(("container_cpu_cfs_periods_total", (seconds * PERIODS).round()));
        out.push(("container_cpu_cfs_throttled_periods_total", stopped.round()));
        // A task that is stopped waits for a CPU too.
        out.push(("container_pressure_cpu_waiting_seconds_total", stopped / PERIODS));
    }
    out
}

/// The page of a node's kubelet.
pub(super) fn text(engine: &Engine, node: &str, now: Timestamp) -> String {
    let mut out = String::new();
    for pod in engine.cache.on_node(node) {
        let Some(run) = engine.runs.get(super::object::uid(pod)).filter(|r| !r.done) else { continue };
        for c in run.containers.iter().filter(|c| c.running()) {
            for (metric, value) in numbers(run, c, now) {
                let _ = writeln!(
                    out,
                    "{metric}{{container=\"{}\",id=\"/kubepods.slice/{}\",image=\"{}\",name=\"{}\",namespace=\"{}\",pod=\"{}\"}} {value} {}",
                    c.name,
                    run.uid,
                    c.image,
                    c.name,
                    run.key.ns,
                    run.key.name,
                    now.as_millisecond()
                );
            }
        }
    }
    out
}
