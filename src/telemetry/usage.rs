//! Usage of pods and nodes: lists of metrics.k8s.io, or the kubelet's summary where there is no metrics server.

use serde::Deserialize;

use crate::world::measured::{ContainerUsage, Measured, NodeUsage, PodUsage};
use crate::world::{Text, Time, quantity};

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    name: Text,
    #[serde(default)]
    namespace: Text,
}

#[derive(Deserialize, Default)]
struct Amounts<'t> {
    #[serde(borrow, default)]
    cpu: Option<&'t str>,
    #[serde(borrow, default)]
    memory: Option<&'t str>,
}

#[derive(Deserialize)]
struct PodMetrics<'t> {
    metadata: Metadata,
    timestamp: Time,
    #[serde(borrow)]
    containers: Vec<ContainerMetrics<'t>>,
}

#[derive(Deserialize)]
struct ContainerMetrics<'t> {
    name: Text,
    #[serde(borrow)]
    usage: Amounts<'t>,
}

#[derive(Deserialize)]
struct NodeMetrics<'t> {
    metadata: Metadata,
    timestamp: Time,
    #[serde(borrow)]
    usage: Amounts<'t>,
}

/// Reads a `PodMetricsList`.
///
/// # Errors
/// A sentence where the text is none.
pub fn pods(text: &str) -> Result<Measured, String> {
    let list: List<PodMetrics<'_>> =
        serde_json::from_str(text).map_err(|e| not("list of pod metrics", &e))?;
    let pods = list.items.into_iter().map(|p| PodUsage {
        namespace: p.metadata.namespace,
        pod: p.metadata.name,
        containers: p
            .containers
            .into_iter()
            .map(|c| ContainerUsage {
                name: c.name,
                cpu: c.usage.cpu.and_then(quantity::milli),
                memory: c.usage.memory.and_then(quantity::value),
            })
            .collect(),
        at: p.timestamp,
    });
    Ok(Measured { pods: pods.collect(), ..Measured::default() })
}

/// Reads a `NodeMetricsList`.
///
/// # Errors
/// As [`pods`].
pub fn nodes(text: &str) -> Result<Measured, String> {
    let list: List<NodeMetrics<'_>> =
        serde_json::from_str(text).map_err(|e| not("list of node metrics", &e))?;
    let nodes = list.items.into_iter().map(|n| NodeUsage {
        node: n.metadata.name,
        cpu: n.usage.cpu.and_then(quantity::milli),
        memory: n.usage.memory.and_then(quantity::value),
        at: n.timestamp,
    });
    Ok(Measured { nodes: nodes.collect(), ..Measured::default() })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    node: SummaryNode,
    #[serde(default)]
    pods: Vec<SummaryPod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryNode {
    node_name: Text,
    #[serde(default)]
    cpu: Cpu,
    #[serde(default)]
    memory: MemoryStats,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Cpu {
    time: Option<Time>,
    usage_nano_cores: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct MemoryStats {
    time: Option<Time>,
    working_set_bytes: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryPod {
    pod_ref: Metadata,
    #[serde(default)]
    containers: Vec<SummaryContainer>,
}

#[derive(Deserialize)]
struct SummaryContainer {
    name: Text,
    #[serde(default)]
    cpu: Cpu,
    #[serde(default)]
    memory: MemoryStats,
}

fn millicores(nano: Option<u64>) -> Option<u64> {
    nano.map(|n| n.div_ceil(1_000_000))
}

/// Reads a kubelet's `/stats/summary`; what it dates not was measured at `at`.
///
/// # Errors
/// As [`pods`].
pub fn summary(text: &str, at: Time) -> Result<Measured, String> {
    let s: Summary = serde_json::from_str(text).map_err(|e| not("kubelet summary", &e))?;
    let pods = s.pods.into_iter().map(|p| PodUsage {
        namespace: p.pod_ref.namespace,
        pod: p.pod_ref.name,
        at: p.containers.iter().filter_map(|c| c.memory.time).max().unwrap_or(at),
        containers: p
            .containers
            .into_iter()
            .map(|c| ContainerUsage {
                name: c.name,
                cpu: millicores(c.cpu.usage_nano_cores),
                memory: c.memory.working_set_bytes,
            })
            .collect(),
    });
    let node = NodeUsage {
        node: s.node.node_name,
        cpu: millicores(s.node.cpu.usage_nano_cores),
        memory: s.node.memory.working_set_bytes,
        at: s.node.memory.time.or(s.node.cpu.time).unwrap_or(at),
    };
    Ok(Measured { pods: pods.collect(), nodes: vec![node], ..Measured::default() })
}

fn not(what: &str, e: &serde_json::Error) -> String {
    format!("the answer is no {what}: {e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_api_is_read() {
        // As metrics-server writes it.
        let text = r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
            {"metadata":{"name":"api-0","namespace":"shop","creationTimestamp":"2026-11-21T01:05:53Z"},
             "timestamp":"2026-11-21T01:05:43Z","window":"15.02s",
             "containers":[{"name":"api","usage":{"cpu":"12345678n","memory":"23456Ki"}},{"name":"side","usage":{"cpu":"0","memory":"1Mi"}}]}]}"#;
        let m = pods(text).unwrap();
        let p = &m.pods[0];
        assert_eq!(
            (&*p.namespace, &*p.pod, p.at),
            ("shop", "api-0", Time::parse("2026-11-21T01:05:43Z").unwrap())
        );
        assert_eq!((p.cpu(), p.memory()), (Some(13), Some(23456 * 1024 + 1_048_576)));
        let text = r#"{"items":[{"metadata":{"name":"n1"},"timestamp":"2026-11-21T01:05:43Z","usage":{"cpu":"250m","memory":"4Gi"}}]}"#;
        let m = nodes(text).unwrap();
        assert_eq!((&*m.nodes[0].node, m.nodes[0].cpu, m.nodes[0].memory), ("n1", Some(250), Some(4 << 30)));
        assert!(pods("<html>").unwrap_err().starts_with("the answer is no list of pod metrics"));
    }

    #[test]
    fn a_kubelets_captured_summary_is_read() {
        let text = include_str!("../../tests/captures/proxy/node-stats-summary.json");
        let exchange: serde_json::Value = serde_json::from_str(text).unwrap();
        let m = summary(&exchange["response"]["json"].to_string(), Time(5)).unwrap();
        let n = &m.nodes[0];
        assert_eq!((&*n.node, n.cpu, n.memory), ("gpu-worker-042", Some(168), Some(3_441_614_848)));
        let p = m.pods.iter().find(|p| &*p.pod == "llm-train-week3-0").unwrap();
        assert_eq!((&*p.containers[0].name, p.containers[0].memory), ("train", Some(753_664)));
        assert_eq!(p.at, Time::parse("2026-11-21T02:39:44Z").unwrap());
    }
}
