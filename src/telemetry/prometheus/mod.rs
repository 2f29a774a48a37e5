//! Prometheus: histories from before khud looked, and the traffic of workloads, by its HTTP API.
//!
//! Thanos, VictoriaMetrics and Mimir answer the same API. khud reads through the API server's proxy, or at a URL.

mod find;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::number::mebibytes;
use super::source::Source;
use crate::world::measured::{Counted, Measured, Past, PastOf, Wait, WaitFor};
use crate::world::readings::Target;
use crate::world::traffic::{Served, Traffic};
use crate::world::{Text, Time};

pub(super) use find::{find, is_server};

/// Why the sources of this file are not read where no server is found.
pub(super) const NOT_FOUND: &str = "no Prometheus was found among the pods khud may list; the setting prometheus names one (namespace/service:port, or a URL)";

/// Windows of a history, as span and step in seconds: a quarter of an hour, an hour, a day, two weeks, each of some fifty
/// values.
const WINDOWS: [(u32, u32); 4] = [(900, 15), (3600, 60), (86_400, 1800), (1_209_600, 25_200)];

/// Histories are read once, and again for what began to grow since.
const AGAIN: Duration = Duration::from_secs(1800);

/// A question to a server.
enum Asked {
    /// A history of one number, and the query for a window of that many seconds.
    History(fn(u32) -> String, fn(&Labels<'_>) -> Option<PastOf>, fn(f64) -> Option<f64>),
    /// Requests a second of a counter, by status.
    Rate(&'static Counter),
    /// The P95 of the histogram beside a counter.
    Latency(&'static Counter),
    /// The containers that waited most of the last minutes.
    Waits(WaitFor),
}

/// The minutes that a share of waiting covers.
const WAITED: Duration = Duration::from_secs(300);

/// A request: what it asks, and the number of its window where it has one.
struct Query {
    asked: Asked,
    window: u8,
}

/// A counter of requests that the field uses, and its histogram.
struct Counter {
    /// The counter's name, and what khud calls the traffic after.
    name: &'static str,
    /// Further conditions on its labels.
    only: &'static str,
    histogram: &'static str,
    /// Seconds of a unit of the histogram.
    unit: f64,
    of: fn(&Labels<'_>) -> Option<Served>,
    /// The labels that name the object.
    by: &'static str,
}

const POD: &str = "namespace,pod,kubernetes_namespace,kubernetes_pod_name,exported_namespace,exported_pod";

static COUNTERS: [Counter; 6] = [
    Counter {
        name: "istio_requests_total",
        only: "reporter=\"destination\"",
        histogram: "istio_request_duration_milliseconds_bucket",
        unit: 0.001,
        of: |l| {
            let namespace = l.get("destination_workload_namespace")?.into();
            Some(Served::Workload { namespace, name: l.get("destination_workload")?.into() })
        },
        by: "destination_workload,destination_workload_namespace",
    },
    Counter {
        name: "nginx_ingress_controller_requests",
        only: "",
        histogram: "nginx_ingress_controller_request_duration_seconds_bucket",
        unit: 1.0,
        // A scrape without honorLabels renames the controller's own labels.
        of: |l| {
            let namespace = l.first(&["exported_namespace", "namespace"])?.into();
            Some(Served::Service { namespace, name: l.first(&["exported_service", "service"])?.into() })
        },
        by: "namespace,exported_namespace,service,exported_service",
    },
    Counter {
        name: "http_requests_total",
        only: "",
        histogram: "http_request_duration_seconds_bucket",
        unit: 1.0,
        of: pod,
        by: POD,
    },
    Counter {
        name: "http_server_requests_seconds_count",
        only: "",
        histogram: "http_server_requests_seconds_bucket",
        unit: 1.0,
        of: pod,
        by: POD,
    },
    Counter {
        name: "http_server_request_duration_seconds_count",
        only: "",
        histogram: "http_server_request_duration_seconds_bucket",
        unit: 1.0,
        of: pod,
        by: POD,
    },
    Counter {
        name: "envoy_cluster_upstream_rq",
        only: "",
        histogram: "envoy_cluster_upstream_rq_time_bucket",
        unit: 0.001,
        of: pod,
        by: POD,
    },
];

/// Labels that tell a status, or its first digit, in the metrics above.
const STATUS: [&str; 6] =
    ["code", "status", "status_code", "response_code", "http_response_status_code", "envoy_response_code"];

/// The labels of one series.
#[derive(Deserialize)]
#[serde(transparent)]
struct Labels<'t>(#[serde(borrow)] BTreeMap<Cow<'t, str>, Cow<'t, str>>);

impl Labels<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|v| &**v).filter(|v| !v.is_empty())
    }

    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|n| self.get(n))
    }

