//! The trait of telemetry sources, and the list of them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{amd, cadvisor, dcgm, engines, intel, kube_proxy, prom, prometheus, usage};
use crate::world::measured::Measured;
use crate::world::readings::{Outcome, Place, Target};
use crate::world::{Node, Phase, Pod, Text, Time};

/// A kind of exporter or page: where it is read, and what its text means.
pub trait Source: Sync {
    /// As coverage and panes name it.
    fn name(&self) -> &'static str;

    /// How often it is worth reading.
    fn every(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// The port and path at which this pod serves it; `None` where the pod is none of this source's.
    fn of_pod(&self, _pod: &Pod) -> Option<(u16, &'static str)> {
        None
    }

    /// The port (`None`: the kubelet's) and path at which this node serves it.
    fn of_node(&self, _node: &Node) -> Option<(Option<u16>, &'static str)> {
        None
    }

    /// The path on the kubelet of a node that busy pods run on: an answer too large to be read of every node.
    fn of_busy_node(&self) -> Option<&'static str> {
        None
    }

    /// The loopback port and paths at which this pod serves it: read only while somebody looks at it.
    fn of_loopback(&self, _pod: &Pod) -> Option<(u16, &'static [&'static str])> {
        None
    }

    /// Paths on the API server itself; in each of these namespaces where some are named.
    fn of_server(&self, _namespaces: &[Text]) -> Vec<String> {
        Vec::new()
    }

    /// Paths that a Prometheus serves, after its prefix; none where this source asks none.
    fn of_prometheus(&self) -> Vec<String> {
        Vec::new()
    }

    /// It is not read more often than this, whatever the pace of others.
    fn seldom(&self) -> Duration {
        Duration::ZERO
    }

    /// The path to ask for now: a query's range moves with time.
    fn request(&self, target: &Target, _now: Time) -> String {
        target.path.to_string()
    }

    /// Why an answer with status 200 means that the source is not there.
    fn lacks(&self, _text: &str) -> Option<&'static str> {
        None
    }

    /// The reason that the page itself gives for another status.
    fn reason(&self, _status: u16, _text: &str) -> Option<String> {
        None
    }

    /// Whether a pod that it reads is known to serve it, and not only likely to.
    fn is_sure(&self, _pod: &Pod) -> bool {
        true
    }

    /// The source that stands in where this one is absent or refused, by name.
    fn instead_of(&self) -> Option<&'static str> {
        None
    }

    /// The meaning of an answer with status 200.
    ///
    /// # Errors
    /// A sentence where it is not what this source sends.
    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text>;

    /// The meaning of another status; `None`: the page cannot be read.
    fn read_status(&self, _status: u16, _text: &str, _target: &Target, _at: Time) -> Option<Measured> {
        None
    }
}

/// Every source.
pub static SOURCES: &[&dyn Source] = &[
    &Dcgm,
    &Amd,
    &Intel,
    &Engines,
    &KubeProxy,
    &KubeProxyMetrics,
    &MetricsApi,
    &Kubelet,
    &Cadvisor,
    &prometheus::GPU_HISTORY,
    &prometheus::USAGE_HISTORY,
    &prometheus::LATENCY_HISTORY,
    &prometheus::TRAFFIC,
    &prometheus::WAITS,
];

/// The source of a name.
pub fn named(name: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|s| s.name() == name)
}

/// Whether any source reads this pod.
pub fn concerns(pod: &Pod) -> bool {
    SOURCES.iter().any(|s| s.of_pod(pod).is_some()) || prometheus::is_server(pod)
}

/// The path to ask a target for now.
pub fn request(target: &Target, now: Time) -> String {
    named(&target.source).map_or_else(|| target.path.to_string(), |s| s.request(target, now))
}

/// The meaning of a target's answer.
pub fn outcome(target: &Target, status: u16, text: &str, why: impl FnOnce() -> String, at: Time) -> Outcome {
    let Some(source) = named(&target.source) else { return target.failed("unknown source") };
    let measured = match status {
        200..300 => match source.lacks(text) {
            Some(why) => return Outcome::Absent(why.into()),
            None => source.read(text, target, at),
        },
        _ => match source.read_status(status, text, target, at) {
            Some(measured) => Ok(measured),
            None if let Some(why) = source.reason(status, text) => Err(why.into()),
            None if status == 403 && target.sure => return Outcome::Forbidden(why().into()),
            None if status == 404 => return Outcome::Absent(why().into()),
            None => Err(why().into()),
        },
    };
    match measured {
        Ok(measured) => {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            Outcome::Measured { measured: Box::new(measured), print: hasher.finish(), bytes: text.len() }
        }
        Err(why) => target.failed(why),
    }
}

/// Whether the pod runs, and is one to ask.
pub(super) fn answers(pod: &Pod) -> bool {
    pod.phase == Phase::Running && !pod.node.is_empty() && pod.meta.deleting.is_none()
}

