//! The incidents of the documents, each played to its end: the signals its document names are there, and the document's
//! own cure heals it. Everything is seen and done through the API.

mod capacity;
mod gpus;
mod models;
mod network;
mod nodes;
mod storage;
mod workloads;

use crate::support::drill::*;
use khud_sim::scenario;
use serde_json::Value;

/// One test a scenario, and one that none is left out.
macro_rules! incidents {
    ($($subject:ident::$name:ident $scenario:literal)*) => {
        $(#[test]
        fn $name() {
            let mut drill = Drill::start($scenario);
            $subject::$name(&mut drill);
            drill.was_played_as_written();
        })*

        #[test]
        fn every_scenario_is_played() {
            let all: Vec<&str> = scenario::built_in_names().into_iter().map(|(name, _)| name).collect();
            let mut played = vec![$($scenario),*];
            played.sort_by_key(|name| all.iter().position(|n| n == name));
            assert_eq!(played, all);
        }
    };
}

incidents! {
    workloads::tour "tour"
    workloads::healthy "healthy"
    workloads::failed_deployment "failed-deployment"
    workloads::crashloop_oom "crashloop-oom"
    capacity::namespace_bleed "namespace-bleed"
    capacity::quota_exhausted "quota-exhausted"
    gpus::gpu_vanished "gpu-vanished"
    gpus::gpu_memory_leak "gpu-memory-leak"
    network::kube_proxy_cycling "kube-proxy-cycling"
    nodes::runtime_crashloop "runtime-crashloop"
    network::dns_partial "dns-partial"
    models::region_outage "region-outage"
    nodes::node_drift "node-drift"
    nodes::upgrade "upgrade"
    nodes::upgrade_run "upgrade-run"
    capacity::pending_everything "pending-everything"
    models::model_loading "model-loading"
    models::inference_slow "inference-slow"
    network::connectivity "connectivity"
    storage::storage "storage"
    storage::dead_provisioner "dead-provisioner"
    workloads::job_trouble "job-trouble"
    network::cert_expired "cert-expired"
    network::network_policy "network-policy"
    workloads::rbac_running "rbac-running"
    workloads::crd_migration "crd-migration"
    workloads::webhook_dead "webhook-dead"
    gpus::hung_collective "hung-collective"
    capacity::rbac_restricted "rbac-restricted"
}

/// docs/scenarios.md begins with an example; what it says of itself is true.
#[test]
fn the_example_to_start_from_is_checked_and_plays_as_it_says() {
    let docs = std::fs::read_to_string("../../docs/scenarios.md").unwrap();
    let example = docs.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cart.yaml");
    std::fs::write(&file, example).unwrap();
    let file = file.to_str().unwrap();
    let said = khud_sim::check_file(file).unwrap();
    assert!(said.contains("The shop's cart is deployed with a tag that does not exist (9 nodes"), "{said}");
    let drill = Drill::start(file);
    let logged = drill.log("production", name(&drill.pod("production", "cart")), false);
    assert!(logged.contains("served 1 carts, 1"), "{logged}");
    drill.pass(30);
    let stuck = drill.pods("production", "cart").into_iter().find(|p| !ready(p)).unwrap();
    assert!(waiting(&stuck).contains("registry.acme.io/cart:v2: not found"), "{}", waiting(&stuck));
    drill.undo("production", "cart");
    drill.pass(30);
    assert_eq!(drill.pods("production", "cart").iter().filter(|p| ready(p)).count(), 3);
    drill.was_played_as_written();
}

fn progressing(drill: &Drill, ns: &str, name: &str) -> String {
    text(condition(&drill.get("deployments", ns, name), "Progressing"), "/reason").to_owned()
}

fn all_ready(drill: &Drill, ns: &str, prefix: &str) -> bool {
    let pods = drill.pods(ns, prefix);
    !pods.is_empty() && pods.iter().all(ready)
}

fn gpu_nodes(drill: &Drill) -> usize {
    let gpus = |n: &&Value| text(n, "/status/allocatable/nvidia.com~1gpu") == "8";
    drill.list("nodes", "").iter().filter(gpus).count()
}
