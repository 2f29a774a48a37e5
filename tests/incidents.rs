//! The incidents of the documents, each played to its end: the signals its document names are there, and the document's
//! own cure heals it. Everything is seen and done through the API.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod drill;

use drill::*;
use khud::sim::scenario;
use serde_json::{Value, json};

/// One test a scenario, and one that none is left out.
macro_rules! incidents {
    ($($name:ident $scenario:literal)*) => {
        $(#[test]
        fn $name() {
            let mut drill = Drill::start($scenario);
            played::$name(&mut drill);
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
    tour "tour"
    healthy "healthy"
    failed_deployment "failed-deployment"
    crashloop_oom "crashloop-oom"
    namespace_bleed "namespace-bleed"
    quota_exhausted "quota-exhausted"
    gpu_vanished "gpu-vanished"
    gpu_memory_leak "gpu-memory-leak"
    kube_proxy_cycling "kube-proxy-cycling"
    runtime_crashloop "runtime-crashloop"
    dns_partial "dns-partial"
    region_outage "region-outage"
    node_drift "node-drift"
    upgrade "upgrade"
    pending_everything "pending-everything"
    model_loading "model-loading"
    inference_slow "inference-slow"
    connectivity "connectivity"
    storage "storage"
    rbac_restricted "rbac-restricted"
}

/// docs/scenarios.md begins with an example; what it says of itself is true.
#[test]
fn the_example_to_start_from_is_checked_and_plays_as_it_says() {
    let docs = std::fs::read_to_string("docs/scenarios.md").unwrap();
    let example = docs.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cart.yaml");
    std::fs::write(&file, example).unwrap();
    let file = file.to_str().unwrap();
    let said = scenario::check_file(file).unwrap();
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

/// Local storage: an emptyDir over its own limit, and a disk that fills up.
#[test]
fn a_kubelet_evicts_for_storage_that_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("full.yaml");
    let scenario = r#"
title: Disks that fill up
extends: common
nodes: [{name: worker-#, count: 1, cpu: 8, memory: 32Gi, storage: 100Gi}]
containers:
  - {match: {pod: logger}, writes: {logs: [[60s, 1Gi], [5m, 70Gi]]}}
objects:
  - {apiVersion: v1, kind: Pod, metadata: {name: logger, namespace: default}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: logs, mountPath: /logs}]}], volumes: [{name: logs, emptyDir: {}}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: scratch, namespace: default}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, emptyDir: {sizeLimit: 4Mi}}]}}
"#;
    std::fs::write(&file, scenario).unwrap();
    let drill = Drill::start(file.to_str().unwrap());
    drill.pass(10);
    drill.exec("default", "scratch", &["dd", "if=/dev/zero", "of=/d/x", "bs=1048576", "count=8"]);
    drill.pass(15);
    let scratch = drill.get("pods", "default", "scratch");
    // As captured: captures/list/pods.json, evicted-by-its-limit.
    assert_eq!((text(&scratch, "/status/phase"), text(&scratch, "/status/reason")), ("Failed", "Evicted"));
    assert_eq!(
        text(&scratch, "/status/message"),
        "Usage of EmptyDir volume \"d\" exceeds the limit \"4Mi\". "
    );
    assert!(condition(&scratch, "DisruptionTarget").is_null());

    let node = || drill.get("nodes", "", "worker-1");
    assert_eq!(condition(&node(), "DiskPressure")["status"], "False");
    drill.pass(270);
    assert_eq!(condition(&node(), "DiskPressure")["reason"], "KubeletHasDiskPressure");
    let logger = drill.get("pods", "default", "logger");
    let why = text(&logger, "/status/message");
    assert!(
        why.starts_with(
            "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: "
        ),
        "{why}"
    );
    assert!(
        why.contains("Container c was using ")
            && why.ends_with("request is 0, has larger consumption of ephemeral-storage. ")
    );
    assert_eq!(condition(&logger, "DisruptionTarget")["reason"], "TerminationByKubelet");
    drill.pass(330);
    assert_eq!(condition(&node(), "DiskPressure")["status"], "False");
}

mod played {
    use super::*;

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

    pub fn healthy(drill: &mut Drill) {
        drill.pass(300);
        let nodes = drill.list("nodes", "");
        assert_eq!((nodes.len(), gpu_nodes(drill)), (40, 12));
        assert!(nodes.iter().all(ready));
        let pods = drill.list("pods", "");
        assert!((280..=330).contains(&pods.len()), "{} pods", pods.len());
        for pod in &pods {
            assert!(ready(pod) && restarts(pod) == 0, "{} {}", name(pod), pod["status"]);
        }
        let warnings: Vec<Value> =
            drill.list("events", "").into_iter().filter(|e| e["type"] == "Warning").collect();
        assert_eq!(warnings, Vec::<Value>::new());
        for deployment in drill.list("deployments", "") {
            assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
            assert_eq!(condition(&deployment, "Available")["status"], "True");
        }
    }

    /// The first screen a newcomer sees: a rollout that can't work, a leak, a node in trouble, kube-proxies.
    pub fn tour(drill: &mut Drill) {
        let payments = drill.pods("production", "payment-service");
        let counts: Vec<i64> = payments.iter().map(restarts).collect();
        assert!(counts.iter().any(|r| *r >= 6) && counts.iter().any(|r| (2..=4).contains(r)), "{counts:?}");
        let leaking = payments.iter().find(|p| restarts(p) >= 6).unwrap();
        assert_eq!(last_reason(leaking), "OOMKilled");
        let logged = drill.log("production", name(leaking), true);
        assert!(logged.contains("session cache holds"), "{logged}");
        let restarted = drill.pods("kube-system", "kube-proxy").iter().filter(|p| restarts(p) > 0).count();
        assert_eq!(restarted, 3);
        drill.pass(12);
        let stuck = drill.pods("production", "api-server").into_iter().find(|p| !ready(p)).unwrap();
        assert!(waiting(&stuck).contains("api-server:v2.0.1: not found"), "{}", waiting(&stuck));
        drill.pass(78);
        let node = drill.get("nodes", "", "gpu-worker-007");
        assert_eq!(condition(&node, "Ready")["message"], "container runtime is down");
        drill.cordon("gpu-worker-007", true);
        assert_eq!(progressing(drill, "production", "api-server"), "ProgressDeadlineExceeded");

        drill.undo("production", "api-server");
        drill.undo("production", "payment-service");
        drill.pass(1800);
        drill.cordon("gpu-worker-007", false);
        drill.pass(1);
        for app in ["api-server", "payment-service"] {
            assert_eq!(progressing(drill, "production", app), "NewReplicaSetAvailable");
            assert!(drill.pods("production", app).iter().all(|p| ready(p) && restarts(p) == 0), "{app}");
        }
        let node = drill.get("nodes", "", "gpu-worker-007");
        assert!(ready(&node));
        assert_eq!(node["spec"]["taints"].as_array().unwrap().len(), 1, "{}", node["spec"]);
    }

