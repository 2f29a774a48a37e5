//! The words of a scenario file: what it may state, nothing about how it is played. Documented in docs/scenarios.md.
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::units::{Amount, Curve, Span};

/// A scenario as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Scenario {
    /// One line for `khud demo --list`.
    pub title: String,
    /// What happens and what heals it, for the person who drills.
    pub description: String,
    /// Another scenario this one adds to: a built-in name, or a file beside this one.
    pub extends: Option<String>,
    pub seed: Option<u64>,
    /// How long the cluster has lived before time zero.
    pub history: Option<Span>,
    /// The version the API server and the kubelets report.
    pub kubernetes: Option<String>,
    /// Is there a metrics server (metrics.k8s.io)?
    pub metrics_server: Option<bool>,
    pub nodes: Vec<NodePool>,
    pub images: Vec<ImageRule>,
    /// What containers do; the first that matches wins, and those of this file come before those it extends.
    pub containers: Vec<Behaviour>,
    pub objects: Vec<Spanned<Value>>,
    /// Misfits the scheduler can't work out by itself, in the scheduler's own words.
    pub misfits: Vec<Misfit>,
    pub steps: Vec<Spanned<Step>>,
    /// What goes wrong between clients and the API server, as in `khud sim --faults`: `hang@30s..5m`.
    pub faults: Vec<String>,
    /// Clusters side by side, each a context of one kubeconfig. What is stated beside them is all clusters'.
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

/// Nodes alike, numbered.
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
    /// Zones dealt out in turn.
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
    /// Its machines are an autoscaler's: who deletes a Node gets a new machine of that name.
    #[serde(default)]
    pub replaced: Option<Replaced>,
}

/// How a new machine differs from the one whose place it takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Replaced {
    /// How long until it joins.
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

/// The truth about images whose reference matches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageRule {
    /// A glob on the reference as written in the pod.
    #[serde(rename = "match")]
    pub matches: String,
    /// The tags that exist; without it, all do.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub error: Option<PullError>,
    /// How long a pull takes.
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
    /// The runtime's own words, as they come after `failed to resolve image: `.
    Says(String),
}

/// Which containers a behaviour is for; everything given must match. Names are globs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Match {
    pub image: Option<String>,
    pub namespace: Option<String>,
    pub pod: Option<String>,
    pub container: Option<String>,
    pub node: Option<String>,
    /// The workload's replica by its place: 0 is the first.
    pub replica: Option<u32>,
    pub labels: BTreeMap<String, String>,
    /// A variable of the container's own environment with its value (globs).
    pub env: BTreeMap<String, String>,
    /// Whether NVML works on its node.
    pub nvml: Option<bool>,
    /// Whether names can be resolved on its node.
    pub dns: Option<bool>,
    /// At least this many pods of its own controller are ready: load that they share.
    pub ready: Option<u32>,
    /// Files in its volumes, each of this size in bytes.
    pub files: BTreeMap<String, Amount>,
    /// Values in the pod's spec by JSON pointer (globs): `/securityContext/fsGroup: "2000"`.
    pub spec: BTreeMap<String, String>,
    /// A custom resource's version that the API server serves: `models.v1.acme.io`.
    pub served: Option<String>,
    /// What RBAC lets its service account do in its namespace: `list secrets`.
    pub may: Option<String>,
}

/// What a container does while it runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Behaviour {
    #[serde(rename = "match")]
    pub matches: Match,
    /// How long after its start it listens and answers.
    pub start: Span,
    /// Ports it listens on; without it, whichever is asked.
    pub ports: Option<Vec<u16>>,
    pub http: Vec<HttpAnswer>,
    /// Bytes of working set, from its start.
    pub memory: Option<Curve>,
    /// Cores.
    pub cpu: Option<Curve>,
    pub gpu: Option<GpuUse>,
    pub exit: Option<Exit>,
    pub logs: Vec<LogLine>,
    pub files: BTreeMap<String, FileSpec>,
    /// Files it leaves behind where it ends well, in its volumes too.
    pub leaves: BTreeMap<String, FileSpec>,
    pub exec: Vec<ExecAnswer>,
    /// False for images without a shell: every exec fails as it does there.
    pub shell: Option<bool>,
    /// Commands found in the image besides the shell's own; without it, the usual ones.
    pub jvm: Option<Jvm>,
    /// What it serves by itself.
    pub serves: Option<Serves>,
    pub vllm: Option<Vllm>,
    /// The runtime refuses to start it, in its own words.
    pub start_error: Option<String>,
    /// Bytes written to an emptyDir over time: volume name to curve.
    pub writes: BTreeMap<String, Curve>,
    /// It does not end on SIGTERM and is killed when its grace is over.
    pub ignores_term: bool,
    /// What its start does to its node, as a driver installer's does.
    pub installs: Option<NodeChange>,
    pub post_start_fails: bool,
    /// The image has no user of its own, so `runAsNonRoot` refuses it.
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
    /// node-exporter's conntrack and memory figures.
    NodeExporter,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct HttpAnswer {
    pub port: Option<u16>,
    /// The path asked for, without the query (glob).
    pub path: Option<String>,
    pub status: Option<u16>,
    pub body: String,
    #[serde(rename = "type")]
    pub content_type: Option<String>,
    /// From and until when since the container's start it answers so.
    pub after: Option<Span>,
    pub until: Option<Span>,
    /// Longer than the probe's timeout fails the probe.
    pub latency: Option<Span>,
}