fn label<'p>(pod: &'p Pod, key: &str) -> &'p str {
    pod.meta.labels.get(key).unwrap_or_default()
}

fn has_image(pod: &Pod, part: &str) -> bool {
    pod.containers.iter().any(|c| c.spec.image.contains(part))
}

/// The port of that number, else the one named `metrics`, else that number.
fn port(pod: &Pod, number: u16) -> u16 {
    let ports = || pod.containers.iter().flat_map(|c| c.spec.ports.iter());
    ports()
        .find(|p| p.number == number)
        .or_else(|| ports().find(|p| &*p.name == "metrics"))
        .map_or(number, |p| p.number)
}

/// The GPUs that a reader found; none is no answer of an exporter.
fn gpus(text: &str, read: Vec<crate::world::gpu::Gpu>) -> Result<Measured, Text> {
    if read.is_empty() {
        return Err(nothing_in(text, "of a GPU"));
    }
    Ok(Measured { gpus: read, ..Measured::default() })
}

/// Says what was answered in place of what was expected.
fn nothing_in(text: &str, what: &str) -> Text {
    match prom::samples(text).count() {
        0 if text.trim().is_empty() => "the answer is empty".into(),
        0 => "the answer is no metrics text".into(),
        n => format!("the answer has {n} metrics and none {what}").into(),
    }
}

struct Dcgm;

impl Source for Dcgm {
    fn name(&self) -> &'static str {
        "dcgm"
    }

    fn of_pod(&self, pod: &Pod) -> Option<(u16, &'static str)> {
        let ours = ["app", "app.kubernetes.io/name"]
            .iter()
            .any(|key| matches!(label(pod, key), "nvidia-dcgm-exporter" | "dcgm-exporter" | "khud-agent"))
            || has_image(pod, "dcgm-exporter");
        ours.then(|| (port(pod, 9400), "metrics"))
    }

    /// AKS's managed GPU pools run the exporter as a service of the host.
    fn of_node(&self, node: &Node) -> Option<(Option<u16>, &'static str)> {
        let says = node.meta.labels.get("kubernetes.azure.com/dcgm-exporter") == Some("enabled");
        says.then_some((Some(19_400), "metrics"))
    }

    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text> {
        gpus(text, dcgm::read(text, &target.node, at))
    }
}

struct Amd;

impl Source for Amd {
    fn name(&self) -> &'static str {
        "amd"
    }

    fn of_pod(&self, pod: &Pod) -> Option<(u16, &'static str)> {
        let ours = has_image(pod, "device-metrics-exporter")
            || label(pod, "app.kubernetes.io/name") == "metrics-exporter" && has_image(pod, "amd");
        ours.then(|| (port(pod, 5000), "metrics"))
    }

    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text> {
        gpus(text, amd::read(text, &target.node, at))
    }
}

struct Intel;

impl Source for Intel {
    fn name(&self) -> &'static str {
        "intel"
    }

    fn of_pod(&self, pod: &Pod) -> Option<(u16, &'static str)> {
        let ours = has_image(pod, "xpumanager")
            || has_image(pod, "intel-xpumd")
            || ["app", "app.kubernetes.io/name"].iter().any(|key| label(pod, key).contains("xpumanager"));
        // 1.x declares its port by name; 2.x listens on 8080.
        ours.then(|| (port(pod, 8080), "metrics"))
    }

    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text> {
        gpus(text, intel::read(text, &target.node, at))
    }
}

struct Engines;

/// Images of inference servers, and the port each serves metrics on.
const SERVERS: [(&str, u16); 6] = [
    ("vllm", 8000),
    ("sglang", 30_000),
    ("text-generation-inference", 80),
    ("tritonserver", 8002),
    ("tensorrt-llm", 8000),
    ("trtllm", 8000),
];

/// Ports that servers of unknown images use, most telling first.
const USUAL: [u16; 5] = [8000, 30_000, 8002, 8080, 3000];

impl Source for Engines {
    fn name(&self) -> &'static str {
        "engines"
    }

    /// A pod with a server's image, or one that holds a GPU and declares a port that servers use.
    fn of_pod(&self, pod: &Pod) -> Option<(u16, &'static str)> {
        if let Some((_, usual)) = SERVERS.iter().find(|(image, _)| has_image(pod, image)) {
            return Some((port(pod, *usual), "metrics"));
        }
        let holds = |c: &&crate::world::Container| {
            [&c.spec.requests, &c.spec.limits].iter().any(|r| r.gpu.is_some_and(|n| n > 0))
        };
        let ports = || pod.containers.iter().filter(holds).flat_map(|c| c.spec.ports.iter());
        let named = ports().find(|p| &*p.name == "metrics").map(|p| p.number);
        let usual = || USUAL.into_iter().find(|n| ports().any(|p| p.number == *n));
        named.or_else(usual).map(|port| (port, "metrics"))
    }

    fn is_sure(&self, pod: &Pod) -> bool {
        SERVERS.iter().any(|(image, _)| has_image(pod, image))
    }

    fn read(&self, text: &str, _target: &Target, at: Time) -> Result<Measured, Text> {
        let engine = engines::read(text, at).ok_or_else(|| nothing_in(text, "of an inference server"))?;
        Ok(Measured { engine: Some(engine), ..Measured::default() })
    }
}

