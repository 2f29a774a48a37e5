//! A kubelet's `/metrics/cadvisor`: how often a CPU limit stops a container, and how long its tasks wait (PSI).

use std::collections::BTreeMap;

use super::number::real;
use super::prom;
use crate::world::measured::{Counted, PodUsage, Wait, WaitFor};
use crate::world::{ContainerSpec, Pod, Role, Text, Time};

/// Percent of its CPU limit from which a container's throttling is worth a large answer.
const WORTH: u64 = 50;

/// The counters of containers; those of pods and slices (an empty `container`) repeat them and are left out.
///
/// PSI counters exist with the kubelet's feature KubeletPSI, which is on by default from 1.34 on.
pub fn read(text: &str, at: Time) -> Vec<Wait> {
    let mut periods: BTreeMap<Id, (Option<f64>, Option<f64>)> = BTreeMap::new();
    let mut out = Vec::new();
    for s in prom::samples(text) {
        let Some(metric) = s.name.strip_prefix("container_") else { continue };
        let of = match metric {
            "cpu_cfs_periods_total" | "cpu_cfs_throttled_periods_total" => WaitFor::CpuLimit,
            "pressure_cpu_waiting_seconds_total" => WaitFor::Cpu,
            "pressure_memory_waiting_seconds_total" => WaitFor::Memory,
            "pressure_io_waiting_seconds_total" => WaitFor::Io,
            _ => continue,
        };
        let (Some(id), Some(value)) = (Id::of(&s), real(s.value)) else { continue };
        match metric {
            "cpu_cfs_periods_total" => periods.entry(id).or_default().0 = Some(value),
            "cpu_cfs_throttled_periods_total" => periods.entry(id).or_default().1 = Some(value),
            _ => out.push(id.wait(of, Counted::Seconds(value), at)),
        }
    }
    out.extend(periods.into_iter().filter_map(|(id, counts)| {
        let (of, throttled) = (counts.0?, counts.1?);
        Some(id.wait(WaitFor::CpuLimit, Counted::Periods { throttled, of }, at))
    }));
    out
}

/// The container that a sample is about.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    namespace: Text,
    pod: Text,
    container: Text,
}

impl Id {
    fn of(s: &prom::Sample<'_>) -> Option<Id> {
        let label = |name| s.label(name).filter(|v| !v.is_empty());
        let container = label("container").filter(|c| *c != "POD")?;
        Some(Id {
            namespace: label("namespace")?.into(),
            pod: label("pod")?.into(),
            container: container.into(),
        })
    }

    fn wait(self, of: WaitFor, counted: Counted, at: Time) -> Wait {
        let Id { namespace, pod, container } = self;
        Wait { namespace, pod, container, of, counted, at }
    }
}

/// Whether throttling may slow this pod down: a container uses much of its CPU limit, or has one and is not ready.
///
/// A container that is throttled in bursts uses little on average. Prometheus tells of it, or the operator looks at
/// the pod.
pub fn is_worth(pod: &Pod, usage: &PodUsage) -> bool {
    let limit = |c: &ContainerSpec| c.limits.cpu.filter(|limit| *limit > 0);
    let counted = pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    counted.into_iter().any(|c| {
        let Some(limit) = limit(&c.spec) else { return false };
        let used = usage.containers.iter().find(|u| u.name == c.spec.name).and_then(|u| u.cpu);
        !pod.ready || used.is_some_and(|used| used.saturating_mul(100) >= limit.saturating_mul(WORTH))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as cAdvisor in a 1.36 kubelet writes them, with its timestamps.
    const TEXT: &str = r#"
# TYPE container_cpu_cfs_periods_total counter
container_cpu_cfs_periods_total{container="",id="/kubepods/burstable/pod1",image="",name="",namespace="shop",pod="api-0"} 9000 1795223365354
container_cpu_cfs_periods_total{container="api",id="/kubepods/burstable/pod1/a",image="api:1",name="a",namespace="shop",pod="api-0"} 8000 1795223365354
container_cpu_cfs_periods_total{container="alone",id="/kubepods/b",image="b:1",name="b",namespace="shop",pod="b-0"} 10 1795223365354
container_cpu_cfs_throttled_periods_total{container="api",id="/kubepods/burstable/pod1/a",image="api:1",name="a",namespace="shop",pod="api-0"} 3200 1795223365354
container_cpu_usage_seconds_total{container="api",cpu="total",namespace="shop",pod="api-0"} 77 1795223365354
container_pressure_cpu_waiting_seconds_total{container="api",id="/kubepods/burstable/pod1/a",namespace="shop",pod="api-0"} 12.5 1795223365354
container_pressure_cpu_waiting_seconds_total{container="",id="/",namespace="",pod=""} 400 1795223365354
container_pressure_memory_stalled_seconds_total{container="api",namespace="shop",pod="api-0"} 1 1795223365354
"#;

    #[test]
    fn counters_of_containers_are_read_and_those_of_their_pods_are_not() {
        let waits = read(TEXT, Time(5));
        let of = |of| waits.iter().filter(|w| w.of == of).collect::<Vec<_>>();
        let limit = of(WaitFor::CpuLimit);
        assert_eq!(limit.len(), 1, "a counter without its partner says nothing: {limit:?}");
        assert_eq!(limit[0].counted, Counted::Periods { throttled: 3200.0, of: 8000.0 });
        assert_eq!((&*limit[0].pod, &*limit[0].container), ("api-0", "api"));
        assert_eq!(of(WaitFor::Cpu)[0].counted, Counted::Seconds(12.5));
        assert_eq!(waits.len(), 2);
    }
}