    /// Namespace and pod that a series is about. Without honorLabels the plain ones are the exporter's.
    fn pod(&self) -> Option<(Text, Text)> {
        let namespace = self.first(&["exported_namespace", "namespace", "kubernetes_namespace"])?;
        Some((namespace.into(), self.first(&["exported_pod", "pod", "kubernetes_pod_name"])?.into()))
    }
}

fn pod(labels: &Labels<'_>) -> Option<Served> {
    labels.pod().map(|(namespace, name)| Served::Pod { namespace, name })
}

#[derive(Deserialize)]
struct Answer<'t> {
    #[serde(borrow)]
    data: Data<'t>,
}

#[derive(Deserialize)]
struct Data<'t> {
    #[serde(borrow)]
    result: Vec<Series<'t>>,
}

#[derive(Deserialize)]
struct Series<'t> {
    #[serde(borrow)]
    metric: Labels<'t>,
    /// The values of a range query.
    #[serde(borrow, default)]
    values: Vec<(f64, Cow<'t, str>)>,
    /// The value of an instant query.
    #[serde(borrow, default)]
    value: Option<(f64, Cow<'t, str>)>,
}

#[derive(Deserialize)]
struct Refusal<'t> {
    #[serde(borrow, rename = "errorType", default)]
    kind: Cow<'t, str>,
    #[serde(borrow)]
    error: Cow<'t, str>,
}

/// A value that is a number: `NaN` and the infinities are what Prometheus writes where there is none.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|v: &f64| v.is_finite())
}

impl Query {
    fn text(&self) -> String {
        match &self.asked {
            Asked::History(query, ..) => query(WINDOWS[usize::from(self.window)].0),
            Asked::Rate(c) => {
                let status = STATUS.join(",");
                let envoy = "envoy_response_code_class";
                format!("sum by ({},{status},{envoy}) (rate({}{{{}}}[5m]))", c.by, c.name, c.only)
            }
            Asked::Latency(c) => format!(
                "histogram_quantile(0.95, sum by ({},le) (rate({}{{{}}}[5m])))",
                c.by, c.histogram, c.only
            ),
            Asked::Waits(of) => waiting(*of),
        }
    }

    /// The path after the server's prefix: a range has its span in place of its ends, which move with time.
    fn path(&self) -> String {
        let text = self.text();
        let query = utf8_percent_encode(&text, NON_ALPHANUMERIC);
        match self.asked {
            Asked::History(..) => {
                let (span, step) = WINDOWS[usize::from(self.window)];
                format!("api/v1/query_range?query={query}&step={step}&span={span}")
            }
            _ => format!("api/v1/query?query={query}"),
        }
    }

