//! One compact record per object: the fields khud shows, judges or acts on, and no others.
//!
//! Field names are the API's. Quantities are plain numbers: CPU in millicores, memory and storage in bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, ObjectRef};
pub use super::uid::Uid;
use super::{Selector, Text, Time};

/// A set of labels, shared by all objects that carry the same; sorted by key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Labels(pub Arc<[(Text, Text)]>);

impl Labels {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|i| &*self.0[i].1)
    }
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }
}

/// The controller in `metadata.ownerReferences`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Owner {
    pub kind: Kind,
    pub name: Text,
    pub uid: Uid,
}

/// Who wrote the object last and when: the newest `managedFields` entry that is not a status write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Writer {
    pub manager: Text,
    pub at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Empty for cluster-scoped objects.
    pub namespace: Text,
    pub name: Text,
    pub uid: Uid,
    pub generation: i64,
    pub created: Option<Time>,
    /// `deletionTimestamp`: set while the object is terminating.
    pub deleting: Option<Time>,
    pub owner: Option<Owner>,
    pub labels: Labels,
    /// Only decoded where "what changed" needs it: workloads, nodes, ConfigMaps, Secrets, quotas.
    pub writer: Option<Box<Writer>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Status {
    True,
    False,
    #[default]
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Condition {
    pub kind: Text,
    pub status: Status,
    pub reason: Text,
    pub message: Text,
    /// `lastTransitionTime`.
    pub since: Option<Time>,
    /// `lastUpdateTime` (Deployments) or `lastHeartbeatTime` (nodes).
    pub updated: Option<Time>,
}

/// The condition of that type, where there is one.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| &*c.kind == kind)
}

/// Amounts of resources. `other` holds extended resources except GPUs, by name.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Millicores.
    pub cpu: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes.
    pub ephemeral_storage: Option<u64>,
    pub pods: Option<u64>,
    /// Whole GPUs of any vendor: `nvidia.com/gpu`, `nvidia.com/gpu.shared`, `amd.com/gpu`, `gpu.intel.com/*`, MIG slices.
    pub gpu: Option<u64>,
    pub other: Box<[(Text, u64)]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
    #[default]
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Handler {
    Http { path: Text, port: Text, https: bool },
    Tcp { port: Text },
    Grpc { port: Text },
    Exec { command: Text },
}

impl Handler {
    /// The port it asks, a number or a container port's name; `None` where it runs a command.
    pub fn port(&self) -> Option<&Text> {
        match self {
            Handler::Http { port, .. } | Handler::Tcp { port } | Handler::Grpc { port } => Some(port),
            Handler::Exec { .. } => None,
        }
    }
}

/// A probe with the API's defaults filled in. Seconds.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Probe {
    pub handler: Handler,
    pub initial_delay: u32,
    pub period: u32,
    pub timeout: u32,
    pub failure_threshold: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Port {
    pub name: Text,
    pub number: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Text,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Role {
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    #[default]
    App,
    Ephemeral,
}

/// Where a volume appears in a container's file system.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Mount {
    pub path: Text,
    /// The volume's name in the pod.
    pub volume: Text,
    pub read_only: bool,
}

/// What a pod template says of a container; shared by all replicas.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: Text,
    pub image: Text,
    pub role: Role,
    pub requests: Resources,
    pub limits: Resources,
    pub ports: Box<[Port]>,
    pub liveness: Option<Probe>,
    pub readiness: Option<Probe>,
    pub startup: Option<Probe>,
    /// `command` and `args` in one line, cut to [`COMMAND`] bytes. It may hold what a user would not print.
    pub command: Text,
    pub mounts: Box<[Mount]>,
    /// `securityContext.runAsUser`, the container's own or the pod's.
    pub user: Option<i64>,
}