    /// Failed deployment recovery: its four causes, and the rollback of each.
    pub fn failed_deployment(drill: &mut Drill) {
        drill.pass(75);
        let sick = |app: &str| drill.pods("production", app).into_iter().find(|p| !ready(p)).unwrap();
        assert!(waiting(&sick("api-server")).contains("v2.0.1: not found"));
        let previous = |app: &str| drill.log("production", name(&sick(app)), true);
        assert!(previous("web").contains("Error: Cannot find module 'missing-dependency'\n    at Function.Module._resolveFilename (internal/modules/cjs/loader.js:636:15)"));
        assert!(previous("orders").contains("Fatal error: Database connection failed\nError: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local"));
        let probed = drill.events("production", name(&sick("profile")));
        assert!(
            probed.iter().any(|e| e.starts_with("Unhealthy: Readiness probe failed: Get \"http://10.")
                && e.ends_with(":3000: connect: connection refused")),
            "{probed:?}"
        );
        for app in ["api-server", "profile"] {
            assert_eq!(progressing(drill, "production", app), "ProgressDeadlineExceeded", "{app}");
        }
        // The old pods serve on: nothing was taken away before something new was ready.
        assert_eq!(drill.pods("production", "api-server").iter().filter(|p| ready(p)).count(), 3);
        for app in ["api-server", "web", "orders", "profile"] {
            drill.undo("production", app);
        }
        drill.pass(120);
        for app in ["api-server", "web", "orders", "profile"] {
            assert_eq!(progressing(drill, "production", app), "NewReplicaSetAvailable", "{app}");
            assert!(all_ready(drill, "production", app), "{app}");
        }
    }

    /// Three production challenges 2: OOM at the 2Gi limit after a deploy, the memory in the log, the cache in the heap.
    pub fn crashloop_oom(drill: &mut Drill) {
        drill.pass(400);
        let pods = drill.pods("production", "payment-service");
        assert!(pods.iter().all(|p| restarts(p) >= 2 && last_reason(p) == "OOMKilled"));
        assert_eq!(text(&pods[0], "/spec/containers/0/resources/limits/memory"), "2Gi");
        let log = drill.log("production", name(&pods[0]), true);
        for line in ["[WARN] Memory usage: 500MB", "[WARN] Memory usage: 1GB", "[WARN] Memory usage: 1.5GB"] {
            assert!(log.contains(line), "{log}");
        }
        // While it lives, its heap shows what fills it.
        let running = (0..400).find_map(|_| {
            drill.pass(1);
            drill.pods("production", "payment-service").into_iter().find(ready)
        });
        let histogram =
            drill.exec("production", name(&running.unwrap()), &["jcmd", "1", "GC.class_histogram"]);
        assert!(histogram.out.contains("PaymentTransactionCache$Entry"), "{}", histogram.out);
        let pool = histogram
            .out
            .lines()
            .find(|l| l.contains("org.postgresql.jdbc.PgConnection"))
            .unwrap_or_default();
        assert_eq!(pool.split_whitespace().nth(1), Some("500"), "{}", histogram.out);
        drill.undo("production", "payment-service");
        drill.pass(300);
        let pods = drill.pods("production", "payment-service");
        assert!(pods.len() == 5 && pods.iter().all(|p| ready(p) && restarts(p) == 0));
    }

