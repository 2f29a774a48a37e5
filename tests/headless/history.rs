//! Histories of a Prometheus from before khud looked, and every way in which it does not answer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::lab::Lab;

/// A leak of hours, which nobody sees within a minute: 2.5 GiB an hour on a GPU of 32.
const SLOW_LEAK: &str = r#"
title: GPU memory grows for hours
extends: monitored
history: 6h
nodes:
  - {name: worker-#, count: 2, cpu: 8, memory: 32Gi}
  - name: gpu-node-#
    cpu: 32
    memory: 256Gi
    gpu: {count: 2, product: Tesla-V100-SXM2-32GB, memory: 32Gi, driver: 535.161.08}
containers:
  - match: {namespace: ml, pod: "ranker-*"}
    ports: [8080]
    memory: 9Gi
    gpu: {memory: [[0s, 8Gi], [9h, 30Gi]], util: 40}
    requests: {rate: 20, failing: 0.1, latency: 0.4}
objects:
  - {apiVersion: v1, kind: Namespace, metadata: {name: ml}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: ranker, namespace: ml}
    spec:
      replicas: 1
      selector: {matchLabels: {app: ranker}}
      template:
        metadata: {labels: {app: ranker}}
        spec:
          containers: [{name: server, image: "registry.acme.io/ml/ranker:v3", ports: [{containerPort: 8080}], resources: {limits: {nvidia.com/gpu: 1, memory: 24Gi}}}]
"#;

fn slow_leak() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("slow-leak.yaml");
    std::fs::write(&file, SLOW_LEAK).unwrap();
    Lab::start(file.to_str().unwrap(), 1.0)
}

fn coverage<'s>(scan: &'s Value, source: &str) -> &'s Value {
    let all = scan["coverage"].as_array().unwrap();
    all.iter().find(|c| c["source"] == source).unwrap_or(&Value::Null)
}

fn finding<'s>(scan: &'s Value, cause: &str) -> Option<&'s Value> {
    scan["findings"].as_array().unwrap().iter().find(|f| f["cause"] == cause)
}

/// Six hours are in Prometheus: one look of a few seconds finds the leak, says its window, and when the GPU is full.
#[test]
fn one_look_finds_a_leak_of_hours_by_the_history_in_prometheus() {
    let lab = slow_leak();
    let (_, scan) = lab.json(&["scan", "-o", "json"]);
    for source in ["gpu-history", "usage-history", "traffic"] {
        assert_eq!(coverage(&scan, source)["state"], "live", "{}", scan["coverage"]);
    }
    // Nothing there speaks of an inference server: that is said, and is no zero.
    let latency = coverage(&scan, "latency-history");
    assert_eq!(latency["state"], "unsupported", "{latency}");
    assert!(latency["reason"].as_str().unwrap().contains("no request latency"), "{latency}");
    let leak = finding(&scan, "gpu.memory-leak").unwrap_or_else(|| panic!("{}", scan["findings"]));
    assert_eq!(leak["root"]["name"], json!("ranker"), "{leak}");
    let quotes = leak["evidence"].to_string();
    // 22 GiB in nine hours.
    assert!(quotes.contains("+2.4 GiB/h over 5h"), "{quotes}");
    assert!(quotes.contains("Prometheus"), "{quotes}");

    // Without the history a look of a few seconds sees nothing, and says that the source is off.
    let config = lab.dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "telemetry = ['gpu-history off']\n").unwrap();
    let output = lab.khud(&["scan", "-o", "json"]).env("KHUD_CONFIG_DIR", &config).output().unwrap();
    let scan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(finding(&scan, "gpu.memory-leak"), None);
    assert_eq!(coverage(&scan, "gpu-history")["state"], "unsupported");

    // A Prometheus that is named and not there is no empty history.
    std::fs::write(config.join("config.toml"), "prometheus = 'monitoring/prom:9090'\n").unwrap();
    let output = lab.khud(&["scan", "-o", "json"]).env("KHUD_CONFIG_DIR", &config).output().unwrap();
    let scan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let history = coverage(&scan, "gpu-history");
    assert_eq!(history["state"], "unsupported", "{history}");
    assert!(history["reason"].as_str().unwrap().contains("\"prom\" not found"), "{history}");

    // The same Prometheus by a URL, which is asked without a kubeconfig.
    let url = format!("{}/api/v1/namespaces/monitoring/pods/prometheus-k8s-0:9090/proxy", lab.server());
    std::fs::write(config.join("config.toml"), format!("prometheus = '{url}'\n")).unwrap();
    let output = lab.khud(&["scan", "-o", "json"]).env("KHUD_CONFIG_DIR", &config).output().unwrap();
    let scan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(coverage(&scan, "gpu-history")["state"], "live", "{}", scan["coverage"]);
    assert!(finding(&scan, "gpu.memory-leak").is_some(), "{}", scan["findings"]);
}

/// A pod without a limit that takes its node's memory is named before the kubelet evicts its neighbours.
#[test]
fn a_leak_without_a_limit_is_named_a_minute_after_it_began() {
    let lab = Lab::begun("namespace-bleed", Duration::from_secs(60));
    let (_, scan) = lab.json(&["scan", "--for", "20s", "-o", "json"]);
    let leak = finding(&scan, "memory.leak").unwrap_or_else(|| panic!("{}", scan["findings"]));
    assert_eq!(
        leak["root"],
        json!({"kind": "Deployment", "namespace": "dev", "name": "payment-service"}),
        "{leak}"
    );
    let quotes = leak["evidence"].to_string();
    assert!(quotes.contains("no limit") && quotes.contains("pods of other namespaces"), "{quotes}");
}