/// Bytes of a container's command line that are kept.
pub const COMMAND: usize = 1024;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Terminated {
    pub exit_code: i32,
    pub signal: i32,
    pub reason: Text,
    pub message: Text,
    pub started: Option<Time>,
    pub finished: Option<Time>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ContainerState {
    /// No status yet.
    #[default]
    None,
    Waiting {
        reason: Text,
        message: Text,
    },
    Running {
        since: Option<Time>,
    },
    Terminated(Box<Terminated>),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Container {
    pub spec: Arc<ContainerSpec>,
    pub ready: bool,
    pub started: Option<bool>,
    pub restarts: u32,
    pub state: ContainerState,
    pub last: Option<Box<Terminated>>,
}

/// What a pod's spec refers to and asks of its node; shared by all replicas.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct PodSpec {
    /// ConfigMaps named in volumes, env and envFrom.
    pub config_maps: Box<[Text]>,
    pub secrets: Box<[Text]>,
    /// PersistentVolumeClaims.
    pub claims: Box<[Text]>,
    pub node_selector: Box<[(Text, Text)]>,
    pub service_account: Text,
    pub priority: i32,
    pub host_network: bool,
    pub restart_always: bool,
    /// Has an emptyDir volume (what kubectl drain calls local storage).
    pub empty_dir: bool,
    pub scheduling_gates: bool,
    /// Readiness gates (condition types).
    pub readiness_gates: Box<[Text]>,
    /// Seconds.
    pub grace: u32,
    /// `securityContext.fsGroup`.
    pub fs_group: Option<i64>,
    pub tolerations: Box<[Toleration]>,
    /// Has required node affinity, which khud does not evaluate.
    pub node_affinity: bool,
    /// `schedulerName`; empty for the default one.
    pub scheduler: Text,
}

/// What a pod tolerates. An empty key with `Exists` tolerates everything; an empty effect every effect.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Toleration {
    pub key: Text,
    /// `operator: Exists`: whatever the taint's value.
    pub exists: bool,
    pub value: Text,
    pub effect: Text,
}