    /// Three production challenges 1: dev 10 → 20 GB of 48, then the neighbours are evicted and the culprit runs on.
    pub fn namespace_bleed(drill: &mut Drill) {
        let gigabytes = |ns: &str| {
            let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{ns}/pods");
            let usage: Value = serde_json::from_str(&drill.request("GET", &path, None).unwrap()).unwrap();
            let containers =
                usage["items"].as_array().unwrap().iter().flat_map(|p| p["containers"].as_array().unwrap());
            let kib = |c: &Value| text(c, "/usage/memory").trim_end_matches("Ki").parse::<f64>().unwrap();
            (containers.map(kib).sum::<f64>() / 1_048_576.0).round()
        };
        assert_eq!([gigabytes("dev"), gigabytes("qa"), gigabytes("prod")], [10.0, 5.0, 8.0]);
        drill.pass(65);
        assert_eq!([gigabytes("dev"), gigabytes("qa"), gigabytes("prod")], [20.0, 5.0, 8.0]);
        assert!(drill.list("nodes", "").iter().all(|n| condition(n, "MemoryPressure")["status"] == "False"));
        drill.pass(120);
        let pressed = drill
            .list("nodes", "")
            .into_iter()
            .filter(|n| condition(n, "MemoryPressure")["status"] == "True");
        assert!(pressed.count() >= 1);
        for (ns, victim) in [("qa", "qa-api"), ("prod", "prod-database")] {
            let evicted = drill.events(ns, victim).into_iter().filter(|e| {
                e.starts_with(
                    "Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: ",
                )
            });
            assert!(evicted.count() >= 1, "{victim}");
            assert!(!all_ready(drill, ns, victim), "{victim}");
        }
        let culprits = drill.pods("dev", "payment-service");
        assert!(culprits.iter().all(|p| ready(p) && restarts(p) == 0), "the culprit runs on");

        // The fences: a quota for dev, limits for the leak. Now it dies of its own leak, and nobody else does.
        drill.create(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "dev-quota", "namespace": "dev"},
            "spec": {"hard": {"requests.memory": "10Gi", "requests.cpu": "8", "limits.memory": "12Gi", "limits.cpu": "10", "pods": "50"}}}));
        let resources = json!({"requests": {"memory": "512Mi", "cpu": "250m"}, "limits": {"memory": "1Gi", "cpu": "500m"}});
        drill.set_container("deployments", "dev", "payment-service", json!({"resources": resources}));
        for culprit in &culprits {
            drill.delete("pods", "dev", name(culprit));
        }
        // The pressure is over five minutes after it was last felt; until then nothing without requests is placed there.
        drill.pass(600);
        assert!(drill.pods("dev", "payment-service").iter().any(|p| last_reason(p) == "OOMKilled"));
        assert!(all_ready(drill, "prod", "prod-database"), "nobody else dies of it");
        drill.set_container(
            "deployments",
            "dev",
            "payment-service",
            json!({"image": "registry.acme.io/payment-service:1.1"}),
        );
        for pod in drill.list("pods", "").iter().filter(|p| p["status"]["reason"] == "Evicted") {
            drill.delete("pods", text(pod, "/metadata/namespace"), name(pod));
        }
        drill.pass(400);
        assert!(drill.list("nodes", "").iter().all(|n| condition(n, "MemoryPressure")["status"] == "False"));
        for (ns, app, count) in [
            ("dev", "payment-service", 3),
            ("qa", "qa-api", 3),
            ("prod", "prod-database", 3),
            ("prod", "shop", 3),
        ] {
            let pods = drill.pods(ns, app);
            assert!(pods.len() == count && pods.iter().all(ready), "{app}: {}", pods.len());
        }
    }

    /// Three production challenges 1, the quota: used 10Gi of 10Gi, and no pod to look at.
    pub fn quota_exhausted(drill: &mut Drill) {
        drill.pass(30);
        let stuck = drill.get("deployments", "dev", "payment-service");
        let why = text(condition(&stuck, "ReplicaFailure"), "/message");
        assert!(why.contains("is forbidden: exceeded quota: dev-quota, requested: limits.memory=2Gi,requests.memory=2Gi, used: limits.memory=10Gi,requests.memory=10Gi, limited: limits.memory=12Gi,requests.memory=10Gi")
            || why.contains("is forbidden: exceeded quota: dev-quota, requested: requests.memory=2Gi, used: requests.memory=10Gi, limited: requests.memory=10Gi"), "{why}");
        assert_eq!(drill.pods("dev", "payment-service").len(), 2);
        let quota = drill.get("resourcequotas", "dev", "dev-quota");
        assert_eq!(
            (&quota["status"]["used"]["requests.memory"], &quota["status"]["hard"]["requests.memory"]),
            (&"10Gi".into(), &"10Gi".into())
        );
        drill.patch(
            "resourcequotas",
            "dev",
            "dev-quota",
            json!({"spec": {"hard": {"requests.memory": "20Gi", "limits.memory": "24Gi"}}}),
        );
        drill.pass(60);
        assert_eq!(drill.get("deployments", "dev", "payment-service")["status"]["readyReplicas"], 5);
    }

    /// Case study 1: 20 Ready nodes without a GPU, the device plugin 20/20/0, NVML, the mismatch; the driver rolled back.
    pub fn gpu_vanished(drill: &mut Drill) {
        let plugin = |field: &str| {
            drill.get("daemonsets", "gpu-operator", "nvidia-device-plugin-daemonset")["status"][field]
                .as_i64()
                .unwrap_or(0)
        };
        assert_eq!((plugin("numberReady"), gpu_nodes(drill)), (20, 20));
        drill.pass(120);
        let counts = ["desiredNumberScheduled", "currentNumberScheduled", "numberReady"].map(plugin);
        assert_eq!((counts, gpu_nodes(drill)), ([20, 20, 0], 0));
        assert!(drill.list("nodes", "").iter().all(ready));
        let pod = drill.pod("gpu-operator", "nvidia-device-plugin");
        let log = drill.log("gpu-operator", name(&pod), true);
        assert!(log.contains("Failed to initialize NVML: could not load NVML library."), "{log}");
        let debugger = drill.debug_node("gpu-node-01");
        drill.pass(5);
        let smi = drill.exec("default", &debugger, &["chroot", "/host", "nvidia-smi"]);
        assert!(smi.out.contains("Failed to initialize NVML: Driver/library version mismatch"), "{smi:?}");
        let node = drill.get("nodes", "", "gpu-node-01");
        assert_eq!(node["metadata"]["labels"]["nvidia.com/cuda.driver-version.full"], "550.90.07");
        let train = drill.get("pods", "ml-training", "llm-train-0");
        let why = text(condition(&train, "PodScheduled"), "/message");
        assert!(why.contains("24 Insufficient nvidia.com/gpu"), "{why}");

        let image = json!({"image": "nvcr.io/nvidia/driver:550.54.15"});
        drill.set_container("daemonsets", "gpu-operator", "nvidia-driver-daemonset", image);
        drill.pass(60);
        drill.restart("daemonsets", "gpu-operator", "nvidia-device-plugin-daemonset");
        drill.pass(600);
        assert_eq!((plugin("numberReady"), gpu_nodes(drill)), (20, 20));
        assert!(ready(&drill.get("pods", "ml-training", "llm-train-0")));
        let smi = drill.exec("default", &debugger, &["chroot", "/host", "nvidia-smi"]);
        assert!(smi.out.contains("Driver Version: 550.54.15"), "{smi:?}");
    }

    /// Case study 2: 12 → 18 → 28 GB of 32, 150 → 220 → 450 ms, 65 → 45 %; a restart frees the memory.
    pub fn gpu_memory_leak(drill: &mut Drill) {
        let seen = |drill: &Drill| {
            let dcgm = |metric: &str| drill.metric("gpu-operator", "nvidia-dcgm-exporter", 9400, metric);
            let (used, util) = (dcgm("DCGM_FI_DEV_FB_USED"), dcgm("DCGM_FI_DEV_GPU_UTIL"));
            let latency = drill.mean("inference", "llm-server", 8000, "vllm:e2e_request_latency_seconds");
            ((used / 1024.0).round(), util, (latency * 100.0).round() / 100.0)
        };
        let is = |seen: (f64, f64, f64), (used, util, latency): (f64, f64, f64)| {
            assert!(seen.0 == used && (seen.1 - util).abs() <= 4.0 && seen.2 == latency, "{seen:?}");
        };
        is(seen(drill), (12.0, 65.0, 0.15));
        drill.pass(290);
        is(seen(drill), (18.0, 55.0, 0.22));
        drill.pass(300);
        is(seen(drill), (28.0, 45.0, 0.45));
        let dcgm = |metric| drill.metric("gpu-operator", "nvidia-dcgm-exporter", 9400, metric);
        let all = dcgm("DCGM_FI_DEV_FB_USED") + dcgm("DCGM_FI_DEV_FB_FREE");
        assert!(all / 1024.0 > 32.0, "most used and most free of any, {all}");
        drill.restart("deployments", "inference", "llm-server");
        drill.pass(60);
        let (used, _, latency) = seen(drill);
        assert!(used <= 14.0 && latency <= 0.17, "{used} GB, {latency} s");
    }

    /// Crisis management 2: 12, 15 and 8 restarts while all is green; lock, OOM at 128Mi, conntrack 65234 of 65536.
    pub fn kube_proxy_cycling(drill: &mut Drill) {
        let counts = |drill: &Drill| {
            let mut counts: Vec<i64> =
                drill.pods("kube-system", "kube-proxy").iter().map(restarts).filter(|r| *r > 0).collect();
            counts.sort_unstable();
            counts
        };
        assert_eq!(counts(drill), [8, 12, 15]);
        // The clock stands at the end of a history of 24 hours.
        let now: jiff::Timestamp = "2026-11-22T01:00:00Z".parse().unwrap();
        for pod in drill.pods("kube-system", "kube-proxy").iter().filter(|p| restarts(p) > 0) {
            let ended = text(pod, "/status/containerStatuses/0/lastState/terminated/finishedAt");
            let minutes = now.duration_since(ended.parse().unwrap()).as_secs_f64() / 60.0;
            let said = match restarts(pod) {
                12 => 2.0,
                15 => 5.0,
                _ => 1.0,
            };
            assert!((minutes - said).abs() < 0.7, "{} restarts, last {minutes} min ago", restarts(pod));
        }
        assert!(drill.list("pods", "").iter().all(ready) && drill.list("nodes", "").iter().all(ready));
        let busiest = drill.pods("kube-system", "kube-proxy").into_iter().max_by_key(restarts).unwrap();
        assert_eq!(last_reason(&busiest), "OOMKilled");
        assert_eq!(text(&busiest, "/spec/containers/0/resources/limits/memory"), "128Mi");
        let log = drill.log("kube-system", name(&busiest), true);
        assert!(log.contains("Failed to execute iptables-restore") && log.contains("exit status 4"), "{log}");
        let exporter = |metric| drill.metric("monitoring", "node-exporter", 9100, metric);
        assert_eq!(exporter("node_nf_conntrack_entries"), 65234.0);
        let kernel = drill.request("GET", "/api/v1/nodes/worker-1/proxy/logs/?query=kernel", None).unwrap();
        assert!(kernel.contains("nf_conntrack: table full, dropping packet"), "{kernel}");
        let more = json!({"resources": {"requests": {"memory": "256Mi", "cpu": "100m"}, "limits": {"memory": "512Mi", "cpu": "200m"}}});
        drill.set_container("daemonsets", "kube-system", "kube-proxy", more);
        drill.pass(6 * 3600);
        assert_eq!(counts(drill), Vec::<i64>::new());
    }

    /// Crisis management 3: NotReady, the old pod Running, the new one ContainerCreating; cordon, wait, replace.
    pub fn runtime_crashloop(drill: &mut Drill) {
        drill.pass(60);
        let node = drill.get("nodes", "", "gpu-worker-002");
        let ready_condition = condition(&node, "Ready");
        assert_eq!(
            (text(ready_condition, "/status"), text(ready_condition, "/message")),
            ("False", "container runtime is down")
        );
        let job = drill.get("pods", "ml-training", "llm-train-week3-0");
        assert!(job["status"]["containerStatuses"][0]["state"]["running"].is_object());
        assert!(
            text(&job, "/status/startTime") < "2026-11-22",
            "it started before the history's three weeks were over"
        );
        assert_eq!(waiting(&drill.get("pods", "ml-training", "eval-run-7")), "ContainerCreating: ");
        let events = drill.events("ml-training", "eval-run-7");
        assert!(
            events.iter().any(|e| e.starts_with("FailedCreatePodSandBox: ") && e.contains("containerd.sock")),
            "{events:?}"
        );
        let log =
            drill.request("GET", "/api/v1/nodes/gpu-worker-002/proxy/logs/?query=containerd", None).unwrap();
        assert!(log.contains("failed to load metadata database: db corruption"), "{log}");
        let log = drill.log("ml-training", "llm-train-week3-0", false);
        assert!(log.contains("unable to retrieve container logs for containerd://"), "{log}");

        // What must not be lost is left alone; nothing new comes; then the machine is replaced.
        drill.cordon("gpu-worker-002", true);
        drill.pass(3600);
        let job = drill.get("pods", "ml-training", "llm-train-week3-0");
        assert!(job["status"]["containerStatuses"][0]["state"]["running"].is_object());
        drill.delete("nodes", "", "gpu-worker-002");
        drill.pass(300);
        let node = drill.get("nodes", "", "gpu-worker-002");
        assert!(ready(&node) && text(&node, "/status/allocatable/nvidia.com~1gpu") == "8");
        let job = drill.get("pods", "ml-training", "llm-train-week3-0");
        assert!(ready(&job) && job["spec"]["nodeName"] == "gpu-worker-002");
        assert!(drill.pods("ml-training", "eval-run-7").is_empty(), "nobody owned it");
    }

    /// Crisis management 4: names fail on two nodes of one zone while CoreDNS is well; DNS allowed again on each node.
    pub fn dns_partial(drill: &mut Drill) {
        drill.pass(90);
        let resolves = |pod: &Value| {
            drill.exec("production", name(pod), &["nslookup", "api-backend.production.svc.cluster.local"])
        };
        let hit = ["worker-002", "worker-005"];
        for node in hit {
            let labels = drill.get("nodes", "", node)["metadata"]["labels"].clone();
            assert_eq!(labels["topology.kubernetes.io/zone"], "us-west-2b");
        }
        for pod in drill.pods("production", "api-backend") {
            let here = hit.contains(&text(&pod, "/spec/nodeName"));
            assert_eq!(restarts(&pod) > 0, here, "{}", text(&pod, "/spec/nodeName"));
            if here {
                let log = drill.log("production", name(&pod), true);
                assert!(log.contains("getaddrinfo EAI_AGAIN database.production.svc.cluster.local"), "{log}");
            } else {
                assert!(resolves(&pod).out.contains("Address: 10.96.100.50"));
            }
        }
        assert!(all_ready(drill, "kube-system", "coredns"));
        let log = drill.request("GET", "/api/v1/nodes/worker-005/proxy/logs/?query=kernel", None).unwrap();
        assert!(log.contains("DPT=53"), "{log}");

        // Until the rule is gone the pods run elsewhere.
        hit.iter().for_each(|node| drill.cordon(node, true));
        drill.restart("deployments", "production", "api-backend");
        drill.pass(60);
        assert!(all_ready(drill, "production", "api-backend"));
        for node in hit {
            let debugger = drill.debug_node(node);
            drill.pass(5);
            let rules = drill.exec(
                "default",
                &debugger,
                &["chroot", "/host", "iptables", "-L", "FORWARD", "-v", "-n"],
            );
            assert!(rules.out.contains("DROP") && rules.out.contains("udp dpt:53"), "{rules:?}");
            let allow = [
                "chroot", "/host", "iptables", "-I", "FORWARD", "-p", "udp", "--dport", "53", "-j", "ACCEPT",
            ];
            assert_eq!(drill.exec("default", &debugger, &allow).code, 0);
            drill.cordon(node, false);
        }
        drill.restart("deployments", "production", "api-backend");
        drill.pass(120);
        let pods = drill.pods("production", "api-backend");
        let places: Vec<&str> = pods.iter().map(|p| text(p, "/spec/nodeName")).collect();
        assert!(hit.iter().all(|node| places.contains(node)), "{places:?}");
        for pod in &pods {
            assert!(ready(pod) && restarts(pod) == 0 && resolves(pod).code == 0, "{}", name(pod));
        }
    }

    /// Crisis management 1: 103 nodes, jobs of three weeks, ten days and minutes; a wave of five, checked, then on.
    pub fn node_drift(drill: &mut Drill) {
        let image = |n: &Value| text(n, "/metadata/labels/acme.io~1machine-image").to_owned();
        let gpu: Vec<Value> =
            drill.list("nodes", "").into_iter().filter(|n| name(n).starts_with("gpu-worker-")).collect();
        assert_eq!((gpu.len(), gpu_nodes(drill)), (103, 103));
        assert_eq!(gpu.iter().filter(|n| image(n) == "ami-0old1234").count(), 98);
        let age = |job: &str| {
            let started =
                text(&drill.pod("ml-training", job), "/status/startTime").parse::<jiff::Timestamp>().unwrap();
            let now: jiff::Timestamp = "2026-12-12T01:00:00Z".parse().unwrap();
            now.duration_since(started).as_hours()
        };
        assert_eq!((age("llm-train-week3"), age("vision-model"), age("eval-nightly")), (504, 240, 0));

        // The first wave: five nodes with nothing but DaemonSets on them, or with a job of minutes, which is waited for.
        let pods = drill.list("pods", "ml-training");
        let busy = |node: &Value, job: &str| {
            pods.iter().any(|p| p["spec"]["nodeName"] == node["metadata"]["name"] && name(p).starts_with(job))
        };
        let old = |n: &&Value| image(n) == "ami-0old1234";
        let long = |n: &&Value| busy(n, "llm-train") || busy(n, "vision");
        let mut wave: Vec<String> = gpu
            .iter()
            .filter(|n| old(n) && busy(n, "eval-nightly"))
            .take(1)
            .map(|n| name(n).to_owned())
            .collect();
        wave.extend(
            gpu.iter()
                .filter(|n| old(n) && !long(n) && !busy(n, "eval"))
                .take(5 - wave.len())
                .map(|n| name(n).to_owned()),
        );
        assert_eq!(wave.len(), 5);
        wave.iter().for_each(|node| drill.cordon(node, true));
        drill.pass(30 * 60);
        for node in &wave {
            let left =
                drill.list("pods", "ml-training").into_iter().filter(|p| p["spec"]["nodeName"] == **node);
            assert!(
                left.filter(|p| p["status"]["phase"] == "Running").count() == 0,
                "{node}: its job is done"
            );
            drill.delete("nodes", "", node);
        }
        drill.pass(180);
        for node in &wave {
            let node = drill.get("nodes", "", node);
            assert!(ready(&node) && image(&node) == "ami-0new5678", "{node}");
            assert_eq!(text(&node, "/status/nodeInfo/osImage"), "Ubuntu 24.04.3 LTS");
            assert!(node["spec"]["unschedulable"].is_null());
        }
        drill.pass(120);
        assert_eq!(gpu_nodes(drill), 103, "the new machines offer their GPUs");
        // One GPU works on a new machine before the next wave begins.
        drill.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gpu-test", "namespace": "ml-training"},
            "spec": {"nodeName": wave[0], "tolerations": [{"operator": "Exists"}], "containers": [{"name": "cuda",
                "image": "nvidia/cuda:12.0-base", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}}));
        drill.pass(30);
        assert!(
            drill.exec("ml-training", "gpu-test", &["nvidia-smi"]).out.contains("Driver Version: 550.54.15")
        );
        assert!(
            drill.pods("ml-training", "llm-train-week3").iter().all(|p| p["status"]["phase"] == "Running")
        );
    }

    /// Case study 4: version skew half way, an operator whose kind is not served, a CRD with an old stored version.
    pub fn upgrade(drill: &mut Drill) {
        let versions = |drill: &Drill| {
            let mut all: Vec<String> = drill
                .list("nodes", "")
                .iter()
                .map(|n| text(n, "/status/nodeInfo/kubeletVersion").to_owned())
                .collect();
            all.sort();
            all.dedup();
            all
        };
        drill.pass(60);
        assert_eq!(versions(drill), ["v1.31.9", "v1.34.1"]);
        let operator = drill.pod("llm-d-system", "llm-d-operator");
        assert!(restarts(&operator) > 3);
        let log = drill.log("llm-d-system", name(&operator), true);
        assert!(
            log.contains("no matches for kind \"LLMDeployment\" in version \"inference.llm-d.io/v1alpha1\""),
            "{log}"
        );
        let crd = drill.get("customresourcedefinitions", "", "llmdeployments.inference.llm-d.io");
        assert_eq!(crd["status"]["storedVersions"], json!(["v1alpha1", "v1"]));
        let models = |version: &str| {
            drill.request("GET", &format!("/apis/inference.llm-d.io/{version}/llmdeployments"), None)
        };
        let backup: Value = serde_json::from_str(&models("v1").unwrap()).unwrap();
        let phases: Vec<&str> =
            backup["items"].as_array().unwrap().iter().map(|m| text(m, "/status/phase")).collect();
        assert_eq!(phases, ["Unknown", "Unknown"]);
        assert!(models("v1alpha1").is_err());

        let asks =
            |drill: &Drill| drill.log("inference", name(&drill.pod("inference", "gateway-sync")), false);
        assert!(
            asks(drill)
                .contains("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        );

        let schema = crd["spec"]["versions"][0]["schema"].clone();
        let served = json!([{"name": "v1", "served": true, "storage": true, "schema": schema},
            {"name": "v1alpha1", "served": true, "storage": false, "schema": schema}]);
        drill.patch(
            "customresourcedefinitions",
            "",
            "llmdeployments.inference.llm-d.io",
            json!({"spec": {"versions": served}}),
        );
        drill.restart("deployments", "llm-d-system", "llm-d-operator");
        drill.pass(60);
        assert!(drill.pods("llm-d-system", "llm-d-operator").iter().all(|p| ready(p) && restarts(p) == 0));
        assert!(models("v1alpha1").unwrap().contains("bert-large"));
        let newer = json!({"image": "registry.acme.io/ml/gateway-sync:2.0"});
        drill.set_container("deployments", "inference", "gateway-sync", newer);
        drill.pass(60);
        assert!(asks(drill).contains("watching EndpointSlices") && !asks(drill).contains("deprecated"));
        for n in 1..=4 {
            let node = format!("old-worker-{n}");
            drill.drain(&node);
            drill.pass(60);
            drill.delete("nodes", "", &node);
            drill.pass(120);
            assert!(ready(&drill.get("nodes", "", &node)));
        }
        let address = |n: &Value| text(n, "/status/addresses/0/address").to_owned();
        let addresses: std::collections::BTreeSet<String> =
            drill.list("nodes", "").iter().map(address).collect();
        assert_eq!(addresses.len(), 8, "each machine has its own");
        drill.pass(120);
        assert_eq!(versions(drill), ["v1.34.1"]);
        assert!(drill.list("pods", "").iter().all(ready));
    }

    /// One pod for each reason, its words, and what it asks for.
    pub fn pending_everything(drill: &mut Drill) {
        drill.pass(20);
        let why = |ns: &str, pod: &str| {
            text(condition(&drill.get("pods", ns, pod), "PodScheduled"), "/message").to_owned()
        };
        for (ns, pod, want) in [
            ("production", "too-much-cpu", "Insufficient cpu"),
            ("ml-training", "too-many-gpus", "Insufficient nvidia.com/gpu"),
            ("production", "wrong-selector", "6 node(s) didn't match Pod's node affinity/selector"),
            ("production", "only-tainted", "3 node(s) had untolerated taint(s)"),
            ("production", "port-taken", "1 node(s) didn't have free ports for the requested pod ports"),
            ("production", "spread-out", "9 node(s) didn't match pod topology spread constraints"),
            ("ml-training", "waits-for-claim", "pod has unbound immediate PersistentVolumeClaims"),
            ("ml-training", "claim-missing", "persistentvolumeclaim \"models-v2\" not found"),
            ("production", "gated", "Scheduling is blocked due to non-empty scheduling gates"),
        ] {
            assert!(why(ns, pod).contains(want), "{pod}: {}", why(ns, pod));
        }
        drill.patch("nodes", "", "worker-004", json!({"metadata": {"labels": {"disktype": "ssd"}}}));
        drill.patch("nodes", "", "gpu-worker-001", json!({"spec": {"taints": null}}));
        drill.delete("pods", "production", "port-holder");
        drill.create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast-ssd"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "Immediate"}));
        drill.create(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models-v2", "namespace": "ml-training"},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3", "resources": {"requests": {"storage": "10Gi"}}}}));
        drill.patch("pods", "production", "gated", json!({"spec": {"schedulingGates": null}}));
        // What nothing here has room for is asked for again, smaller.
        for (ns, pod, resources) in [
            ("production", "too-much-cpu", json!({"requests": {"cpu": "2"}})),
            ("ml-training", "too-many-gpus", json!({"limits": {"nvidia.com/gpu": 8}})),
        ] {
            drill.delete("pods", ns, pod);
            drill.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": ns}, "spec": {
                "tolerations": [{"operator": "Exists"}], "containers": [{"name": "c", "image": "registry.acme.io/x:1", "resources": resources}]}}));
        }
        drill.pass(120);
        for (ns, pod) in [
            ("production", "too-much-cpu"),
            ("ml-training", "too-many-gpus"),
            ("production", "wrong-selector"),
            ("production", "only-tainted"),
            ("production", "port-taken"),
            ("ml-training", "waits-for-claim"),
            ("ml-training", "claim-missing"),
            ("production", "gated"),
        ] {
            assert!(ready(&drill.get("pods", ns, pod)), "{pod}: {}", why(ns, pod));
        }
    }

    /// The guide on model loading: path, checksum, memory, half a transfer.
    pub fn model_loading(drill: &mut Drill) {
        drill.pass(60);
        let previous = |app: &str| drill.log("inference", name(&drill.pod("inference", app)), true);
        assert!(
            previous("path-wrong")
                .contains("/models/llama-7 does not appear to have a file named config.json")
        );
        assert!(
            previous("corrupt")
                .contains("SafetensorError: Error while deserializing header: MetadataIncompleteBuffer")
        );
        assert!(
            previous("half-way").contains("No such file or directory: '/models/llama-7b/model.safetensors'")
        );
        assert!(previous("too-big").contains("Loading checkpoint shards"));
        assert_eq!(last_reason(&drill.pod("inference", "too-big")), "OOMKilled");

        let path = json!({"env": [{"name": "MODEL_PATH", "value": "/models/llama-7b"}]});
        drill.set_container("deployments", "inference", "path-wrong", path);
        drill.set_container(
            "deployments",
            "inference",
            "too-big",
            json!({"resources": {"limits": {"memory": "20Gi"}}}),
        );
        // A restart of the container finds the same file; a new pod downloads it anew.
        let before = drill.pod("inference", "corrupt");
        drill.pass(300);
        assert!(!ready(&drill.pod("inference", "corrupt")));
        for app in ["corrupt", "half-way"] {
            drill.delete("pods", "inference", name(&drill.pod("inference", app)));
        }
        drill.pass(120);
        for app in ["path-wrong", "too-big", "corrupt", "half-way"] {
            assert!(all_ready(drill, "inference", app), "{app}");
        }
        let pod = drill.pod("inference", "corrupt");
        assert_ne!(name(&pod), name(&before));
        let sum = drill.exec("inference", name(&pod), &["sha256sum", "/models/llama-7b/model.safetensors"]);
        let want = drill.exec("inference", name(&pod), &["cat", "/models/llama-7b/SHA256SUMS"]);
        assert_eq!(sum.out, want.out);
    }

    /// The guide on slow inference: the queue, the KV cache, preemptions; more replicas. Fragmentation; a restart.
    pub fn inference_slow(drill: &mut Drill) {
        let vllm = |metric: &str| drill.metric("inference", "llm-server", 8000, metric);
        let first_token = || drill.mean("inference", "llm-server", 8000, "vllm:time_to_first_token_seconds");
        assert!((first_token() - 0.2).abs() < 0.4);
        drill.pass(240);
        assert_eq!((vllm("vllm:num_requests_waiting"), vllm("vllm:kv_cache_usage_perc")), (140.0, 0.99));
        assert!(vllm("vllm:num_preemptions_total") == 85.0 && (first_token() - 6.0).abs() < 0.1);
        let util = |drill: &Drill| {
            drill.metric("gpu-operator", "nvidia-dcgm-exporter", 9400, "DCGM_FI_DEV_GPU_UTIL")
        };
        assert_eq!(util(drill), 100.0);
        let reranker = drill.pod("inference", "reranker");
        let log = drill.log("inference", name(&reranker), false);
        assert!(log.contains("48.31 GiB is reserved by PyTorch but unallocated"), "{log}");
        drill.scale("inference", "llm-server", 4);
        drill.restart("deployments", "inference", "reranker");
        drill.pass(240);
        assert!(
            all_ready(drill, "inference", "llm-server") && drill.pods("inference", "llm-server").len() == 4
        );
        assert_eq!((vllm("vllm:num_requests_waiting"), vllm("vllm:kv_cache_usage_perc")), (0.0, 0.52));
        assert!((first_token() - 0.2).abs() < 0.01 && util(drill) < 90.0);
        let log = drill.log("inference", name(&drill.pod("inference", "reranker")), false);
        assert!(log.contains("reranked") && !log.contains("CUDA out of memory"), "{log}");
    }

    /// The guide on connectivity: selector, port, readiness, policy, ingress, an expired certificate.
    pub fn connectivity(drill: &mut Drill) {
        drill.pass(10);
        let caller = drill.pod("production", "search");
        let get = |service: &str| {
            let url = format!("http://{service}/");
            drill.exec("production", name(&caller), &["curl", "-s", &url])
        };
        let endpoints = |service: &str| -> Vec<bool> {
            let slices = drill.list("endpointslices", "production");
            let of = |s: &&Value| s["metadata"]["labels"]["kubernetes.io/service-name"] == service;
            let slice = slices.iter().find(of).unwrap();
            slice["endpoints"].as_array().unwrap().iter().map(|e| e["conditions"]["ready"] == true).collect()
        };
        assert_eq!(
            (endpoints("cart"), endpoints("search"), endpoints("profile")),
            (vec![], vec![true, true], vec![false, false])
        );
        assert!(get("cart").err.contains("refused") && get("search").err.contains("refused"));
        assert!(get("profile").err.contains("refused"));
        let billing = get("billing");
        assert!(billing.code == 28 && billing.err.contains("timed out"), "{billing:?}");
        let ingress = drill.get("ingresses", "production", "shop");
        let backend = text(&ingress, "/spec/rules/0/http/paths/0/backend/service/name").to_owned();
        assert!(
            drill.request("GET", &format!("/api/v1/namespaces/production/services/{backend}"), None).is_err()
        );
        assert_eq!(ended(drill), "2025-10-30");

        drill.patch("services", "production", "cart", json!({"spec": {"selector": {"app": "cart"}}}));
        drill.patch(
            "services",
            "production",
            "search",
            json!({"spec": {"ports": [{"port": 80, "targetPort": 9200}]}}),
        );
        drill.set_container(
            "deployments",
            "production",
            "profile",
            json!({"env": [{"name": "DATABASE_HOST", "value": "postgres.production"}]}),
        );
        let from_search = json!([{"from": [{"podSelector": {"matchLabels": {"app": "search"}}}]}]);
        drill.patch(
            "networkpolicies",
            "production",
            "billing-isolated",
            json!({"spec": {"ingress": from_search}}),
        );
        let mut rules = ingress["spec"]["rules"].clone();
        rules[0]["http"]["paths"][0]["backend"]["service"]["name"] = "cart".into();
        drill.patch("ingresses", "production", "shop", json!({"spec": {"rules": rules}}));
        drill.patch(
            "secrets",
            "production",
            "shop-tls",
            json!({"data": {"tls.crt": include_str!("fixtures/shop.crt.b64").trim()}}),
        );
        drill.pass(60);
        for service in ["cart", "search", "profile", "billing"] {
            assert_eq!((get(service).out.as_str(), get(service).code), ("ok\n", 0), "{service}");
        }
        assert!(ended(drill).as_str() > "2060");
    }

    /// The day the ingress's certificate ends, read from its DER: the second UTCTime or GeneralizedTime in it.
    fn ended(drill: &Drill) -> String {
        use base64::Engine as _;
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let secret = drill.get("secrets", "production", "shop-tls");
        let pem = String::from_utf8(decode(text(&secret, "/data/tls.crt"))).unwrap();
        let der = decode(&pem.lines().filter(|l| !l.starts_with("-----")).collect::<String>());
        let time = |tag: [u8; 2]| der.windows(2).rposition(|w| w == tag);
        let (at, digits) = match (time([0x17, 13]), time([0x18, 15])) {
            (_, Some(at)) => (at + 2, 8),
            (Some(at), _) => (at + 2, 6),
            _ => panic!("a certificate without times"),
        };
        let day = String::from_utf8(der[at..at + digits].to_vec()).unwrap();
        let day = if digits == 6 { format!("20{day}") } else { day };
        format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..8])
    }

    /// The guide on storage: class, provisioner, capacity, permission, a volume in use elsewhere, a missing Secret.
    pub fn storage(drill: &mut Drill) {
        drill.pass(60);
        let said = drill.events("ml-training", "");
        for want in [
            "storageclass.storage.k8s.io \"fast-ssd\" not found",
            "external provisioner 'nfs.csi.k8s.io'",
            "no capacity left in us-west-2b",
            "secret \"db-credentials\" not found",
            "FailedAttachVolume: Multi-Attach error for volume \"pvc-",
            "Volume is already used by pod(s) backup",
        ] {
            assert!(said.iter().any(|s| s.contains(want)), "{want}: {said:#?}");
        }
        let log = drill.log("ml-training", name(&drill.pod("ml-training", "checkpoint-writer")), true);
        assert!(log.contains("Permission denied: '/checkpoints/step-1000.pt'"), "{log}");

        drill.create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast-ssd"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "Immediate"}));
        for class in ["nfs", "cold"] {
            drill.patch(
                "storageclasses",
                "",
                class,
                json!({"metadata": {"annotations": {"khud.dev/provisioner": null}}}),
            );
        }
        drill.patch(
            "deployments",
            "ml-training",
            "checkpoint-writer",
            json!({"spec": {"template": {"spec": {"securityContext": {"fsGroup": 2000}}}}}),
        );
        drill.delete("pods", "ml-training", "backup");
        drill.create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db-credentials", "namespace": "ml-training"}, "data": {}}));
        drill.pass(200);
        for claim in drill.list("persistentvolumeclaims", "ml-training") {
            assert_eq!(claim["status"]["phase"], "Bound", "{}", name(&claim));
        }
        for pod in ["loader", "checkpoint-writer", "restore", "secretive"] {
            assert!(
                all_ready(drill, "ml-training", pod),
                "{pod}: {}",
                drill.pod("ml-training", pod)["status"]
            );
        }
    }

    /// A role that reads pods in one namespace; a workload that may not list secrets, until it is bound to a role.
    pub fn rbac_restricted(drill: &mut Drill) {
        let may = |user: Value, resource: &str, ns: &str| {
            let mut spec =
                json!({"resourceAttributes": {"verb": "list", "resource": resource, "namespace": ns}});
            spec.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
            let review =
                json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let answer: Value =
                serde_json::from_str(&drill.request("POST", path, Some(review)).unwrap()).unwrap();
            answer["status"]["allowed"] == true
        };
        let reader = || json!({"user": "eve", "groups": ["readers", "system:authenticated"]});
        assert!(may(reader(), "pods", "production"));
        assert!(
            !may(reader(), "pods", "ml-training")
                && !may(reader(), "nodes", "")
                && !may(reader(), "secrets", "production")
        );
        let account = || json!({"user": "system:serviceaccount:production:reporter", "groups": ["system:serviceaccounts"]});
        assert!(!may(account(), "secrets", "production"));
        drill.pass(60);
        let log = drill.log("production", name(&drill.pod("production", "reporter")), false);
        assert!(log.contains("secrets is forbidden: User \"system:serviceaccount:production:reporter\" cannot list resource \"secrets\""), "{log}");
        drill.create(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reporter", "namespace": "production"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "secret-lister"},
            "subjects": [{"kind": "ServiceAccount", "name": "reporter", "namespace": "production"}]}));
        drill.create(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "secret-lister", "namespace": "production"},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]}));
        assert!(may(account(), "secrets", "production") && !may(account(), "secrets", "ml-training"));
        drill.restart("deployments", "production", "reporter");
        drill.pass(60);
        let log = drill.log("production", name(&drill.pod("production", "reporter")), false);
        assert!(log.contains("reported") && !log.contains("forbidden"), "{log}");
    }

    /// Case study 3: 40 % of the traffic in a region that goes dark, latency +250 %, survivors scaled to 12, gpt-4 with
    /// ten replicas of two GPUs elsewhere.
    pub fn region_outage(drill: &mut Drill) {
        let latency = |drill: &Drill, model: &str| {
            drill.mean("production", model, 8000, "vllm:e2e_request_latency_seconds")
        };
        let all_ready = |drill: &Drill, app: &str| {
            let pods = drill.pods("production", app);
            pods.iter().filter(|p| ready(p)).count()
        };
        for context in ["eu-west-1", "ap-southeast-1", "us-east-1"] {
            drill.use_context(context);
            assert!(drill.answers(), "{context}");
        }
        assert!((latency(drill, "gpt-3-5") - 0.9).abs() < 0.05);
        drill.use_context("eu-west-1");
        assert_eq!(all_ready(drill, "gpt-4"), 10);
        drill.pass(300);
        let dark: Vec<&str> = ["us-east-1", "eu-west-1", "ap-southeast-1"]
            .into_iter()
            .filter(|context| {
                drill.use_context(context);
                !drill.answers()
            })
            .collect();
        assert_eq!(dark, ["eu-west-1"]);

        for (context, models) in
            [("us-east-1", ["gpt-3-5", "bert-base"]), ("ap-southeast-1", ["gpt-3-5", "local-chinese"])]
        {
            drill.use_context(context);
            assert!(drill.list("nodes", "").iter().all(ready), "{context}");
            for model in models {
                assert!((latency(drill, model) - 0.9 * 3.5).abs() < 0.05, "{context} {model}");
                assert!(drill.metric("production", model, 8000, "vllm:num_requests_waiting") > 90.0);
                assert!(drill.pods("production", "gpt-4").is_empty());
                drill.scale("production", model, 12);
            }
        }
        drill.use_context("us-east-1");
        let emergency = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "gpt-4-emergency", "namespace": "production"}, "spec": {"replicas": 10,
            "selector": {"matchLabels": {"app": "gpt-4"}}, "template": {"metadata": {"labels": {"app": "gpt-4"}},
            "spec": {"containers": [{"name": "server", "image": "vllm/vllm-openai:v0.9.2",
                "resources": {"limits": {"nvidia.com/gpu": 2}}}]}}}});
        drill.create(emergency);
        drill.pass(120);
        assert_eq!(all_ready(drill, "gpt-4-emergency"), 10);
        for (context, models) in
            [("us-east-1", ["gpt-3-5", "bert-base"]), ("ap-southeast-1", ["gpt-3-5", "local-chinese"])]
        {
            drill.use_context(context);
            for model in models {
                assert_eq!(all_ready(drill, model), 12, "{context} {model}");
                assert!((latency(drill, model) - 0.9).abs() < 0.05, "{context} {model}");
                assert_eq!(drill.metric("production", model, 8000, "vllm:num_requests_waiting"), 0.0);
            }
        }
        drill.pass(300);
        drill.use_context("eu-west-1");
        assert!(drill.answers());
    }
}