    fn read(&self, text: &str, at: Time) -> Result<Measured, Text> {
        let answer: Answer<'_> = serde_json::from_str(text)
            .map_err(|e| Text::from(format!("the answer is none of Prometheus's API: {e}")))?;
        let result = answer.data.result;
        let series = result.len();
        let mut measured = Measured::default();
        match &self.asked {
            Asked::History(_, of, unit) => {
                let past = |s: Series<'_>| {
                    let time = |seconds: f64| Time((seconds * 1000.0) as i64);
                    let values = s.values.iter().filter_map(|(t, v)| Some((time(*t), unit(number(v)?)?)));
                    let points: Vec<(Time, f64)> = values.collect();
                    let of = of(&s.metric).filter(|_| !points.is_empty())?;
                    Some(Past { of, window: self.window, points })
                };
                measured.past = result.into_iter().filter_map(past).collect();
            }
            Asked::Rate(counter) => measured.traffic = rates(counter, &result, at),
            Asked::Latency(counter) => {
                let latency = |s: &Series<'_>| {
                    let seconds = number(&s.value.as_ref()?.1)? * counter.unit;
                    let none = Traffic::of((counter.of)(&s.metric)?, counter.name, at);
                    Some(Traffic { p95: Some(seconds), ..none })
                };
                measured.traffic = result.iter().filter_map(latency).collect();
            }
            Asked::Waits(of) => {
                let wait = |s: &Series<'_>| {
                    let share = number(&s.value.as_ref()?.1)?;
                    let (namespace, pod) = s.metric.pod()?;
                    let container = s.metric.get("container")?.into();
                    let counted = Counted::Share { share: share.clamp(0.0, 1.0), over: WAITED };
                    Some(Wait { namespace, pod, container, of: *of, counted, at })
                };
                measured.waits = result.iter().filter_map(wait).collect();
                // A quotient of nothing by nothing is NaN: nobody with a limit ran.
                return Ok(measured);
            }
        }
        if measured.past.is_empty() && measured.traffic.is_empty() {
            // A histogram that nobody observed has no quantile: that is no fault.
            if matches!(self.asked, Asked::Latency(_)) {
                return Ok(measured);
            }
            return Err(
                format!("none of the {series} series has a number and the labels namespace and pod").into()
            );
        }
        Ok(measured)
    }
}

