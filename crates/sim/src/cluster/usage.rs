//! The usage of containers and nodes, for metrics.k8s.io and the kubelets.
use std::time::Duration;

use jiff::Timestamp;

use super::engine::Engine;
use super::kubelet::{Container, PodRun, spec_of};
use super::object::amount;
use super::resources::container_requests;

/// The memory of a container without a memory curve.
const IDLE_MEMORY: f64 = 48.0 * 1_048_576.0;
const IDLE_CPU: f64 = 0.004;

impl PodRun {
    /// Working set in bytes.
    pub fn memory(&self, now: Timestamp) -> f64 {
        self.containers.iter().map(|c| self.container_memory(c, now)).sum()
    }

    /// Used bytes of emptyDirs and writable layers.
    pub fn disk(&self, now: Timestamp) -> f64 {
        let written: u64 = self.volumes.values().map(|t| t.used("/")).sum::<u64>()
            + self.containers.iter().map(|c| c.files.used("/")).sum::<u64>();
        let growing: f64 = self
            .containers
            .iter()
            .filter_map(|c| c.run.as_ref())
            .flat_map(|r| r.behaviour.writes.values().map(|w| w.at(r.elapsed(now))))
            .sum();
        written as f64 + growing
    }

    /// The times, from now, at which its growth rate changes.
    pub fn bends(&self, now: Timestamp) -> Vec<Duration> {
        let running = self.containers.iter().filter(|c| c.running()).filter_map(|c| c.run.as_ref());
        let curves = running.flat_map(|r| {
            let elapsed = r.elapsed(now);
            let curves = r.behaviour.memory.iter().chain(r.behaviour.writes.values());
            curves.flat_map(move |c| c.bends_after(elapsed)).map(move |at| at - elapsed)
        });
        curves.collect()
    }

    pub fn container_memory(&self, container: &Container, now: Timestamp) -> f64 {
        let Some(run) = container.run.as_ref().filter(|_| container.running()) else { return 0.0 };
        match &run.behaviour.memory {
            Some(curve) => curve.at(run.elapsed(now)),
            None => {
                let asked = self.asked(container, "memory");
                if asked > 0.0 {
                    asked * self.share(container, 0.45)
                } else {
                    IDLE_MEMORY * (0.5 + self.share(container, 1.0))
                }
            }
        }
    }

    pub fn container_cpu(&self, container: &Container, now: Timestamp) -> f64 {
        let Some(run) = container.run.as_ref().filter(|_| container.running()) else { return 0.0 };
        match &run.behaviour.cpu {
            Some(curve) => curve.at(run.elapsed(now)),
            None => {
                let asked = self.asked(container, "cpu");
                if asked > 0.0 {
                    asked * self.share(container, 0.3)
                } else {
                    IDLE_CPU * (0.5 + self.share(container, 1.0))
                }
            }
        }
    }

    fn asked(&self, container: &Container, resource: &str) -> f64 {
        spec_of(self, container).map_or(0.0, |s| container_requests(s).get(resource).copied().unwrap_or(0.0))
    }

    /// A share that differs between pods and is constant for each.
    fn share(&self, container: &Container, middle: f64) -> f64 {
        let seed =
            super::chance::mix(super::chance::fnv(format!("{}{}", self.uid, container.name).as_bytes()));
        middle * (0.75 + 0.5 * (seed % 1000) as f64 / 1000.0)
    }
}

/// The cores and bytes used on a node, with its own processes.
pub(super) fn node_usage(engine: &Engine, node: &str, now: Timestamp) -> (f64, f64) {
    let overhead = engine.machines.get(node).map_or(0.0, |m| m.overhead);
    engine
        .cache
        .on_node(node)
        .filter_map(|p| engine.runs.get(super::object::uid(p)))
        .flat_map(|r| r.containers.iter().map(move |c| (r, c)))
        .fold((0.12, overhead), |(cpu, memory), (r, c)| {
            (cpu + r.container_cpu(c, now), memory + r.container_memory(c, now))
        })
}

/// Allocatable memory of a node in bytes.
pub(super) fn node_memory(engine: &Engine, node: &str) -> f64 {
    let object = engine.cache.find("nodes", "", node);
    object.and_then(|n| amount(n.pointer("/status/capacity/memory")?)).unwrap_or(0.0)
}
