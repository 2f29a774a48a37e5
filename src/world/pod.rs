//! The record of a pod, and its parts: resources, probes, mounts, containers and their states.
//!
//! Field names are the API's. Quantities are plain numbers: CPU in millicores, memory and storage in bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Text;
use super::Time;
use super::record::{Condition, Meta, Taint};

/// Amounts of resources. `other` holds the extended resources except GPUs, by name.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Resources {
    /// In millicores.
    pub cpu: Option<u64>,
    /// In bytes.
    pub memory: Option<u64>,
    /// In bytes.
    pub ephemeral_storage: Option<u64>,
    /// The number of pods.
    pub pods: Option<u64>,
    /// Whole GPUs of all vendors: `nvidia.com/gpu`, `nvidia.com/gpu.shared`, `amd.com/gpu`, `gpu.intel.com/*`
    /// and MIG slices.
    pub gpu: Option<u64>,
    /// Extended resources by name, except GPUs: counts.
    pub other: Box<[(Text, u64)]>,
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers have started.
    Pending,
    /// At least one container is running or starting.
    Running,
    /// All containers have succeeded.
    Succeeded,
    /// A container has failed and none restarts.
    Failed,
    /// The kubelet does not report, or the phase is not known to khud.
    #[default]
    Unknown,
}

/// The check of a probe.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Handler {
    /// An HTTP GET.
    Http {
        /// The path, such as `/healthz`.
        path: Text,
        /// The port: a number or the name of a container port.
        port: Text,
        /// Whether the scheme is HTTPS.
        https: bool,
    },
    /// A TCP connection.
    Tcp {
        /// The port: a number or the name of a container port.
        port: Text,
    },
    /// A gRPC health check.
    Grpc {
        /// The port: a number or the name of a container port.
        port: Text,
    },
    /// A command in the container.
    Exec {
        /// The command's words, joined by spaces.
        command: Text,
    },
}

impl Handler {
    /// The probed port, a number or the name of a container port; `None` for a command.
    pub fn port(&self) -> Option<&Text> {
        match self {
            Handler::Http { port, .. } | Handler::Tcp { port } | Handler::Grpc { port } => Some(port),
            Handler::Exec { .. } => None,
        }
    }
}

/// A probe with the API's defaults filled in. Times are in seconds.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// The check.
    pub handler: Handler,
    /// `initialDelaySeconds`.
    pub initial_delay: u32,
    /// `periodSeconds`.
    pub period: u32,
    /// `timeoutSeconds`.
    pub timeout: u32,
    /// `failureThreshold`: failures in a row until the probe counts as failed.
    pub failure_threshold: u32,
}

/// A port of a container or of an EndpointSlice.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Port {
    /// The port's name; may be empty.
    pub name: Text,
    /// The port's number.
    pub number: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Text,
}

/// The role of a container in its pod.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Role {
    /// A plain init container.
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    /// A container of `spec.containers`.
    #[default]
    App,
    /// An ephemeral container, as `kubectl debug` adds.
    Ephemeral,
}

/// An entry of `volumeMounts`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Mount {
    /// The mount path.
    pub path: Text,
    /// The name of the volume in the pod.
    pub volume: Text,
    /// `readOnly`.
    pub read_only: bool,
}

/// A container of a pod template; shared by all replicas.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The name.
    pub name: Text,
    /// The image as written.
    pub image: Text,
    /// The role.
    pub role: Role,
    /// `resources.requests`.
    pub requests: Resources,
    /// `resources.limits`.
    pub limits: Resources,
    /// `ports`.
    pub ports: Box<[Port]>,
    /// `livenessProbe`.
    pub liveness: Option<Probe>,
    /// `readinessProbe`.
    pub readiness: Option<Probe>,
    /// `startupProbe`.
    pub startup: Option<Probe>,
    /// `command` and `args` in one line, cut to [`COMMAND`] bytes. It may contain secrets.
    pub command: Text,
    /// `volumeMounts`.
    pub mounts: Box<[Mount]>,
    /// `securityContext.runAsUser`, the container's own or the pod's.
    pub user: Option<i64>,
}

/// The longest stored command line, in bytes.
pub const COMMAND: usize = 1024;

