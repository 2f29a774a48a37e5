//! Serving models: loading them, answering slowly, and a region that goes dark.

use serde_json::json;

use super::all_ready;
use crate::support::drill::*;

/// The guide on model loading: path, checksum, memory, half a transfer.
pub fn model_loading(drill: &mut Drill) {
    drill.pass(60);
    let previous = |app: &str| drill.log("inference", name(&drill.pod("inference", app)), true);
    assert!(
        previous("path-wrong").contains("/models/llama-7 does not appear to have a file named config.json")
    );
    assert!(
        previous("corrupt")
            .contains("SafetensorError: Error while deserializing header: MetadataIncompleteBuffer")
    );
    assert!(previous("half-way").contains("No such file or directory: '/models/llama-7b/model.safetensors'"));
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
    let util =
        |drill: &Drill| drill.metric("gpu-operator", "nvidia-dcgm-exporter", 9400, "DCGM_FI_DEV_GPU_UTIL");
    assert_eq!(util(drill), 100.0);
    let reranker = drill.pod("inference", "reranker");
    let log = drill.log("inference", name(&reranker), false);
    assert!(log.contains("48.31 GiB is reserved by PyTorch but unallocated"), "{log}");
    drill.scale("inference", "llm-server", 4);
    drill.restart("deployments", "inference", "reranker");
    drill.pass(240);
    assert!(all_ready(drill, "inference", "llm-server") && drill.pods("inference", "llm-server").len() == 4);
    assert_eq!((vllm("vllm:num_requests_waiting"), vllm("vllm:kv_cache_usage_perc")), (0.0, 0.52));
    assert!((first_token() - 0.2).abs() < 0.01 && util(drill) < 90.0);
    let log = drill.log("inference", name(&drill.pod("inference", "reranker")), false);
    assert!(log.contains("reranked") && !log.contains("CUDA out of memory"), "{log}");
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
