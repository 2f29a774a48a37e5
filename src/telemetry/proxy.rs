//! kube-proxy: its pods with their restarts, and what its own metrics and health page say.

use std::time::Duration;

use serde::Deserialize;

use super::prom;
use crate::world::restarts::Restarts;
use crate::world::{Container, ContainerState, Pod, Slot, Terminated, Text, Time, World};

/// One kube-proxy pod.
#[derive(Clone, PartialEq, Debug)]
pub struct ProxyPod {
    pub slot: Slot,
    pub name: Text,
    pub node: Text,
    pub ready: bool,
    pub restarts: u32,
    pub last_quarter: u32,
    pub last_hour: u32,
    /// Reason, exit code and time of the last end, where it ever ended.
    pub last_exit: Option<(Text, i32, Option<Time>)>,
    /// Of the container. Bytes.
    pub memory_limit: Option<u64>,
}

/// Whether a pod is a kube-proxy, by what kubeadm, EKS, GKE, AKS and k0s call it.
pub fn is_kube_proxy(pod: &Pod) -> bool {
    let labelled = ["k8s-app", "component", "app.kubernetes.io/name", "app"]
        .iter()
        .any(|key| pod.meta.labels.get(key) == Some("kube-proxy"));
    labelled || pod.containers.first().is_some_and(|c| &*c.spec.name == "kube-proxy")
}

/// Every kube-proxy pod, most restarts first.
pub fn pods(world: &World, restarts: &Restarts, now: Time) -> Vec<ProxyPod> {
    let hour = now.minus(Duration::from_secs(3600));
    let quarter = now.minus(Duration::from_secs(900));
    let mut out: Vec<ProxyPod> = world
        .pods
        .iter()
        .filter(|(_, p)| is_kube_proxy(p))
        .map(|(slot, p)| ProxyPod {
            slot,
            name: p.meta.name.clone(),
            node: p.node.clone(),
            ready: p.ready,
            restarts: p.containers.iter().map(|c| c.restarts).sum(),
            last_quarter: restarts.since(&p.meta.uid, quarter),
            last_hour: restarts.since(&p.meta.uid, hour),
            last_exit: p
                .containers
                .iter()
                .filter_map(last_end)
                .max_by_key(|t| t.finished)
                .map(|t| (t.reason.clone(), t.exit_code, t.finished)),
            memory_limit: p.containers.first().and_then(|c| c.spec.limits.memory),
        })
        .collect();
    out.sort_by(|a, b| b.restarts.cmp(&a.restarts).then_with(|| a.node.cmp(&b.node)));
    out
}

fn last_end(c: &Container) -> Option<&Terminated> {
    match &c.state {
        ContainerState::Terminated(t) => Some(t),
        _ => c.last.as_deref(),
    }
}

/// What kube-proxy's `/metrics` say. Source: `pkg/proxy/metrics/metrics.go`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ProxyMetrics {
    /// When rules were last written, and when that was last asked for.
    pub last_sync: Option<Time>,
    pub last_queued: Option<Time>,
    /// Rules it owns, all tables and address families.
    pub rules: Option<u64>,
    /// Failed iptables-restore or nft runs since its start.
    pub failures: u64,
    pub resident_bytes: Option<u64>,
}

impl ProxyMetrics {
    pub fn read(text: &str) -> ProxyMetrics {
        let mut out = ProxyMetrics::default();
        let seconds = |v: f64| (v.is_finite() && v > 0.0).then_some(Time((v * 1000.0) as i64));
        for s in prom::samples(text) {
            let count = if s.value.is_finite() && s.value > 0.0 { s.value as u64 } else { 0 };
            match s.name {
                "kubeproxy_sync_proxy_rules_last_timestamp_seconds" => {
                    out.last_sync = out.last_sync.max(seconds(s.value));
                }
                "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds" => {
                    out.last_queued = out.last_queued.max(seconds(s.value));
                }
                "kubeproxy_sync_proxy_rules_iptables_total" => {
                    out.rules = Some(out.rules.unwrap_or(0) + count);
                }
                "kubeproxy_sync_proxy_rules_iptables_restore_failures_total"
                | "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total"
                | "kubeproxy_sync_proxy_rules_nftables_sync_failures_total" => out.failures += count,
                "process_resident_memory_bytes" => out.resident_bytes = Some(count),
                _ => {}
            }
        }
        out
    }

    /// How long asked-for rules have been waiting to be written.
    pub fn behind(&self, now: Time) -> Option<Duration> {
        let (queued, synced) = (self.last_queued?, self.last_sync?);
        Some(if queued > synced { queued.age(now) } else { Duration::ZERO })
    }
}

/// What `:10256/healthz` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyHealth {
    #[serde(default)]
    pub healthy: bool,
    /// When rules were last known to be in place.
    pub last_updated: Option<Time>,
    pub current_time: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(name: &str) -> String {
        std::fs::read_to_string(format!("{}/tests/captures/metrics/{name}", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
    }

    #[test]
    fn a_live_kube_proxys_metrics_and_health_are_read() {
        let text = capture("kube-proxy-iptables.prom");
        let m = ProxyMetrics::read(&text);
        // Summed by hand from the four lines (filter and nat, IPv4 and IPv6).
        let rules: f64 = text
            .lines()
            .filter_map(|l| l.strip_prefix("kubeproxy_sync_proxy_rules_iptables_total{"))
            .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        assert!(rules > 0.0);
        assert_eq!(m.rules, Some(rules as u64));
        assert_eq!(m.failures, 0);
        let (synced, queued) = (m.last_sync.unwrap(), m.last_queued.unwrap());
        assert!(synced.to_string().starts_with("2026-11-21T01:"), "{synced}");
        assert!(queued <= synced);
        assert_eq!(m.behind(synced), Some(Duration::ZERO));

        let health = capture("kube-proxy-healthz.json");
        let health: ProxyHealth = serde_json::from_str(&health).unwrap();
        assert!(health.healthy);
        assert_eq!(health.last_updated, Time::parse("2026-11-21T01:09:36.441Z"));
    }
}