/// The demo shows its leak within its first minute, to a look that begins then and lasts 20 s.
#[test]
fn the_demo_of_a_leak_shows_it_a_minute_after_its_start() {
    let lab = Lab::begun("gpu-memory-leak", Duration::from_secs(60));
    let (_, scan) = lab.json(&["scan", "--for", "20s", "-o", "json"]);
    let leak = finding(&scan, "gpu.memory-leak").unwrap_or_else(|| panic!("{}", scan["findings"]));
    assert_eq!((&leak["root"]["name"], &leak["state"]), (&json!("llm-server"), &json!("firing")), "{leak}");
    // The latency that grows beside it is told with its correlation, and that this is no proof.
    let quotes = leak["evidence"].to_string();
    assert!(quotes.contains("a request takes") && quotes.contains("proves no cause"), "{quotes}");
}

/// A service that its CPU limit stops six times in ten, at a harmless average.
const THROTTLED: &str = r#"
title: A CPU limit stops a service
history: 1h
extends: BASE
nodes: [{name: worker-#, count: 2, cpu: 8, memory: 32Gi}]
containers:
  - match: {namespace: shop, pod: "checkout-*"}
    ports: [8080]
    cpu: 300m
    throttled: 0.6
  - match: {namespace: shop, pod: "cart-*"}
    ports: [8080]
    cpu: 300m
    throttled: 0.05
objects:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: checkout, namespace: shop}
    spec:
      serviceName: checkout
      replicas: 1
      selector: {matchLabels: {app: checkout}}
      template:
        metadata: {labels: {app: checkout}}
        spec: {containers: [{name: checkout, image: "registry.acme.io/shop/checkout:1", resources: {limits: {cpu: 500m, memory: 1Gi}}}]}
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: cart, namespace: shop}
    spec:
      serviceName: cart
      replicas: 1
      selector: {matchLabels: {app: cart}}
      template:
        metadata: {labels: {app: cart}}
        spec: {containers: [{name: cart, image: "registry.acme.io/shop/cart:1", resources: {limits: {cpu: 500m, memory: 1Gi}}}]}
"#;

fn throttled(base: &str) -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("throttled.yaml");
    std::fs::write(&file, THROTTLED.replace("BASE", base)).unwrap();
    Lab::start(file.to_str().unwrap(), 1.0)
}

#[test]
fn prometheus_tells_which_cpu_limits_stop_a_service() {
    let lab = throttled("monitored");
    let (_, scan) = lab.json(&["scan", "-o", "json"]);
    assert_eq!(coverage(&scan, "waits")["state"], "live", "{}", scan["coverage"]);
    let all = scan["findings"].as_array().unwrap().iter().filter(|f| f["cause"] == "cpu.throttled");
    let all: Vec<&Value> = all.collect();
    assert_eq!(all.len(), 1, "{}", scan["findings"]);
    assert_eq!(all[0]["root"]["name"], json!("checkout"), "{}", all[0]);
    let quotes = all[0]["evidence"].to_string();
    assert!(quotes.contains("throttled in 60 % of its periods over 5m"), "{quotes}");
}

/// Without Prometheus the kubelet of one node is read because somebody asks about a pod there.
#[test]
fn a_question_about_a_pod_reads_the_throttling_of_its_node() {
    let lab = throttled("common");
    for (pod, cause) in [("checkout-0", "cpu.throttled"), ("cart-0", "none")] {
        let (_, walk) = lab.json(&["diagnose", &format!("pod/{pod}"), "-n", "shop", "-o", "json"]);
        assert_eq!(walk["verdict"]["cause"], json!(cause), "{walk}");
        if cause == "cpu.throttled" {
            let quotes = walk.to_string();
            assert!(quotes.contains("throttled in 60 % of its periods since its start"), "{quotes}");
        }
    }
}

/// The demo of a slow server tells both of its stories within a minute: the queue, and the fragmented GPU beside it.
#[test]
fn the_demo_of_slow_inference_tells_its_story_a_minute_after_its_start() {
    let lab = Lab::begun("inference-slow", Duration::from_secs(60));
    let (_, scan) = lab.json(&["scan", "--for", "20s", "-o", "json"]);
    let slow = scan["findings"].as_array().unwrap().iter().find(|f| f["root"]["name"] == "llm-server");
    let slow = slow.unwrap_or_else(|| panic!("{}", scan["findings"]));
    let cause = slow["cause"].as_str().unwrap();
    assert!(["latency.queue", "latency.replicas", "latency.kv-cache"].contains(&cause), "{slow}");
    assert!(slow["evidence"].to_string().contains("waiting"), "{slow}");
    let fragmented = finding(&scan, "gpu.fragmentation").unwrap_or_else(|| panic!("{}", scan["findings"]));
    assert_eq!(fragmented["root"]["name"], json!("reranker"), "{fragmented}");
}

/// The demo of partial DNS names the workload and what it cannot resolve within a minute.
#[test]
fn the_demo_of_partial_dns_tells_its_story_a_minute_after_its_start() {
    let lab = Lab::begun("dns-partial", Duration::from_secs(60));
    let (_, scan) = lab.json(&["scan", "--for", "20s", "-o", "json"]);
    let all = scan["findings"].as_array().unwrap();
    let api = all.iter().find(|f| f["root"]["name"] == "api-backend").unwrap_or_else(|| panic!("{all:?}"));
    let quotes = api["evidence"].to_string();
    assert!(quotes.contains("EAI_AGAIN database.production.svc.cluster.local"), "{api}");
}
