//! Inference servers by their own `/metrics`: vLLM of both generations, SGLang, TGI, Triton with TensorRT-LLM.

use std::collections::{BTreeMap, BTreeSet};

use super::number::real;
use super::prom::{self, Sample};
use crate::world::Time;
use crate::world::measured::{Engine, Total};

/// Reads a server's text; `None` where it is none of the servers khud knows.
pub fn read(text: &str, at: Time) -> Option<Engine> {
    let mut sums = Sums::default();
    let mut engine = Engine { read_at: at, ..Engine::default() };
    let mut models = BTreeSet::new();
    for s in prom::samples(text) {
        let Some((kind, metric)) =
            KINDS.iter().find_map(|(prefix, kind)| Some((*kind, s.name.strip_prefix(prefix)?)))
        else {
            continue;
        };
        if engine.kind.is_empty() {
            engine.kind = kind.into();
        }
        if let Some(model) = s.any(&["model_name", "model"]) {
            models.insert(model.to_owned());
        }
        if metric == "cache_config_info" {
            let share = s.label("gpu_memory_utilization").and_then(|v| v.parse().ok());
            engine.memory_share = share.filter(|v| (0.0..=1.0).contains(v)).or(engine.memory_share);
        }
        if let (Some(field), Some(value)) = (field(metric, &s), real(s.value)) {
            sums.add(field, &s, value);
        }
    }
    if engine.kind.is_empty() {
        return None;
    }
    engine.model = models.into_iter().collect::<Vec<_>>().join(", ").into();
    // TGI and Triton do not say; the others take what they are given at their start.
    engine.preallocates = matches!(&*engine.kind, "vLLM" | "SGLang");
    engine.running = sums.sum(Field::Running);
    engine.waiting = sums.sum(Field::Waiting);
    // SGLang's hybrid models have a pool for each kind of layer: the fullest one holds requests up.
    let usage = [Field::KvCache, Field::KvCacheOld, Field::KvCachePool];
    engine.kv_cache = usage.into_iter().find_map(|f| sums.max(f)).filter(|v| (0.0..=1.0).contains(v));
    if engine.kv_cache.is_none()
        && let (Some(used), Some(all)) = (sums.sum(Field::BlocksUsed), sums.sum(Field::BlocksAll))
    {
        engine.kv_cache = (all > 0.0).then(|| (used / all).clamp(0.0, 1.0));
    }
    engine.preemptions = sums.sum(Field::Preemptions);
    engine.failed = sums.sum(Field::Failed);
    engine.answered = sums.sum(Field::Answered);
    let total = |sum, count| Some(Total { sum: sums.sum(sum)?, count: sums.sum(count)? });
    engine.first_token = total(Field::FirstSum, Field::FirstCount);
    engine.next_token = total(Field::NextSum, Field::NextCount);
    engine.request = total(Field::RequestSum, Field::RequestCount);
    Some(engine)
}

const KINDS: [(&str, &str); 6] = [
    ("vllm:", "vLLM"),
    ("vllm_", "vLLM"),
    ("sglang:", "SGLang"),
    ("sglang_", "SGLang"),
    ("tgi_", "TGI"),
    ("nv_", "Triton"),
];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Running,
    Waiting,
    KvCache,
    /// vLLM's name until 0.10.
    KvCacheOld,
    KvCachePool,
    BlocksUsed,
    BlocksAll,
    Preemptions,
    Failed,
    Answered,
    FirstSum,
    FirstCount,
    NextSum,
    NextCount,
    RequestSum,
    RequestCount,
}

/// The meaning of a metric, by its name without the server's prefix.
fn field(metric: &str, s: &Sample<'_>) -> Option<Field> {
    let label = |name: &str| s.label(name).unwrap_or("");
    Some(match metric {
        "num_requests_running" | "num_running_reqs" | "batch_current_size" => Field::Running,
        "num_requests_waiting" | "num_queue_reqs" | "queue_size" | "inference_pending_request_count" => {
            Field::Waiting
        }
        // Queues of disaggregated prefill and decode.
        "num_prefill_prealloc_queue_reqs"
        | "num_prefill_inflight_queue_reqs"
        | "num_decode_prealloc_queue_reqs"
        | "num_decode_transfer_queue_reqs" => Field::Waiting,
        "kv_cache_usage_perc" | "token_usage" => Field::KvCache,
        "gpu_cache_usage_perc" => Field::KvCacheOld,
        "full_token_usage" | "swa_token_usage" | "mamba_usage" => Field::KvCachePool,
        "trt_llm_kv_cache_block_metrics" => match label("kv_cache_block_type") {
            "used" => Field::BlocksUsed,
            "max" => Field::BlocksAll,
            _ => return None,
        },
        "trt_llm_request_metrics" => match label("request_type") {
            "active" => Field::Running,
            "waiting" => Field::Waiting,
            _ => return None,
        },
        "num_preemptions_total" | "num_preemptions" | "num_retracted_requests_total" => Field::Preemptions,
        "request_failure" | "request_failure_total" | "inference_request_failure" => Field::Failed,
        "request_success" | "request_success_total" | "inference_request_success" => Field::Answered,
        "num_aborted_requests_total" => Field::Failed,
        "num_requests_total" => Field::Answered,
        "time_to_first_token_seconds_sum" => Field::FirstSum,
        "time_to_first_token_seconds_count" => Field::FirstCount,
        "inter_token_latency_seconds_sum"
        | "time_per_output_token_seconds_sum"
        | "request_mean_time_per_token_duration_sum" => Field::NextSum,
        "inter_token_latency_seconds_count"
        | "time_per_output_token_seconds_count"
        | "request_mean_time_per_token_duration_count" => Field::NextCount,
        "e2e_request_latency_seconds_sum" | "request_duration_sum" => Field::RequestSum,
        "e2e_request_latency_seconds_count" | "request_duration_count" => Field::RequestCount,
        _ => return None,
    })
}

