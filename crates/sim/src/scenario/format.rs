//! The format of a scenario file, documented in docs/scenarios.md. It does not know how a scenario is played.
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::units::{Amount, Curve, Span};

/// A scenario file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Scenario {
    /// One line for `khud demo --list`.
    pub title: String,
    /// The fault and its fix, for the person who practises.
    pub description: String,
    /// The scenario that this one extends: a built-in name, or a file beside this one.
    pub extends: Option<String>,
    pub seed: Option<u64>,
    /// The age of the cluster at time zero.
    pub history: Option<Span>,
    /// The version of the kubelets. The API server has that of its static pods, where there are any.
    pub kubernetes: Option<String>,
    /// Whether there is a metrics server (metrics.k8s.io).
    pub metrics_server: Option<bool>,
    /// The deprecated APIs that clients request, as the API server's `/metrics` lists them.
    pub deprecated_requests: Vec<DeprecatedRequest>,
    pub nodes: Vec<NodePool>,
    pub images: Vec<ImageRule>,
    /// Behaviours of containers. The first match wins, and those of this file precede those of the extended
    /// one.
    pub containers: Vec<Behaviour>,
    pub objects: Vec<Spanned<Value>>,
    /// Reasons that the scheduler cannot compute itself, in its own words.
    pub misfits: Vec<Misfit>,
    pub steps: Vec<Spanned<Step>>,
    /// Faults between clients and the API server, as in `khud sim --faults`: `hang@30s..5m`.
    pub faults: Vec<String>,
    /// Several clusters, each with a context in one kubeconfig. The rest of the file applies to all of them.
    pub contexts: Vec<Context>,
}

/// One of several clusters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The context's name in the kubeconfig.
    pub name: String,
    pub scenario: Scenario,
}

/// A pool of equal, numbered nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodePool {
    /// The name, with `#` for the digits of the number: `gpu-worker-###`.
    pub name: String,
    #[serde(default = "one")]
    pub count: u32,
    #[serde(default = "one")]
    pub first: u32,
    pub cpu: Amount,
    pub memory: Amount,
    #[serde(default = "pods_per_node")]
    pub pods: u32,
    #[serde(default)]
    pub storage: Option<Amount>,
    /// The zones, assigned in turn.
    #[serde(default)]
    pub zones: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub taints: Vec<Value>,
    #[serde(default)]
    pub gpu: Option<Gpu>,
    #[serde(default)]
    pub kubelet: Option<String>,
    #[serde(default)]
    pub os: Option<String>,
    #[serde(default)]
    pub kernel: Option<String>,
    #[serde(default)]
    pub runtime: Option<String>,
    /// An autoscaler manages the pool: deleting a Node creates a new machine with its name.
    #[serde(default)]
    pub replaced: Option<Replaced>,
    /// An agent on each node installs the kubelet version that an annotation of its Node names.
    #[serde(default)]
    pub upgrades: Option<Upgrades>,
    /// Pods in the kubelet's manifest directory. `{version}` is the node's version.
    #[serde(default)]
    pub static_pods: Vec<Value>,
}

/// The agent that upgrades the nodes of a pool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Upgrades {
    /// The annotation with the wanted version: `acme.io/kubelet-version`.
    pub annotation: String,
    /// How long the installation takes; the kubelet restarts at its end.
    #[serde(default)]
    pub after: Span,
}

/// A deprecated API that clients request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeprecatedRequest {
    #[serde(default)]
    pub group: String,
    pub version: String,
    pub resource: String,
    /// The Kubernetes version without it, such as `1.29`; empty where none is set.
    #[serde(default)]
    pub removed_release: String,
}

/// How a replacement machine differs from the deleted one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Replaced {
    /// The time until it joins.
    pub after: Span,
    pub labels: BTreeMap<String, String>,
    pub kubelet: Option<String>,
    pub os: Option<String>,
    pub kernel: Option<String>,
}

fn one() -> u32 {
    1
}

