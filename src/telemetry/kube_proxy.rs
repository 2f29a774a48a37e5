//! kube-proxy by its own pages: `:10249/metrics` and `:10256/healthz`, with the names of 1.2x to 1.36.

use serde::Deserialize;

use super::number::{real, whole};
use super::prom;
use crate::world::measured::Proxy;
use crate::world::{Text, Time};

/// The path that answers with the mode.
pub const MODE: &str = "proxyMode";

/// Reads `/proxyMode`: a word; `None` where it is none of the modes.
pub fn mode(text: &str, node: &Text, at: Time) -> Option<Proxy> {
    let mode = ["iptables", "ipvs", "nftables", "kernelspace"].into_iter().find(|m| *m == text.trim())?;
    Some(Proxy { node: node.clone(), mode: mode.into(), read_at: at, ..Proxy::default() })
}

/// Reads `/metrics`; `None` where none of kube-proxy's metrics is in it.
///
/// Since 1.36 both IP families have samples of their own: the older of their times counts, rules and failures are added.
pub fn metrics(text: &str, node: &Text, at: Time) -> Option<Proxy> {
    let mut proxy = Proxy { node: node.clone(), read_at: at, ..Proxy::default() };
    let mut seen = false;
    for s in prom::samples(text) {
        let Some(metric) = s.name.strip_prefix("kubeproxy_") else { continue };
        seen = true;
        let oldest = |old: Option<Time>| {
            // Zero: never.
            let time = real(s.value).filter(|v| *v > 0.0).map(|v| Time((v * 1000.0) as i64));
            old.into_iter().chain(time).min()
        };
        match metric {
            "sync_proxy_rules_last_timestamp_seconds" => proxy.last_sync = oldest(proxy.last_sync),
            "sync_proxy_rules_last_queued_timestamp_seconds" => proxy.last_queued = oldest(proxy.last_queued),
            "sync_proxy_rules_iptables_total" => {
                if let Some(n) = whole(s.value) {
                    *proxy.rules.entry(s.label("table").unwrap_or("").into()).or_default() += n;
                }
                proxy.mode = "iptables".into();
            }
            "sync_proxy_rules_iptables_restore_failures_total"
            | "sync_proxy_rules_iptables_partial_restore_failures_total"
            | "sync_proxy_rules_nftables_sync_failures_total"
            | "sync_proxy_rules_nftables_cleanup_failures_total" => {
                if let Some(n) = whole(s.value) {
                    proxy.failures = Some(proxy.failures.unwrap_or(0) + n);
                }
                if metric.contains("nftables") && proxy.mode.is_empty() {
                    proxy.mode = "nftables".into();
                }
            }
            _ => {}
        }
    }
    seen.then_some(proxy)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Health {
    last_updated: Option<Time>,
    healthy: Option<bool>,
    status: std::collections::BTreeMap<String, Family>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Family {
    last_updated: Option<Time>,
    healthy: Option<bool>,
}

/// Reads `/healthz`, whose body is the same with status 200 and 503; `None` where it is not kube-proxy's.
///
/// `lastUpdated` at the top is when the page was asked for while all is well: the families say when they last wrote.
/// Versions before 1.3x have no `healthy`; there the status code says it, which the caller gives.
pub fn healthz(text: &str, ok: bool, node: &Text, at: Time) -> Option<Proxy> {
    let health: Health = serde_json::from_str(text).ok()?;
    let families = health.status.values();
    let last_sync = families.clone().filter_map(|f| f.last_updated).min().or(health.last_updated)?;
    let said = health.healthy.or_else(|| families.filter_map(|f| f.healthy).reduce(|a, b| a && b));
    Some(Proxy {
        node: node.clone(),
        healthy: Some(said.unwrap_or(ok)),
        last_sync: Some(last_sync),
        read_at: at,
        ..Proxy::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_captured_pages_are_read() {
        let node: Text = "n1".into();
        let text = include_str!("../../tests/captures/metrics/kube-proxy-iptables.prom");
        let p = metrics(text, &node, Time(5)).unwrap();
        assert_eq!((&*p.mode, p.all_rules(), p.rules["nat"], p.rules["filter"]), ("iptables", 30, 21, 9));
        // The older of both families: IPv4 wrote 0.18 s before IPv6.
        assert_eq!(p.last_sync, Some(Time(1_795_223_365_354)));
        let text = include_str!("../../tests/captures/metrics/kube-proxy-healthz.json");
        let p = healthz(text, true, &node, Time(5)).unwrap();
        assert_eq!((p.healthy, p.last_sync), (Some(true), Time::parse("2026-11-21T01:09:25.354Z")));
    }

    #[test]
    fn older_versions_and_other_pages() {
        let node: Text = "n1".into();
        let old = r#"{"lastUpdated": "2023-01-01T00:00:10Z","currentTime": "2023-01-01T00:03:00Z"}"#;
        let p = healthz(old, false, &node, Time(5)).unwrap();
        assert_eq!((p.healthy, p.last_sync), (Some(false), Time::parse("2023-01-01T00:00:10Z")));
        assert_eq!(healthz("ok", true, &node, Time(5)), None);
        assert_eq!(healthz("{}", true, &node, Time(5)), None);
        let single = "kubeproxy_sync_proxy_rules_last_timestamp_seconds 1.7e9\n\
                      kubeproxy_sync_proxy_rules_iptables_restore_failures_total 3\n";
        let p = metrics(single, &node, Time(5)).unwrap();
        assert_eq!((p.last_sync, p.failures), (Some(Time(1_700_000_000_000)), Some(3)));
        let never = metrics("kubeproxy_sync_proxy_rules_last_timestamp_seconds 0\n", &node, Time(5)).unwrap();
        assert_eq!(never.last_sync, None);
        assert_eq!(metrics("up 1\n", &node, Time(5)), None);
        assert_eq!(mode("ipvs\n", &node, Time(5)).map(|p| p.mode), Some("ipvs".into()));
        assert_eq!(mode("404 page not found", &node, Time(5)), None);
    }
}