/// Values by field and by the engine they are of. Ranks of one engine repeat its number, and so do the two names of one
/// metric that some versions emit side by side: the largest counts.
#[derive(Default)]
struct Sums(BTreeMap<Field, BTreeMap<String, f64>>);

impl Sums {
    fn add(&mut self, field: Field, s: &Sample<'_>, value: f64) {
        let told_apart =
            s.labels.iter().filter(|(name, _)| !matches!(*name, "tp_rank" | "pp_rank" | "moe_ep_rank"));
        let mut who: String = told_apart.flat_map(|(name, value)| [name, &**value, "\0"]).collect();
        // Queues with names of their own are added; the rest is one number under two names.
        if field == Field::Waiting {
            who.push_str(s.name);
        }
        let place = self.0.entry(field).or_default().entry(who).or_insert(value);
        *place = place.max(value);
    }

    fn sum(&self, field: Field) -> Option<f64> {
        self.0.get(&field).map(|v| v.values().sum())
    }

    fn max(&self, field: Field) -> Option<f64> {
        self.0.get(&field)?.values().copied().max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vllm_is_read_under_both_names_of_its_cache() {
        let text = r#"
vllm:num_requests_running{engine="0",model_name="llama"} 8
vllm:num_requests_running{engine="1",model_name="llama"} 4
vllm:num_requests_waiting{engine="0",model_name="llama"} 140
vllm:kv_cache_usage_perc{engine="0",model_name="llama"} 0.99
vllm:kv_cache_usage_perc{engine="1",model_name="llama"} 0.4
vllm:num_preemptions_total{engine="0",model_name="llama"} 85
vllm:cache_config_info{engine="0",block_size="16",gpu_memory_utilization="0.9",num_gpu_blocks="7000"} 1
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="llama"} 3
vllm:time_to_first_token_seconds_sum{engine="0",model_name="llama"} 30
vllm:time_to_first_token_seconds_count{engine="0",model_name="llama"} 10
vllm:request_success_total{engine="0",finished_reason="stop",model_name="llama"} 7
vllm:request_success_total{engine="0",finished_reason="length",model_name="llama"} 3
"#;
        let e = read(text, Time(5)).unwrap();
        assert_eq!((&*e.kind, &*e.model, e.running, e.waiting), ("vLLM", "llama", Some(12.0), Some(140.0)));
        assert_eq!((e.kv_cache, e.preemptions, e.answered), (Some(0.99), Some(85.0), Some(10.0)));
        assert_eq!((e.preallocates, e.memory_share), (true, Some(0.9)));
        assert_eq!(e.first_token.unwrap().mean(), Some(3.0));
        let old = read("vllm:gpu_cache_usage_perc{model_name=\"m\"} 0.5\n", Time(5)).unwrap();
        assert_eq!(old.kv_cache, Some(0.5));
    }

    #[test]
    fn the_other_servers_are_read() {
        let sglang = r#"
sglang:num_running_reqs{model_name="m",tp_rank="0"} 5
sglang:num_running_reqs{model_name="m",tp_rank="1"} 5
sglang:num_queue_reqs{model_name="m"} 2
sglang:num_decode_prealloc_queue_reqs{model_name="m"} 3
sglang:full_token_usage{model_name="m"} 0.2
sglang:mamba_usage{model_name="m"} 0.8
"#;
        let e = read(sglang, Time(5)).unwrap();
        assert_eq!((&*e.kind, e.running, e.waiting, e.kv_cache), ("SGLang", Some(5.0), Some(5.0), Some(0.8)));

        let tgi = "tgi_queue_size 4\ntgi_batch_current_size 16\ntgi_request_failure{err=\"overloaded\"} 3\n\
                   tgi_request_duration_sum 50\ntgi_request_duration_count 25\n";
        let e = read(tgi, Time(5)).unwrap();
        assert_eq!((e.waiting, e.running, e.failed, e.kv_cache), (Some(4.0), Some(16.0), Some(3.0), None));
        assert_eq!((e.request.unwrap().mean(), e.preallocates), (Some(2.0), false));

        let triton = r#"
nv_inference_pending_request_count{model="a",version="1"} 1
nv_inference_pending_request_count{model="b",version="1"} 2
nv_inference_request_failure{model="a",reason="REJECTED",version="1"} 6
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used",model="t"} 30
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="t"} 120
nv_gpu_utilization{gpu_uuid="GPU-a"} 0.5
"#;
        let e = read(triton, Time(5)).unwrap();
        assert_eq!((&*e.kind, e.waiting, e.failed, e.kv_cache), ("Triton", Some(3.0), Some(6.0), Some(0.25)));
        assert_eq!(read("python_gc_objects_collected_total 5\n", Time(5)), None);
    }

    #[test]
    fn a_counter_that_began_again_is_not_negative() {
        let t = |sum, count| Total { sum, count };
        assert_eq!(t(30.0, 10.0).mean_since(&t(10.0, 5.0)), Some(4.0));
        assert_eq!(t(6.0, 3.0).mean_since(&t(30.0, 10.0)), Some(2.0));
        assert_eq!(t(30.0, 10.0).mean_since(&t(30.0, 10.0)), None, "nothing was asked meanwhile");
    }
}