fn pods_per_node() -> u32 {
    110
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gpu {
    pub count: u32,
    pub product: String,
    /// Memory of one GPU.
    pub memory: Amount,
    pub driver: String,
    #[serde(default)]
    pub cuda: Option<String>,
}

/// A rule for images whose reference matches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageRule {
    /// A glob on the reference as written in the pod.
    #[serde(rename = "match")]
    pub matches: String,
    /// The existing tags; without it, all tags exist.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub error: Option<PullError>,
    /// The duration of a pull.
    #[serde(default)]
    pub pull: Option<Span>,
    #[serde(default)]
    pub size: Option<Amount>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PullError {
    NotFound,
    Denied,
    RateLimited,
    NoSuchHost,
    Refused,
    Timeout,
    Certificate,
    Platform,
    /// The runtime's message after `failed to resolve image: `.
    Says(String),
}

/// Selects the containers of a behaviour. Every given field must match. Names are globs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Match {
    pub image: Option<String>,
    pub namespace: Option<String>,
    pub pod: Option<String>,
    pub container: Option<String>,
    pub node: Option<String>,
    /// The index of the replica; 0 is the first.
    pub replica: Option<u32>,
    pub labels: BTreeMap<String, String>,
    /// Environment variables of the container with their values (globs).
    pub env: BTreeMap<String, String>,
    /// Whether NVML works on its node.
    pub nvml: Option<bool>,
    /// Whether names can be resolved on its node.
    pub dns: Option<bool>,
    /// The least number of ready pods of its controller, for load that they share.
    pub ready: Option<u32>,
    /// Files in its volumes with their sizes in bytes.
    pub files: BTreeMap<String, Amount>,
    /// Values in the pod's spec by JSON pointer (globs): `/securityContext/fsGroup: "2000"`.
    pub spec: BTreeMap<String, String>,
    /// A version of a custom resource that the API server serves: `models.v1.acme.io`.
    pub served: Option<String>,
    /// An action that RBAC allows its service account in its namespace: `list secrets`.
    pub may: Option<String>,
}

