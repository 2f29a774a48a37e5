//! vLLM: the metrics of an inference server, with the names of its v1 engine.
use std::fmt::Write as _;
use std::time::Duration;

use crate::scenario::format::Vllm;
use crate::scenario::units::Curve;

/// The number of steps in which a rate is integrated.
const STEPS: u32 = 500;

/// The answer of `/metrics` this long after the start.
pub fn metrics(v: &Vllm, elapsed: Duration) -> String {
    let labels = format!("{{engine=\"0\",model_name=\"{}\"}}", v.model);
    let done = total(elapsed, |t| v.rate.at(t));
    let mut out = String::new();
    let mut row = |name: &str, kind: &str, value: f64| {
        let _ = writeln!(out, "# TYPE {name} {kind}\n{name}{labels} {value}");
    };
    row("vllm:num_requests_running", "gauge", v.running.at(elapsed).round());
    row("vllm:num_requests_waiting", "gauge", v.waiting.at(elapsed).round());
    row("vllm:kv_cache_usage_perc", "gauge", (v.kv_cache.at(elapsed) * 1000.0).round() / 1000.0);
    row("vllm:num_preemptions_total", "counter", v.preemptions.at(elapsed).round());
    row("vllm:prompt_tokens_total", "counter", (done * 812.0).round());
    row("vllm:generation_tokens_total", "counter", (done * 233.0).round());
    let share = v.memory_share.unwrap_or(0.9);
    let _ = writeln!(
        out,
        "# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{{block_size=\"16\",engine=\"0\",gpu_memory_utilization=\"{share}\",kv_cache_memory_bytes=\"None\"}} 1"
    );
    let mut row = |name: &str, kind: &str, value: f64| {
        let _ = writeln!(out, "# TYPE {name} {kind}\n{name}{labels} {value}");
    };
    let histograms: [(&str, &Curve); 2] = [
        ("vllm:e2e_request_latency_seconds", &v.latency),
        ("vllm:time_to_first_token_seconds", &v.first_token),
    ];
    for (name, seconds) in histograms {
        let sum = total(elapsed, |t| v.rate.at(t) * seconds.at(t));
        row(&format!("{name}_count"), "counter", done.round());
        row(&format!("{name}_sum"), "counter", (sum * 1000.0).round() / 1000.0);
    }
    // Its HTTP server counts each request once it is answered.
    let _ = writeln!(
        out,
        "# TYPE http_requests_total counter\nhttp_requests_total{{handler=\"/v1/chat/completions\",method=\"POST\",status=\"2xx\"}} {}",
        done.round()
    );
    super::requests::histogram(&mut out, elapsed, |t| v.rate.at(t), |t| v.latency.at(t));
    out
}

/// The integral of a rate.
pub(super) fn total(elapsed: Duration, rate: impl Fn(Duration) -> f64) -> f64 {
    let step = elapsed / STEPS;
    (0..STEPS).map(|i| rate(step * i + step / 2)).sum::<f64>() * step.as_secs_f64()
}
