//! The metrics of kube-proxy, CoreDNS and node-exporter, in their own formats.
use std::fmt::Write as _;

use jiff::Timestamp;

use super::engine::Engine;
use super::kubelet::since;
use super::object::{list, text};
use super::usage;

/// kube-proxy's `/metrics`, from the Services of this cluster.
pub(super) fn kube_proxy_metrics(engine: &Engine, started: Timestamp, now: Timestamp) -> String {
    let services = engine.cache.all("services").filter(|(_, s)| text(s, "/spec/clusterIP") != "None").count();
    let endpoints: usize =
        engine.cache.all("endpointslices.discovery.k8s.io").map(|(_, s)| list(s, "/endpoints").len()).sum();
    let ports: usize = engine.cache.all("services").map(|(_, s)| list(s, "/spec/ports").len().max(1)).sum();
    let nat = 5 + ports * 4 + endpoints * 2;
    let synced = now.as_second() as f64 - (now.as_second() % 30) as f64;
    let uptime = since(started, now).as_secs();
    let syncs = 1 + uptime / 30;
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, rows: &[(&str, String)]| {
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    family(
        "kubeproxy_sync_proxy_rules_iptables_total",
        "gauge",
        &[
            ("{ip_family=\"IPv4\",table=\"filter\"}", "6".into()),
            ("{ip_family=\"IPv4\",table=\"nat\"}", nat.to_string()),
        ],
    );
    family("kubeproxy_sync_proxy_rules_service_changes_total", "counter", &[("", services.to_string())]);
    family("kubeproxy_sync_proxy_rules_service_changes_pending", "gauge", &[("", "0".into())]);
    family("kubeproxy_sync_proxy_rules_endpoint_changes_total", "counter", &[("", endpoints.to_string())]);
    family("kubeproxy_sync_proxy_rules_endpoint_changes_pending", "gauge", &[("", "0".into())]);
    family(
        "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
        "gauge",
        &[("{ip_family=\"IPv4\"}", format!("{synced:e}"))],
    );
    family(
        "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
        "gauge",
        &[("{ip_family=\"IPv4\"}", format!("{:e}", synced - 0.3))],
    );
    family(
        "kubeproxy_sync_proxy_rules_duration_seconds_count",
        "counter",
        &[("{ip_family=\"IPv4\"}", syncs.to_string())],
    );
    family(
        "kubeproxy_sync_proxy_rules_duration_seconds_sum",
        "counter",
        &[("{ip_family=\"IPv4\"}", format!("{:.3}", syncs as f64 * 0.021))],
    );
    family("kubeproxy_sync_proxy_rules_iptables_restore_failures_total", "counter", &[("", "0".into())]);
    family("process_start_time_seconds", "gauge", &[("", format!("{:e}", started.as_second() as f64))]);
    out
}

/// kube-proxy's `/healthz` on port 10256.
pub(super) fn kube_proxy_health(now: Timestamp) -> String {
    let at = now.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string();
    format!(
        "{{\"lastUpdated\":\"{at}\",\"currentTime\":\"{at}\",\"nodeEligible\":true,\"healthy\":true,\"status\":{{\"IPv4\":{{\"lastUpdated\":\"{at}\",\"healthy\":true}}}}}}"
    )
}

/// CoreDNS's `/metrics`.
pub(super) fn core_dns_metrics(started: Timestamp, now: Timestamp) -> String {
    let up = since(started, now).as_secs();
    let asked = up * 85;
    let mut out = String::new();
    for (name, labels, value) in [
        (
            "coredns_dns_requests_total",
            "{family=\"1\",proto=\"udp\",server=\"dns://:53\",type=\"A\",zone=\".\"}",
            asked,
        ),
        (
            "coredns_dns_responses_total",
            "{plugin=\"\",rcode=\"NOERROR\",server=\"dns://:53\",zone=\".\"}",
            asked - asked / 50,
        ),
        (
            "coredns_dns_responses_total",
            "{plugin=\"\",rcode=\"NXDOMAIN\",server=\"dns://:53\",zone=\".\"}",
            asked / 50,
        ),
        (
            "coredns_dns_responses_total",
            "{plugin=\"\",rcode=\"SERVFAIL\",server=\"dns://:53\",zone=\".\"}",
            0,
        ),
        ("coredns_cache_hits_total", "{server=\"dns://:53\",type=\"success\",zones=\".\"}", asked * 3 / 5),
        ("coredns_panics_total", "", 0),
    ] {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
    out
}

/// The metrics of node-exporter that khud reads: memory, load, conntrack.
pub(super) fn node_exporter_metrics(engine: &Engine, node: &str, now: Timestamp) -> String {
    let Some(machine) = engine.machines.get(node) else { return String::new() };
    let (cpu, memory) = usage::node_usage(engine, node, now);
    let (used, most) = machine.conntrack;
    let mut out = String::new();
    for (name, value) in [
        ("node_memory_MemTotal_bytes", machine.memory),
        ("node_memory_MemAvailable_bytes", (machine.memory - memory).max(0.0)),
        ("node_load1", cpu),
        ("node_nf_conntrack_entries", used as f64),
        ("node_nf_conntrack_entries_limit", most as f64),
        ("node_nf_conntrack_stat_insert_failed", 0.0),
        ("node_nf_conntrack_stat_drop", if used + 1000 > most { 1289.0 } else { 0.0 }),
        ("node_nf_conntrack_stat_early_drop", 0.0),
    ] {
        let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
    }
    out
}