/// A GPU's memory and load while this container holds it, for each GPU it was given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GpuUse {
    pub memory: Curve,
    /// Percent.
    #[serde(default)]
    pub util: Curve,
    /// The last XID error, from when.
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
    /// Again and again.
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
        /// Bytes.
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
    /// Only as long as this file is there.
    #[serde(default)]
    pub exists: Option<String>,
    /// What running it does to the node, where an operator works on a machine from a pod.
    #[serde(default)]
    pub node: Option<NodeChange>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Jvm {
    pub main: String,
    /// -Xmx.
    pub heap: Amount,
    /// The size of a heap dump, over the container's life.
    pub dump: Curve,
    /// Extra options on the command line.
    #[serde(default)]
    pub options: Vec<String>,
    /// The classes that fill the heap, biggest first.
    #[serde(default)]
    pub classes: Vec<JvmClass>,
    /// Threads besides the JVM's own.
    #[serde(default)]
    pub threads: Vec<JvmThread>,
    /// Bytes a second a dump is written with.
    #[serde(default)]
    pub dump_rate: Option<Amount>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JvmClass {
    pub name: String,
    pub instances: Curve,
    /// Bytes of one instance.
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

/// An inference server's figures, in vLLM's metrics.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Vllm {
    pub model: String,
    pub running: Curve,
    pub waiting: Curve,
    /// 0..1
    pub kv_cache: Curve,
    /// Seconds.
    pub latency: Curve,
    pub first_token: Curve,
    /// Requests a second.
    pub rate: Curve,
    pub preemptions: Curve,
    /// Which share of each GPU's memory the server takes at its start, 0..1; vLLM's default is 0.9.
    pub memory_share: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Misfit {
    /// namespace/pod, globs.
    pub pod: String,
    /// Node names, a glob.
    #[serde(default)]
    pub nodes: Option<String>,
    /// As the scheduler says it after the count: `node(s) didn't match pod topology spread constraints`.
    pub reason: String,
}

/// Something done at a moment: by users, by the world, or by the machines.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Step {
    /// Since time zero; negative is in the history.
    pub at: Span,
    pub note: String,
    /// Manifests written as `kubectl apply` would: created, or merged into what is there.
    pub apply: Vec<Spanned<Value>>,
    pub patch: Vec<PatchStep>,
    pub set_image: Option<SetImage>,
    pub restart: Option<String>,
    pub scale: Option<ScaleStep>,
    /// Objects by `kind/namespace/name` (or `kind/name`).
    pub delete: Vec<String>,
    pub node: Vec<NodeChange>,
    /// Put in front of the behaviours; running containers follow at once.
    pub containers: Vec<Behaviour>,
    pub images: Vec<ImageRule>,
    pub misfits: Option<Vec<Misfit>>,
    /// Again at this distance, this many more times.
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

/// A change in the machines themselves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct NodeChange {
    /// Node names, a glob.
    #[serde(rename = "match")]
    pub matches: String,
    /// False: the kubelet stops reporting and acting; its containers run on.
    pub kubelet: Option<bool>,
    /// False: the container runtime does not answer.
    pub runtime: Option<bool>,
    /// False: no CNI; new sandboxes fail.
    pub network: Option<bool>,
    pub memory_pressure: Option<bool>,
    pub disk_pressure: Option<bool>,
    pub pid_pressure: Option<bool>,
    /// GPUs the device plugin can offer.
    pub gpus: Option<u32>,
    /// The loaded driver's version.
    pub driver: Option<String>,
    /// False: the NVML library does not fit the loaded driver.
    pub nvml: Option<bool>,
    /// False: pods here can't resolve names.
    pub dns: Option<bool>,
    /// What `nodes/NODE/proxy/logs/?query=` answers.
    pub log: Option<String>,
    /// conntrack entries in use and the most there may be.
    pub conntrack: Option<(u64, u64)>,
    pub labels: BTreeMap<String, String>,
    pub kubelet_version: Option<String>,
    pub os: Option<String>,
    pub kernel: Option<String>,
}
