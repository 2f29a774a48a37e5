//! The requests that a container answers, as HTTP servers count them for Prometheus.
use std::fmt::Write as _;
use std::time::Duration;

use crate::scenario::format::Requests;

use super::vllm::total;

/// Upper bounds of the histogram in seconds: the Go client's defaults.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// `http_requests_total` and its histogram, this long after the start.
pub fn metrics(r: &Requests, elapsed: Duration) -> String {
    let all = total(elapsed, |t| r.rate.at(t));
    let failed = total(elapsed, |t| r.rate.at(t) * r.failing.at(t).clamp(0.0, 1.0));
    let mut out = String::from("# TYPE http_requests_total counter\n");
    for (code, count) in [("200", all - failed), ("500", failed)] {
        let _ = writeln!(out, "http_requests_total{{code=\"{code}\",method=\"GET\"}} {}", count.round());
    }
    histogram(&mut out, elapsed, |t| r.rate.at(t), |t| r.latency.at(t));
    out
}

/// Latencies spread like waiting times, 95 % of them within `p95`.
pub(super) fn histogram(
    out: &mut String,
    elapsed: Duration,
    rate: impl Fn(Duration) -> f64,
    p95: impl Fn(Duration) -> f64,
) {
    let _ = writeln!(out, "# TYPE http_request_duration_seconds histogram");
    for bound in BOUNDS {
        let within = |t| 1.0 - 0.05f64.powf(bound / p95(t).max(1e-6));
        let count = total(elapsed, |t| rate(t) * within(t));
        let _ = writeln!(out, "http_request_duration_seconds_bucket{{le=\"{bound}\"}} {:.3}", count);
    }
    let count = total(elapsed, &rate);
    let _ = writeln!(out, "http_request_duration_seconds_bucket{{le=\"+Inf\"}} {count:.3}");
    let _ = writeln!(out, "http_request_duration_seconds_count {count:.3}");
    // The mean of such latencies is the P95 over the natural logarithm of 20.
    let sum = total(elapsed, |t| rate(t) * p95(t) / 20f64.ln());
    let _ = writeln!(out, "http_request_duration_seconds_sum {sum:.3}");
}
