//! GPUs that vanish with their driver, and a server whose GPU memory leaks.

use serde_json::json;

use super::gpu_nodes;
use crate::support::drill::*;

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

/// One rank stands still: the others end by their watchdog, and it alone is never restarted.
pub fn hung_collective(drill: &mut Drill) {
    drill.pass(200);
    let ranks = drill.pods("ml-training", "llm-pretrain");
    assert_eq!(ranks.len(), 8);
    for rank in &ranks {
        let waits = name(rank) != "llm-pretrain-2";
        assert_eq!(restarts(rank) > 0, waits, "{}", name(rank));
    }
    let log = drill.log("ml-training", "llm-pretrain-0", true);
    assert!(log.contains("Watchdog caught collective operation timeout"), "{log}");
}