impl PodSpec {
    /// Whether a toleration of the pod matches the taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|t| {
            let key = t.key.is_empty() && t.exists || t.key == taint.key;
            let effect = t.effect.is_empty() || t.effect == taint.effect;
            key && effect && (t.exists || t.value == taint.value)
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pod {
    pub meta: Meta,
    pub spec: Arc<PodSpec>,
    /// Empty until scheduled.
    pub node: Text,
    pub phase: Phase,
    pub reason: Text,
    pub message: Text,
    pub ip: Text,
    pub started: Option<Time>,
    pub ready: bool,
    /// When the Ready condition last changed.
    pub ready_since: Option<Time>,
    /// Conditions that say something: all but those that are True without a reason.
    pub conditions: Box<[Condition]>,
    /// In the order of the spec: init containers, containers, ephemeral ones.
    pub containers: Box<[Container]>,
    /// Made from a file on the node (`kubernetes.io/config.mirror`).
    pub mirror: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Taint {
    pub key: Text,
    pub value: Text,
    pub effect: Text,
    pub added: Option<Time>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeInfo {
    pub kubelet: Text,
    pub runtime: Text,
    pub kernel: Text,
    pub os_image: Text,
    pub architecture: Text,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Node {
    pub meta: Meta,
    pub conditions: Box<[Condition]>,
    pub unschedulable: bool,
    /// Annotations by which somebody says that the node is in its hands: key and value.
    pub holds: Box<[(Text, Text)]>,
    pub taints: Box<[Taint]>,
    pub capacity: Resources,
    pub allocatable: Resources,
    pub info: NodeInfo,
    pub internal_ip: Text,
}

impl Node {
    /// The GPUs its labels say it has; 0 where they say nothing, or not as the scheduler counts: sharing and MIG make
    /// the number of devices differ from the number of cards.
    pub fn labelled_gpus(&self) -> u64 {
        let labels = &self.meta.labels;
        let shared = ["nvidia.com/gpu.sharing-strategy", "nvidia.com/mig.strategy"]
            .iter()
            .any(|k| labels.get(k).is_some_and(|v| !matches!(v, "none" | "")));
        let count = labels.get("nvidia.com/gpu.count").filter(|_| !shared);
        count.and_then(|v| v.parse().ok()).unwrap_or(0)
    }
}

/// An event: core/v1 and events.k8s.io are the same stored object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    pub meta: Meta,
    pub regarding: ObjectRef,
    pub regarding_uid: Uid,
    /// e.g. `spec.containers{app}`.
    pub field_path: Text,
    pub warning: bool,
    pub reason: Text,
    pub note: Text,
    pub count: u32,
    pub first: Time,
    pub last: Time,
    /// The component that reported it (`kubelet`, `deployment-controller`).
    pub source: Text,
    pub host: Text,
}

/// What a workload's pod template says, as far as it is compared and shown.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Template {
    pub containers: Box<[Arc<ContainerSpec>]>,
    pub pod: Arc<PodSpec>,
}

/// Deployment, ReplicaSet, StatefulSet or DaemonSet. Counts a kind does not have are zero.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Workload {
    pub kind: Kind,
    pub meta: Meta,
    pub desired: u32,
    /// `status.replicas` / `currentNumberScheduled`.
    pub current: u32,
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    pub observed_generation: i64,
    pub paused: bool,
    pub selector: Selector,
    pub template: Arc<Template>,
    pub conditions: Box<[Condition]>,
    /// Annotation `deployment.kubernetes.io/revision` (Deployments and their ReplicaSets).
    pub revision: Option<u64>,
    /// Annotation `kubernetes.io/change-cause`.
    pub change_cause: Text,
    /// StatefulSet: `status.currentRevision`, `status.updateRevision`.
    pub current_revision: Text,
    pub update_revision: Text,
    /// RollingUpdate, Recreate, OnDelete.
    pub strategy: Text,
    /// As written: a number or a percentage.
    pub max_unavailable: Text,
    pub max_surge: Text,
    /// Seconds. Default 600.
    pub progress_deadline: u32,
    /// `spec.revisionHistoryLimit`. Default 10.
    pub history_limit: u32,
    pub service_name: Text,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    pub meta: Meta,
    pub active: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub completions: u32,
    pub parallelism: u32,
    pub backoff_limit: u32,
    /// Seconds.
    pub deadline: Option<u32>,
    pub suspended: bool,
    pub started: Option<Time>,
    pub completed: Option<Time>,
    pub conditions: Box<[Condition]>,
    pub template: Arc<Template>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CronJob {
    pub meta: Meta,
    pub schedule: Text,
    pub time_zone: Text,
    pub suspended: bool,
    pub active: u32,
    pub last_schedule: Option<Time>,
    pub last_success: Option<Time>,
    /// Seconds.
    pub starting_deadline: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ServicePort {
    pub name: Text,
    pub port: u16,
    /// A number or a container port's name.
    pub target: Text,
    pub protocol: Text,
    pub node_port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Service {
    pub meta: Meta,
    /// ClusterIP, NodePort, LoadBalancer, ExternalName.
    pub service_type: Text,
    pub cluster_ip: Text,
    /// `None` for a service without a selector.
    pub selector: Option<Selector>,
    pub ports: Box<[ServicePort]>,
    pub publish_not_ready: bool,
    /// The name an ExternalName Service stands for.
    pub external_name: Text,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndpointSlice {
    pub meta: Meta,
    /// Label `kubernetes.io/service-name`.
    pub service: Text,
    pub ready: u32,
    pub not_ready: u32,
    pub ports: Box<[Port]>,
    /// Addresses, where somebody else than the endpoint controller wrote them.
    pub by_hand: Box<[Text]>,
}

/// ResourceQuota: for each resource name, used and hard as plain numbers (millicores, bytes, counts).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    pub meta: Meta,
    pub amounts: Box<[QuotaAmount]>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct QuotaAmount {
    pub resource: Text,
    /// As the API writes them.
    pub used: Text,
    pub hard: Text,
    /// Parsed, for comparison only: millicores for cpu, bytes for memory and storage, counts.
    pub used_value: u64,
    pub hard_value: u64,
}

/// PodDisruptionBudget.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Budget {
    pub meta: Meta,
    pub selector: Selector,
    pub min_available: Text,
    pub max_unavailable: Text,
    pub current_healthy: u32,
    pub desired_healthy: u32,
    pub disruptions_allowed: u32,
    pub expected_pods: u32,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_evict_unhealthy: bool,
    pub observed_generation: i64,
}

/// HorizontalPodAutoscaler.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Autoscaler {
    pub meta: Meta,
    pub target_kind: Text,
    pub target_name: Text,
    pub min: u32,
    pub max: u32,
    pub current: u32,
    pub desired: u32,
    pub conditions: Box<[Condition]>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Namespace {
    pub meta: Meta,
    /// Active or Terminating.
    pub phase: Text,
    pub conditions: Box<[Condition]>,
}

/// A ConfigMap or Secret as metadata only: never its data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Configuration {
    pub kind: Kind,
    pub meta: Meta,
}

/// Every record has metadata and a kind.
pub trait Object {
    fn meta(&self) -> &Meta;
    fn kind(&self) -> Kind;
    fn reference(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind(),
            namespace: self.meta().namespace.clone(),
            name: self.meta().name.clone(),
        }
    }
}

macro_rules! objects {
    ($($t:ident $kind:ident;)*) => { $(impl Object for $t {
        fn meta(&self) -> &Meta { &self.meta }
        fn kind(&self) -> Kind { Kind::$kind }
    })* };
}

objects! {
    Pod Pod; Node Node; Event Event; Job Job; CronJob CronJob; Service Service; EndpointSlice EndpointSlice;
    Quota ResourceQuota; Budget PodDisruptionBudget;
    Autoscaler HorizontalPodAutoscaler; Namespace Namespace;
}

impl Object for Workload {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn kind(&self) -> Kind {
        self.kind.clone()
    }
}

impl Object for Configuration {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn kind(&self) -> Kind {
        self.kind.clone()
    }
}