/// Rates by object: all statuses together, and those of 5xx.
fn rates(counter: &Counter, result: &[Series<'_>], at: Time) -> Vec<Traffic> {
    let mut sums: BTreeMap<Served, Traffic> = BTreeMap::new();
    for s in result {
        let value = s.value.as_ref().and_then(|(_, v)| number(v));
        let (Some(rate), Some(of)) = (value, (counter.of)(&s.metric)) else { continue };
        let sum = sums.entry(of.clone()).or_insert_with(|| Traffic::of(of, counter.name, at));
        sum.rate = Some(sum.rate.unwrap_or(0.0) + rate);
        let status = s.metric.first(&STATUS).or_else(|| s.metric.get("envoy_response_code_class"));
        if let Some(status) = status {
            let failed = if status.starts_with('5') { rate } else { 0.0 };
            sum.failing = Some(sum.failing.unwrap_or(0.0) + failed);
        }
    }
    sums.into_values().collect()
}

/// A source that asks a Prometheus.
pub(super) struct Asks {
    name: &'static str,
    /// Prometheus has none of it, in words for coverage.
    lacks: &'static str,
    every: Duration,
    queries: fn() -> Vec<Query>,
}

fn windows(of: impl Fn() -> Asked) -> Vec<Query> {
    (0..WINDOWS.len()).map(|i| Query { asked: of(), window: i as u8 }).collect()
}

pub(super) static GPU_HISTORY: Asks = Asks {
    name: "gpu-history",
    lacks: "Prometheus has no used memory of a GPU (DCGM_FI_DEV_FB_USED, gpu_used_vram, xpum_memory_used_bytes, hw_memory_usage_bytes)",
    every: AGAIN,
    queries: || {
        let mib = |v: f64| mebibytes(v).map(|b| b as f64);
        let bytes = |v: f64| (v >= 0.0).then_some(v);
        let nvidia = windows(|| Asked::History(|_| "DCGM_FI_DEV_FB_USED".to_owned(), gpu_of_nvidia, mib));
        // A site may give AMD's names a prefix.
        let amd =
            windows(|| Asked::History(|_| "{__name__=~\"(.+_)?gpu_used_vram\"}".to_owned(), gpu_of_amd, mib));
        let intel = windows(|| Asked::History(|_| USED_OF_INTEL.to_owned(), gpu_of_intel, bytes));
        nvidia.into_iter().chain(amd).chain(intel).collect()
    },
};

/// The tiles of a device together, without memory that is not its own.
const USED_OF_INTEL: &str = "sum by (uuid,pci_bdf,hw_id,namespace,pod,exported_namespace,exported_pod) \
     ({__name__=~\"xpum_memory_used_bytes|hw_memory_usage_bytes\",hw_memory_location=~\"|device\"})";

/// The history of a GPU by the labels that name it, the first that is there; as the readers of the exporters do.
fn gpu_of(labels: &Labels<'_>, names: &[&str], instance: &str) -> Option<PastOf> {
    let (namespace, pod) = labels.pod()?;
    let instance = labels.get(instance).unwrap_or_default().into();
    Some(PastOf::Gpu { uuid: labels.first(names)?.into(), instance, namespace, pod })
}

fn gpu_of_nvidia(labels: &Labels<'_>) -> Option<PastOf> {
    gpu_of(labels, &["UUID"], "GPU_I_ID")
}

/// A whole device has partition 0 and is read without one.
fn gpu_of_amd(labels: &Labels<'_>) -> Option<PastOf> {
    let whole = labels.get("gpu_compute_partition_type").is_none_or(|t| t.eq_ignore_ascii_case("spx"));
    gpu_of(labels, &["gpu_uuid", "serial_number"], if whole { "" } else { "gpu_partition_id" })
}

fn gpu_of_intel(labels: &Labels<'_>) -> Option<PastOf> {
    gpu_of(labels, &["uuid", "pci_bdf", "hw_id"], "")
}

/// The pods that grew most within the window's last part: a cluster has thousands that stand still.
fn working_set(span: u32) -> String {
    let set = "container_memory_working_set_bytes{container!=\"\",container!=\"POD\"";
    let sum = |at: &str| format!("sum by (namespace,pod) ({set}}}{at})");
    let before = span / 6;
    format!("{} and topk(200, {} - {})", sum(""), sum(" @ end()"), sum(&format!(" offset {before}s @ end()")))
}

pub(super) static USAGE_HISTORY: Asks = Asks {
    name: "usage-history",
    lacks: "Prometheus has no samples of container_memory_working_set_bytes",
    every: AGAIN,
    queries: || {
        let of = |l: &Labels<'_>| l.pod().map(|(namespace, pod)| PastOf::Memory { namespace, pod });
        windows(|| Asked::History(working_set, of, |v| (v >= 0.0).then_some(v)))
    },
};

pub(super) static LATENCY_HISTORY: Asks = Asks {
    name: "latency-history",
    lacks: "Prometheus has no request latency of an inference server",
    every: AGAIN,
    queries: || {
        let of = |l: &Labels<'_>| l.pod().map(|(namespace, pod)| PastOf::Latency { namespace, pod });
        let query = |_| {
            let servers = |end: &str| {
                let names = [
                    "vllm:e2e_request_latency_seconds",
                    "sglang:e2e_request_latency_seconds",
                    "tgi_request_duration",
                ];
                let names = names.map(|n| format!("{n}{end}")).join("|");
                format!("sum by (namespace,pod) (rate({{__name__=~\"{names}\"}}[5m]))")
            };
            format!("{} / {}", servers("_sum"), servers("_count"))
        };
        windows(|| Asked::History(query, of, |v| (v >= 0.0).then_some(v)))
    },
};

pub(super) static TRAFFIC: Asks = Asks {
    name: "traffic",
    lacks: "Prometheus has no counter of requests that khud knows",
    every: Duration::from_secs(30),
    queries: || {
        let both = |c: &'static Counter| [Asked::Rate(c), Asked::Latency(c)];
        COUNTERS.iter().flat_map(both).map(|asked| Query { asked, window: 0 }).collect()
    },
};

/// The share of the last minutes in which containers waited, of the 200 that waited most.
fn waiting(of: WaitFor) -> String {
    let rate = |metric: &str| {
        format!(
            "sum by (namespace,pod,container) (rate(container_{metric}_total{{container!=\"\",container!=\"POD\"}}[5m]))"
        )
    };
    let share = match of {
        WaitFor::CpuLimit => format!("{} / {}", rate("cpu_cfs_throttled_periods"), rate("cpu_cfs_periods")),
        WaitFor::Cpu => rate("pressure_cpu_waiting_seconds"),
        WaitFor::Memory => rate("pressure_memory_waiting_seconds"),
        WaitFor::Io => rate("pressure_io_waiting_seconds"),
    };
    format!("topk(200, {share})")
}

pub(super) static WAITS: Asks = Asks {
    name: "waits",
    lacks: "Prometheus has no samples of container_cpu_cfs_periods_total or container_pressure_*",
    every: Duration::from_secs(60),
    queries: || {
        let all = [WaitFor::CpuLimit, WaitFor::Cpu, WaitFor::Memory, WaitFor::Io];
        all.into_iter().map(|of| Query { asked: Asked::Waits(of), window: 0 }).collect()
    },
};

impl Asks {
    fn query(&self, path: &str) -> Option<Query> {
        (self.queries)().into_iter().find(|q| path.ends_with(&q.path()))
    }
}

impl Source for Asks {
    fn name(&self) -> &'static str {
        self.name
    }

    fn every(&self) -> Duration {
        self.every
    }

    /// A longer look must not ask for two weeks every two seconds; Prometheus scrapes every 15 s or less often.
    fn seldom(&self) -> Duration {
        self.every.min(AGAIN).max(Duration::from_secs(15))
    }

    fn of_prometheus(&self) -> Vec<String> {
        (self.queries)().iter().map(Query::path).collect()
    }

    fn request(&self, target: &Target, now: Time) -> String {
        let Some((path, span)) = target.path.split_once("&span=") else { return target.path.to_string() };
        let end = now.0 / 1000;
        let start = end - span.parse::<i64>().unwrap_or_default();
        format!("{path}&start={start}&end={end}&timeout=4s")
    }

    fn lacks(&self, text: &str) -> Option<&'static str> {
        let empty = |data: Answer<'_>| data.data.result.is_empty();
        let short = text.len() < 1000;
        (short && serde_json::from_str(text).is_ok_and(empty)).then_some(self.lacks)
    }

    fn reason(&self, status: u16, text: &str) -> Option<String> {
        let refusal: Refusal<'_> = serde_json::from_str(text).ok()?;
        let kind = if refusal.kind.is_empty() { String::new() } else { format!(" {}", refusal.kind) };
        Some(format!("Prometheus refused the query ({status}{kind}): {}", refusal.error))
    }

    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text> {
        self.query(&target.path).ok_or("unknown query")?.read(text, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::readings::Place;

    fn target(source: &str, path: String) -> Target {
        let place = Place::Pod { namespace: "monitoring".into(), name: "prometheus-0".into(), port: 9090 };
        Target { source: source.into(), place, path: path.into(), node: Text::default(), sure: true }
    }

    #[test]
    fn the_memory_of_amd_and_intel_is_told_apart_by_their_own_labels() {
        let read = |metric: &str, query: &str| {
            let text = format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{{metric},"namespace":"ml","pod":"llm-0"}},"values":[[1700000000,"2048"]]}}]}}}}"#
            );
            let path = GPU_HISTORY.of_prometheus().into_iter().find(|p| p.contains(query)).unwrap();
            GPU_HISTORY.read(&text, &target("gpu-history", path), Time(5)).unwrap().past.remove(0)
        };
        let of = |past: &Past| match &past.of {
            PastOf::Gpu { uuid, instance, .. } => (uuid.to_string(), instance.to_string()),
            other => panic!("{other:?}"),
        };
        let whole = read(
            r#""__name__":"amd_gpu_used_vram","serial_number":"S1","gpu_partition_id":"0","gpu_compute_partition_type":"spx""#,
            "vram",
        );
        assert_eq!((of(&whole), whole.points[0].1), (("S1".into(), String::new()), 2048.0 * 1_048_576.0));
        let part =
            read(r#""serial_number":"S1","gpu_partition_id":"3","gpu_compute_partition_type":"cpx""#, "vram");
        assert_eq!(of(&part), ("S1".into(), "3".into()));
        let intel = read(r#""pci_bdf":"0000:4d:00.0""#, "xpum");
        assert_eq!((of(&intel), intel.points[0].1), (("0000:4d:00.0".into(), String::new()), 2048.0));
    }

    /// Answers as the HTTP API documents them.
    #[test]
    fn a_history_is_read_with_the_labels_of_the_workload_and_without_what_is_no_number() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"DCGM_FI_DEV_FB_USED","UUID":"GPU-a","gpu":"0","pod":"dcgm-x","namespace":"gpu",
             "exported_pod":"llm-0","exported_namespace":"ml"},
             "values":[[1700000000,"12288"],[1700000060.5,"NaN"],[1700000120,"+Inf"],[1700000180,"12300"]]},
            {"metric":{"UUID":"GPU-b","gpu":"1"},"values":[[1700000000,"1"]]}]}}"#;
        let path = GPU_HISTORY.of_prometheus().remove(0);
        let m = GPU_HISTORY.read(text, &target("gpu-history", path), Time(5)).unwrap();
        let of = PastOf::Gpu {
            uuid: "GPU-a".into(),
            instance: Text::default(),
            namespace: "ml".into(),
            pod: "llm-0".into(),
        };
        let gib = 1_073_741_824.0;
        let points =
            vec![(Time(1_700_000_000_000), 12.0 * gib), (Time(1_700_000_180_000), 12300.0 * gib / 1024.0)];
        assert_eq!(
            m.past,
            [Past { of, window: 0, points }],
            "a GPU that no pod holds has no history of a pod"
        );
    }

    #[test]
    fn traffic_is_summed_over_statuses_and_names_what_counted_it() {
        let text = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"namespace":"shop","pod":"api-0","code":"200"},"value":[1700000000,"9"]},
            {"metric":{"namespace":"shop","pod":"api-0","code":"503"},"value":[1700000000,"1"]},
            {"metric":{"namespace":"shop","pod":"api-1"},"value":[1700000000,"4"]},
            {"metric":{"code":"200"},"value":[1700000000,"99"]}]}}"#;
        let path = TRAFFIC.of_prometheus().remove(4);
        let m = TRAFFIC.read(text, &target("traffic", path), Time(5)).unwrap();
        let seen: Vec<_> = m.traffic.iter().map(|t| (t.rate, t.failing, &*t.metric)).collect();
        let metric = "http_requests_total";
        assert_eq!(seen, [(Some(10.0), Some(1.0), metric), (Some(4.0), None, metric)], "no status, no share");
        let class = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"namespace":"shop","pod":"edge-0","envoy_response_code_class":"5"},"value":[1,"2"]}]}}"#;
        let path = TRAFFIC.of_prometheus().remove(10);
        let m = TRAFFIC.read(class, &target("traffic", path), Time(5)).unwrap();
        assert_eq!((m.traffic[0].rate, m.traffic[0].failing), (Some(2.0), Some(2.0)));
    }

    #[test]
    fn every_way_an_answer_fails_is_a_sentence() {
        let path = GPU_HISTORY.of_prometheus().remove(3);
        let t = target("gpu-history", path);
        let said = |status, text: &str| super::super::outcome(&t, status, text, || "HTTP".into(), Time(5));
        let why = |outcome| match outcome {
            crate::world::readings::Outcome::Failed(why) => format!("failed: {why}"),
            crate::world::readings::Outcome::Absent(why) => format!("absent: {why}"),
            crate::world::readings::Outcome::Forbidden(why) => format!("forbidden: {why}"),
            other => format!("{other:?}"),
        };
        let empty = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert!(why(said(200, empty)).starts_with("absent: Prometheus has no used memory of a GPU"));
        let many = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}"#;
        assert!(
            why(said(422, many))
                .starts_with("failed: Prometheus refused the query (422 execution): query processing")
        );
        let timeout =
            r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#;
        assert!(why(said(503, timeout)).contains("(503 timeout): query timed out"));
        assert_eq!(why(said(403, "{}")), "forbidden: HTTP");
        assert!(why(said(200, "<html>login</html>")).contains("none of Prometheus's API"));
        let nan = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"UUID":"GPU-a","namespace":"a","pod":"b"},"values":[[1,"NaN"]]}]}}"#;
        assert!(why(said(200, nan)).contains("none of the 1 series has a number"));
    }

    #[test]
    fn a_range_ends_now_and_a_moment_has_no_range() {
        let path = GPU_HISTORY.of_prometheus().remove(0);
        assert_eq!(
            GPU_HISTORY.request(&target("gpu-history", path), Time(1_700_000_000_500)),
            "api/v1/query_range?query=DCGM%5FFI%5FDEV%5FFB%5FUSED&step=15&start=1699999100&end=1700000000&timeout=4s"
        );
        let path = TRAFFIC.of_prometheus().remove(0);
        assert_eq!(TRAFFIC.request(&target("traffic", path.clone()), Time(5)), path);
    }
}