/// The behaviour of a running container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Behaviour {
    #[serde(rename = "match")]
    pub matches: Match,
    /// The time from the start until it listens and answers.
    pub start: Span,
    /// The ports on which it listens; without it, every port.
    pub ports: Option<Vec<u16>>,
    pub http: Vec<HttpAnswer>,
    /// The working set in bytes, from the start.
    pub memory: Option<Curve>,
    /// In cores.
    pub cpu: Option<Curve>,
    /// The share of its CFS periods in which its CPU limit stops it, 0..1.
    pub throttled: Option<Curve>,
    pub gpu: Option<GpuUse>,
    pub exit: Option<Exit>,
    pub logs: Vec<LogLine>,
    pub files: BTreeMap<String, FileSpec>,
    /// The files it leaves behind if it succeeds, in its volumes too.
    pub leaves: BTreeMap<String, FileSpec>,
    pub exec: Vec<ExecAnswer>,
    /// False for an image without a shell: every exec fails.
    pub shell: Option<bool>,
    /// The JVM that runs in the container.
    pub jvm: Option<Jvm>,
    /// The exporter that it is.
    pub serves: Option<Serves>,
    pub vllm: Option<Vllm>,
    /// The HTTP requests it answers, which its `/metrics` counts.
    pub requests: Option<Requests>,
    /// The runtime's error when it refuses to start the container.
    pub start_error: Option<String>,
    /// Bytes written to an emptyDir over time, by volume name.
    pub writes: BTreeMap<String, Curve>,
    /// It ignores SIGTERM and is killed at the end of its grace period.
    pub ignores_term: bool,
    /// The change to its node at its start, as by a driver installer.
    pub installs: Option<NodeChange>,
    pub post_start_fails: bool,
    /// The image has no user, so `runAsNonRoot` refuses it.
    pub runs_as_root: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Serves {
    /// dcgm-exporter's `/metrics` for the GPUs of its node.
    Dcgm,
    /// kube-proxy's `/metrics`, `/healthz` and `/proxyMode`.
    KubeProxy,
    /// CoreDNS's `/metrics` and `/health`.
    CoreDns,
    /// node-exporter's conntrack and memory metrics.
    NodeExporter,
    /// Prometheus: it scrapes kubelets, dcgm-exporters and pods with metrics, and answers its HTTP API.
    Prometheus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct HttpAnswer {
    pub port: Option<u16>,
    /// The requested path without the query (glob).
    pub path: Option<String>,
    pub status: Option<u16>,
    pub body: String,
    #[serde(rename = "type")]
    pub content_type: Option<String>,
    /// The time since the container's start from which it answers like this.
    pub after: Option<Span>,
    pub until: Option<Span>,
    /// A latency above the probe's timeout fails the probe.
    pub latency: Option<Span>,
}

/// The memory and load of each of its GPUs while the container runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GpuUse {
    pub memory: Curve,
    /// Percent.
    #[serde(default)]
    pub util: Curve,
    /// The share of the load that computes and moves data, 0..1; without it, all of it.
    #[serde(default)]
    pub work: Option<Curve>,
    /// The last XID error, and when it occurs.
    #[serde(default)]
    pub xid: Option<(Span, u32)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exit {
    pub after: Span,
    #[serde(default)]
    pub code: i32,
    /// The termination message.
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct LogLine {
    /// Once, this long after the start.
    pub at: Option<Span>,
    /// Repeatedly, at this interval.
    pub every: Option<Span>,
    pub from: Option<Span>,
    pub until: Option<Span>,
    pub line: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FileSpec {
    Text(String),
    Sized {
        /// In bytes.
        size: Amount,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExecAnswer {
    /// The command as typed, words joined by one space (glob).
    pub command: String,
    #[serde(default)]
    pub stdout: String,
    #[serde(default)]
    pub stderr: String,
    #[serde(default)]
    pub code: i32,
    /// The program is not in the image.
    #[serde(default)]
    pub missing: bool,
    /// Applies only while this file exists.
    #[serde(default)]
    pub exists: Option<String>,
    /// The change to the node when the command runs, as by an operator in a privileged pod.
    #[serde(default)]
    pub node: Option<NodeChange>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Jvm {
    pub main: String,
    /// -Xmx.
    pub heap: Amount,
    /// The size of a heap dump over the container's life.
    pub dump: Curve,
    /// Extra options on the command line.
    #[serde(default)]
    pub options: Vec<String>,
    /// The classes that fill the heap, largest first.
    #[serde(default)]
    pub classes: Vec<JvmClass>,
    /// The threads besides the JVM's own.
    #[serde(default)]
    pub threads: Vec<JvmThread>,
    /// The speed of a dump in bytes per second.
    #[serde(default)]
    pub dump_rate: Option<Amount>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JvmClass {
    pub name: String,
    pub instances: Curve,
    /// The size of one instance, in bytes.
    pub size: Amount,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JvmThread {
    pub name: String,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub stack: Vec<String>,
}

/// The metrics of an inference server, as vLLM names them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Vllm {
    pub model: String,
    pub running: Curve,
    pub waiting: Curve,
    /// 0..1
    pub kv_cache: Curve,
    /// In seconds.
    pub latency: Curve,
    pub first_token: Curve,
    /// Requests per second.
    pub rate: Curve,
    pub preemptions: Curve,
    /// Which share of each GPU's memory the server takes at its start, 0..1; vLLM's default is 0.9.
    pub memory_share: Option<f64>,
}

/// HTTP requests, as `http_requests_total` and its histogram count them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Requests {
    /// Requests per second.
    pub rate: Curve,
    /// The share of them answered with a 500, 0..1.
    pub failing: Curve,
    /// The P95 in seconds.
    pub latency: Curve,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Misfit {
    /// namespace/pod, globs.
    pub pod: String,
    /// Node names, a glob.
    #[serde(default)]
    pub nodes: Option<String>,
    /// The scheduler's words after the count: `node(s) didn't match pod topology spread constraints`.
    pub reason: String,
}

/// An action at a time: by users, from outside, or on the machines.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Step {
    /// The time since time zero; negative for the history.
    pub at: Span,
    pub note: String,
    /// Manifests to apply as `kubectl apply` does: they are created or merged.
    pub apply: Vec<Spanned<Value>>,
    pub patch: Vec<PatchStep>,
    pub set_image: Option<SetImage>,
    pub restart: Option<String>,
    pub scale: Option<ScaleStep>,
    /// Objects by `kind/namespace/name` (or `kind/name`).
    pub delete: Vec<String>,
    pub node: Vec<NodeChange>,
    /// Behaviours to add before the existing ones. Running containers follow at once.
    pub containers: Vec<Behaviour>,
    pub images: Vec<ImageRule>,
    pub misfits: Option<Vec<Misfit>>,
    /// Repeats the step at this interval, this many more times.
    pub again: Option<Again>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    pub every: Span,
    pub times: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PatchStep {
    pub object: String,
    /// A JSON merge patch (RFC 7386).
    pub merge: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SetImage {
    pub object: String,
    pub container: String,
    pub image: String,
    #[serde(default)]
    pub cause: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScaleStep {
    pub object: String,
    pub replicas: i64,
}

/// A change to machines.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct NodeChange {
    /// Node names, a glob.
    #[serde(rename = "match")]
    pub matches: String,
    /// False: the kubelet stops reporting and acting. Its containers continue.
    pub kubelet: Option<bool>,
    /// False: the container runtime does not answer.
    pub runtime: Option<bool>,
    /// False: there is no CNI, so new sandboxes fail.
    pub network: Option<bool>,
    pub memory_pressure: Option<bool>,
    pub disk_pressure: Option<bool>,
    pub pid_pressure: Option<bool>,
    /// The GPUs that the device plugin offers.
    pub gpus: Option<u32>,
    /// The version of the loaded driver.
    pub driver: Option<String>,
    /// False: the NVML library does not match the loaded driver.
    pub nvml: Option<bool>,
    /// False: pods on the node cannot resolve names.
    pub dns: Option<bool>,
    /// The answer of `nodes/NODE/proxy/logs/?query=`.
    pub log: Option<String>,
    /// The used and the maximum number of conntrack entries.
    pub conntrack: Option<(u64, u64)>,
    pub labels: BTreeMap<String, String>,
    pub kubelet_version: Option<String>,
    pub os: Option<String>,
    pub kernel: Option<String>,
}
