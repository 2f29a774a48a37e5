//! Nodes: a runtime that dies, a fleet rolled in waves, an upgrade half way.

use serde_json::{Value, json};

use super::gpu_nodes;
use crate::support::drill::*;

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
        let left = drill.list("pods", "ml-training").into_iter().filter(|p| p["spec"]["nodeName"] == **node);
        assert!(left.filter(|p| p["status"]["phase"] == "Running").count() == 0, "{node}: its job is done");
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
    assert!(drill.exec("ml-training", "gpu-test", &["nvidia-smi"]).out.contains("Driver Version: 550.54.15"));
    assert!(drill.pods("ml-training", "llm-train-week3").iter().all(|p| p["status"]["phase"] == "Running"));
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

    let asks = |drill: &Drill| drill.log("inference", name(&drill.pod("inference", "gateway-sync")), false);
    assert!(
        asks(drill).contains("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
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
    let addresses: std::collections::BTreeSet<String> = drill.list("nodes", "").iter().map(address).collect();
    assert_eq!(addresses.len(), 8, "each machine has its own");
    drill.pass(120);
    assert_eq!(versions(drill), ["v1.34.1"]);
    assert!(drill.list("pods", "").iter().all(ready));
}

/// Challenge 3: 1.27.3 everywhere; a webhook and a budget in the way; then node by node to 1.28.5.
pub fn upgrade_run(drill: &mut Drill) {
    const OLD: &str = "v1.27.3";
    const NEW: &str = "v1.28.5";
    let version = |node: &Value| text(node, "/status/nodeInfo/kubeletVersion").to_owned();
    let server = |drill: &Drill| -> Value {
        serde_json::from_str(&drill.request("GET", "/version", None).unwrap()).unwrap()
    };
    let nodes: Vec<String> = drill.list("nodes", "").iter().map(|n| name(n).to_owned()).collect();
    assert_eq!(nodes.len(), 8);
    assert!(drill.list("nodes", "").iter().all(|n| version(n) == OLD && ready(n)));
    assert_eq!(server(drill)["gitVersion"], OLD);
    assert_eq!(server(drill)["minor"], "27");
    let metrics = drill.request("GET", "/metrics", None).unwrap();
    assert!(metrics.contains("apiserver_requested_deprecated_apis{group=\"flowcontrol.apiserver.k8s.io\",removed_release=\"1.29\",resource=\"flowschemas\",subresource=\"\",version=\"v1beta2\"} 1"), "{metrics}");
    let schema =
        drill.request("GET", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/batch-jobs", None).unwrap();
    assert!(
        schema.contains("apf-tuner") && schema.contains("flowcontrol.apiserver.k8s.io/v1beta2"),
        "{schema}"
    );

    // In the way: a webhook without a backend, and a budget that lets its only pod never go.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "invoice", "namespace": "billing"},
        "spec": {"containers": [{"name": "c", "image": "registry.acme.io/billing/invoice:1"}]}});
    let refused = drill.request("POST", "/api/v1/namespaces/billing/pods", Some(pod.clone())).unwrap_err();
    assert!(refused.contains("legacy-policy.acme.io"), "{refused}");
    let report = name(&drill.pod("production", "report")).to_owned();
    let held = drill.evict("production", &report, None).unwrap_err();
    assert!(held.contains("disruption budget"), "{held}");
    drill
        .request(
            "DELETE",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/legacy-policy",
            None,
        )
        .unwrap();
    drill.scale("production", "report", 2);
    drill.pass(30);
    drill.create(pod);

    let annotate = |drill: &Drill, node: &str| {
        drill.patch(
            "nodes",
            "",
            node,
            json!({"metadata": {"annotations": {"acme.io/kubelet-version": NEW}}}),
        );
    };
    let boot = text(&drill.get("nodes", "", "control-plane-1"), "/status/nodeInfo/bootID").to_owned();
    annotate(drill, "control-plane-1");
    drill.pass(10);
    assert!(ready(&drill.get("nodes", "", "control-plane-1")), "its agent still installs");
    drill.pass(12);
    let restarting = drill.get("nodes", "", "control-plane-1");
    assert!(!ready(&restarting) && version(&restarting) == NEW, "the kubelet restarts");
    drill.pass(20);
    let back = drill.get("nodes", "", "control-plane-1");
    assert!(ready(&back) && text(&back, "/status/nodeInfo/bootID") == boot, "no machine was rebooted");
    let image = |drill: &Drill, pod: &str| {
        text(&drill.get("pods", "kube-system", pod), "/spec/containers/0/image").to_owned()
    };
    assert_eq!(image(drill, "kube-apiserver-control-plane-1"), "registry.k8s.io/kube-apiserver:v1.28.5");
    assert_eq!(
        image(drill, "etcd-control-plane-1"),
        "registry.k8s.io/etcd:3.5.7-0",
        "no manifest changed it"
    );
    assert_eq!(server(drill)["gitVersion"], OLD, "two API servers are old");
    annotate(drill, "control-plane-2");
    annotate(drill, "control-plane-3");
    drill.pass(60);
    assert_eq!(server(drill)["gitVersion"], NEW);

    let slices = |drill: &Drill| -> Vec<(String, usize)> {
        let of = |s: &Value| {
            let all = s["endpoints"].as_array().cloned().unwrap_or_default();
            let ready = all.iter().filter(|e| e["conditions"]["ready"] == true).count();
            (text(s, "/metadata/labels/kubernetes.io~1service-name").to_owned(), ready)
        };
        drill.list("endpointslices", "production").iter().map(of).collect()
    };
    assert!(slices(drill).iter().all(|(_, ready)| *ready >= 2), "{:?}", slices(drill));
    for node in nodes.iter().filter(|n| n.starts_with("worker")) {
        drill.cordon(node, true);
        let here = |p: &&Value| {
            p["spec"]["nodeName"] == **node && p["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
        };
        for pod in drill.list("pods", "").iter().filter(here) {
            let ns = text(pod, "/metadata/namespace");
            // A budget lets the next go once the one before is replaced.
            for _ in 0..60 {
                if drill.evict(ns, name(pod), None).is_ok() {
                    break;
                }
                drill.pass(2);
            }
            drill.pass(15);
        }
        annotate(drill, node);
        drill.pass(60);
        let back = drill.get("nodes", "", node);
        assert!(ready(&back) && version(&back) == NEW, "{node}");
        drill.cordon(node, false);
    }
    drill.pass(60);
    assert!(drill.list("pods", "").iter().all(|p| name(p) == "invoice" || ready(p)));
    assert!(drill.list("nodes", "").iter().all(|n| version(n) == NEW && ready(n)));
}
