//! Scenarios, played in simulated time: what their documents name must be seen through the store, and their cures must heal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use khud::sim::api::store::{Object, Part, Store};
use khud::sim::clock::SimClock;
use khud::sim::cluster::Cluster;
use khud::sim::scenario;
use serde_json::Value;

/// A scenario on a manual clock, its history lived through.
struct Play {
    cluster: Cluster,
    store: Arc<Store>,
}

impl Play {
    fn start(name: &str) -> Self {
        let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
        let store = Store::seeded(clock, 7);
        let loaded = scenario::load(name).unwrap_or_else(|e| panic!("{e}"));
        let cluster = Cluster::stage(store.clone(), &loaded);
        Self { cluster, store }
    }

    fn pass(&self, seconds: u64) {
        self.cluster.advance(Duration::from_secs(seconds));
    }

    fn pods(&self, ns: &str, prefix: &str) -> Vec<Object> {
        let all = self.store.list("pods", Some(ns));
        all.into_iter().filter(|p| text(p, "/metadata/name").starts_with(prefix)).collect()
    }

    fn set_image(&self, ns: &str, deployment: &str, image: &str) {
        let write = |o: &mut Value| o["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        self.store.modify("deployments.apps", ns, deployment, Part::Main, write).unwrap();
        self.cluster.settle();
    }
}

fn text<'a>(v: &'a Value, pointer: &str) -> &'a str {
    v.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn condition<'a>(v: &'a Value, kind: &str) -> &'a Value {
    let list = v.pointer("/status/conditions").and_then(Value::as_array);
    list.and_then(|l| l.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

fn ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

fn restarts(pod: &Value) -> i64 {
    pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_i64).unwrap_or(-1)
}

#[test]
fn healthy_has_forty_nodes_three_hundred_pods_and_nothing_to_say() {
    let play = Play::start("healthy");
    play.pass(300);
    let nodes = play.store.list("nodes", None);
    assert_eq!(nodes.len(), 40);
    assert_eq!(
        nodes.iter().filter(|n| n.pointer("/status/allocatable/nvidia.com~1gpu").is_some()).count(),
        12
    );
    for node in &nodes {
        assert_eq!(condition(node, "Ready")["status"], "True", "{}", text(node, "/metadata/name"));
    }
    let pods = play.store.list("pods", None);
    assert!((280..=330).contains(&pods.len()), "{} pods", pods.len());
    for pod in &pods {
        assert!(ready(pod) && restarts(pod) == 0, "{} {}", text(pod, "/metadata/name"), pod["status"]);
    }
    let mut namespaces: Vec<&str> = pods.iter().map(|p| text(p, "/metadata/namespace")).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    assert_eq!(
        namespaces,
        ["gpu-operator", "inference", "kube-system", "ml-training", "monitoring", "production"]
    );
    let events = play.store.list("events", None);
    let warnings: Vec<&str> =
        events.iter().filter(|e| e["type"] == "Warning").map(|e| text(e, "/message")).collect();
    assert_eq!(warnings, Vec::<&str>::new());
    for deployment in play.store.list("deployments.apps", None) {
        assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
        assert_eq!(condition(&deployment, "Available")["status"], "True");
    }
    for budget in play.store.list("poddisruptionbudgets.policy", None) {
        assert!(budget["status"]["disruptionsAllowed"].as_i64() > Some(0), "{budget}");
    }
}

#[test]
fn the_tour_shows_its_incidents_and_rolling_back_heals_them() {
    let play = Play::start("tour");
    let sick =
        |prefix: &str| play.pods("production", prefix).into_iter().filter(|p| !ready(p)).collect::<Vec<_>>();
    assert!(sick("api-server").is_empty());
    let payments = play.pods("production", "payment-service");
    let counts: Vec<i64> = payments.iter().map(|p| restarts(p)).collect();
    assert!(counts.iter().any(|r| *r >= 6) && counts.iter().any(|r| (2..=4).contains(r)), "{counts:?}");
    let last = payments.iter().find(|p| restarts(p) >= 6).unwrap();
    assert_eq!(last["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"], "OOMKilled");
    let mut proxies: Vec<i64> =
        play.pods("kube-system", "kube-proxy").iter().map(|p| restarts(p)).filter(|r| *r > 0).collect();
    proxies.sort_unstable();
    assert_eq!(proxies.len(), 3, "{proxies:?}");

    play.pass(12);
    let waiting: Vec<String> = sick("api-server")
        .iter()
        .map(|p| text(p, "/status/containerStatuses/0/state/waiting/message").to_owned())
        .collect();
    assert!(!waiting.is_empty());
    assert!(waiting.iter().all(|m| m.contains("api-server:v2.0.1: not found")), "{waiting:?}");
    play.pass(20);
    let node = play.store.get("nodes", "", "gpu-worker-007").unwrap();
    assert_eq!(condition(&node, "Ready")["message"], "container runtime is down");
    play.pass(60);
    let stuck = play.store.get("deployments.apps", "production", "api-server").unwrap();
    assert_eq!(condition(&stuck, "Progressing")["reason"], "ProgressDeadlineExceeded");
    assert_eq!(condition(&stuck, "Available")["status"], "True", "maxUnavailable 1 keeps five of six");

    play.set_image("production", "api-server", "registry.acme.io/shop/api-server:v2.0.0");
    play.set_image("production", "payment-service", "registry.acme.io/shop/payment-service:v3.7.2");
    play.pass(300);
    let healed = play.store.get("deployments.apps", "production", "api-server").unwrap();
    assert_eq!(condition(&healed, "Progressing")["reason"], "NewReplicaSetAvailable");
    assert_eq!(healed["status"]["updatedReplicas"], 6);
    assert!(sick("api-server").is_empty() && sick("payment-service").is_empty());
    play.pass(1800);
    assert!(play.pods("production", "payment-service").iter().all(|p| restarts(p) == 0));
    let node = play.store.get("nodes", "", "gpu-worker-007").unwrap();
    assert_eq!(condition(&node, "Ready")["status"], "True");
    assert!(node["spec"].get("taints").is_some_and(|t| t.as_array().unwrap().len() == 1), "{}", node["spec"]);
}