struct KubeProxy;

impl Source for KubeProxy {
    fn name(&self) -> &'static str {
        "kube-proxy"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Its health page listens on all addresses of the node; its metrics only on the node's loopback.
    fn of_pod(&self, pod: &Pod) -> Option<(u16, &'static str)> {
        let ours = label(pod, "k8s-app") == "kube-proxy"
            || &*pod.meta.namespace == "kube-system" && pod.meta.name.starts_with("kube-proxy-");
        ours.then_some((10_256, "healthz"))
    }

    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text> {
        self.read_status(200, text, target, at)
            .ok_or_else(|| "the answer is no health page of kube-proxy".into())
    }

    /// The page is the same where kube-proxy is not well, with status 503.
    fn read_status(&self, status: u16, text: &str, target: &Target, at: Time) -> Option<Measured> {
        let proxy = kube_proxy::healthz(text, status == 200, &target.node, at)?;
        Some(Measured { proxy: Some(proxy), ..Measured::default() })
    }
}

struct KubeProxyMetrics;

impl Source for KubeProxyMetrics {
    fn name(&self) -> &'static str {
        "kube-proxy-metrics"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn of_loopback(&self, pod: &Pod) -> Option<(u16, &'static [&'static str])> {
        KubeProxy.of_pod(pod).map(|_| (10_249, &["metrics", kube_proxy::MODE] as &[_]))
    }

    fn read(&self, text: &str, target: &Target, at: Time) -> Result<Measured, Text> {
        let proxy = if &*target.path == kube_proxy::MODE {
            kube_proxy::mode(text, &target.node, at).ok_or("the answer is no mode of kube-proxy")?
        } else {
            kube_proxy::metrics(text, &target.node, at).ok_or_else(|| nothing_in(text, "of kube-proxy"))?
        };
        Ok(Measured { proxy: Some(proxy), ..Measured::default() })
    }
}

struct MetricsApi;

const METRICS: &str = "apis/metrics.k8s.io/v1beta1";

impl Source for MetricsApi {
    fn name(&self) -> &'static str {
        "metrics.k8s.io"
    }

    /// The metrics server measures every 15 s.
    fn every(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn of_server(&self, namespaces: &[Text]) -> Vec<String> {
        let mut paths = vec![format!("{METRICS}/nodes")];
        if namespaces.is_empty() {
            paths.push(format!("{METRICS}/pods"));
        }
        paths.extend(namespaces.iter().map(|ns| format!("{METRICS}/namespaces/{ns}/pods")));
        paths
    }

    fn read(&self, text: &str, target: &Target, _at: Time) -> Result<Measured, Text> {
        let read = if target.path.ends_with("/pods") { usage::pods(text) } else { usage::nodes(text) };
        read.map_err(Into::into)
    }
}

struct Kubelet;

impl Source for Kubelet {
    fn name(&self) -> &'static str {
        "kubelet"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn instead_of(&self) -> Option<&'static str> {
        Some("metrics.k8s.io")
    }

    fn of_node(&self, _node: &Node) -> Option<(Option<u16>, &'static str)> {
        Some((None, "stats/summary"))
    }

    fn read(&self, text: &str, _target: &Target, at: Time) -> Result<Measured, Text> {
        usage::summary(text, at).map_err(Into::into)
    }
}

struct Cadvisor;

impl Source for Cadvisor {
    fn name(&self) -> &'static str {
        "cadvisor"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// A kubelet measures its containers every 10 s or so.
    fn seldom(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn of_busy_node(&self) -> Option<&'static str> {
        Some("metrics/cadvisor")
    }

    fn read(&self, text: &str, _target: &Target, at: Time) -> Result<Measured, Text> {
        let waits = cadvisor::read(text, at);
        // Without a CPU limit and without PSI on the node there is nothing to count.
        if waits.is_empty() && !text.contains("container_cpu_usage_seconds_total") {
            return Err(nothing_in(text, "of a container"));
        }
        Ok(Measured { waits, ..Measured::default() })
    }
}

/// The target of a source at a pod.
pub(super) fn at_pod(source: &dyn Source, pod: &Pod) -> Option<Target> {
    let (port, path) = source.of_pod(pod).filter(|_| answers(pod))?;
    // A page of the host is asked for at the node: the pod proxy refuses addresses that are the node's on some clusters.
    let place = if source.name() == KubeProxy.name() {
        Place::Node { name: pod.node.clone(), port: Some(port) }
    } else {
        Place::Pod { namespace: pod.meta.namespace.clone(), name: pod.meta.name.clone(), port }
    };
    Some(Target {
        source: source.name().into(),
        place,
        path: path.into(),
        node: pod.node.clone(),
        sure: source.is_sure(pod),
    })
}