/// The end of a container's run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Terminated {
    /// The exit code.
    pub exit_code: i32,
    /// The signal; 0 for none.
    pub signal: i32,
    /// `reason`, such as `OOMKilled`.
    pub reason: Text,
    /// `message`.
    pub message: Text,
    /// When the run started.
    pub started: Option<Time>,
    /// When the run ended.
    pub finished: Option<Time>,
}

/// The current state of a container.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ContainerState {
    /// The kubelet has not reported a state yet.
    #[default]
    None,
    /// Not running yet, or waiting for a restart.
    Waiting {
        /// `reason`, such as `CrashLoopBackOff`.
        reason: Text,
        /// `message`.
        message: Text,
    },
    /// Running.
    Running {
        /// `startedAt`.
        since: Option<Time>,
    },
    /// Ended.
    Terminated(Box<Terminated>),
}

/// A container of a pod: its spec and status.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Container {
    /// The container's spec.
    pub spec: Arc<ContainerSpec>,
    /// `ready`.
    pub ready: bool,
    /// `started`: whether the startup probe has passed; `None` if the kubelet has not said.
    pub started: Option<bool>,
    /// `restartCount`.
    pub restarts: u32,
    /// `state`.
    pub state: ContainerState,
    /// `lastState.terminated`: the end of the previous run.
    pub last: Option<Box<Terminated>>,
}

/// The parts of a pod's spec that khud reads; shared by all replicas.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct PodSpec {
    /// ConfigMaps in volumes, env and envFrom.
    pub config_maps: Box<[Text]>,
    /// Secrets in volumes, env, envFrom and imagePullSecrets.
    pub secrets: Box<[Text]>,
    /// PersistentVolumeClaims in volumes.
    pub claims: Box<[Text]>,
    /// `nodeSelector`, as key and value.
    pub node_selector: Box<[(Text, Text)]>,
    /// `serviceAccountName`.
    pub service_account: Text,
    /// `priority`.
    pub priority: i32,
    /// `hostNetwork`.
    pub host_network: bool,
    /// `restartPolicy: Always`, the default.
    pub restart_always: bool,
    /// Has an emptyDir volume, which kubectl drain calls local storage.
    pub empty_dir: bool,
    /// `schedulingGates` by name: while there is any, the scheduler does not consider the pod.
    pub scheduling_gates: Box<[Text]>,
    /// Readiness gates, as condition types.
    pub readiness_gates: Box<[Text]>,
    /// `terminationGracePeriodSeconds`, in seconds.
    pub grace: u32,
    /// `securityContext.fsGroup`.
    pub fs_group: Option<i64>,
    /// `tolerations`.
    pub tolerations: Box<[Toleration]>,
    /// Whether the pod has required node affinity, which khud does not evaluate.
    pub node_affinity: bool,
    /// `schedulerName`; empty for the default one.
    pub scheduler: Text,
    /// `resources.limits.memory` of the whole pod, in bytes: its containers share it.
    pub memory_limit: Option<u64>,
}

/// A toleration of a pod. An empty key with `Exists` tolerates every taint.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Toleration {
    /// `key`; empty for every key.
    pub key: Text,
    /// `operator: Exists`, which ignores the taint's value.
    pub exists: bool,
    /// `value`.
    pub value: Text,
    /// `effect`; empty for every effect.
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

/// A pod.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pod {
    /// `metadata`.
    pub meta: Meta,
    /// The shared part of the spec.
    pub spec: Arc<PodSpec>,
    /// Empty until the pod is scheduled.
    pub node: Text,
    /// `status.phase`.
    pub phase: Phase,
    /// `status.reason`, such as `Evicted`.
    pub reason: Text,
    /// `status.message`.
    pub message: Text,
    /// `status.podIP`; empty until assigned.
    pub ip: Text,
    /// `status.startTime`.
    pub started: Option<Time>,
    /// Whether the Ready condition is True.
    pub ready: bool,
    /// When the Ready condition last changed.
    pub ready_since: Option<Time>,
    /// The conditions, without those that are True and give no reason.
    pub conditions: Box<[Condition]>,
    /// In spec order: init containers, containers, ephemeral containers.
    pub containers: Box<[Container]>,
    /// A mirror of a static pod (`kubernetes.io/config.mirror`).
    pub mirror: bool,
}
