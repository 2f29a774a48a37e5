//! One compact record for each object: only the fields that khud shows, judges or acts on.
//!
//! Field names are the API's. Quantities are plain numbers: CPU in millicores, memory and storage in bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::{Kind, ObjectRef};
pub use super::pod::*;
pub use super::uid::Uid;
use super::{Selector, Text, Time};

/// A set of labels, sorted by key and shared by all objects with the same labels.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Labels(pub Arc<[(Text, Text)]>);

impl Labels {
    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|i| &*self.0[i].1)
    }
    /// All labels as key and value, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }
}

/// The controller in `metadata.ownerReferences`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The kind of the controller.
    pub kind: Kind,
    /// The name of the controller.
    pub name: Text,
    /// The uid of the controller.
    pub uid: Uid,
}

/// The last writer of an object: the newest `managedFields` entry that is not a status write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Writer {
    /// `manager`, such as `kubectl-edit` or `argocd-controller`.
    pub manager: Text,
    /// The time of the write.
    pub at: Time,
}

/// The fields of `metadata` that khud reads.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Empty for cluster-scoped objects.
    pub namespace: Text,
    /// `name`.
    pub name: Text,
    /// `uid`.
    pub uid: Uid,
    /// `generation`; 0 if the kind has none.
    pub generation: i64,
    /// `creationTimestamp`.
    pub created: Option<Time>,
    /// `deletionTimestamp`: set while the object terminates.
    pub deleting: Option<Time>,
    /// `finalizers`, kept for pods that terminate.
    pub finalizers: Box<[Text]>,
    /// The controller that owns the object.
    pub owner: Option<Owner>,
    /// `labels`.
    pub labels: Labels,
    /// Decoded only for the kinds whose changes khud reports, such as workloads, nodes, ConfigMaps, Secrets
    /// and quotas.
    pub writer: Option<Box<Writer>>,
}

/// The status of a condition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Status {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`, or any other text.
    #[default]
    Unknown,
}

/// An entry of `status.conditions`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Condition {
    /// `type`.
    pub kind: Text,
    /// `status`.
    pub status: Status,
    /// `reason`.
    pub reason: Text,
    /// `message`.
    pub message: Text,
    /// `lastTransitionTime`.
    pub since: Option<Time>,
    /// `lastUpdateTime` (Deployments) or `lastHeartbeatTime` (nodes).
    pub updated: Option<Time>,
}

/// The condition of type `kind`.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| &*c.kind == kind)
}

/// A taint of a node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Taint {
    /// `key`.
    pub key: Text,
    /// `value`; may be empty.
    pub value: Text,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: Text,
    /// `timeAdded`.
    pub added: Option<Time>,
}

/// `status.nodeInfo`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeInfo {
    /// `kubeletVersion`.
    pub kubelet: Text,
    /// `containerRuntimeVersion`.
    pub runtime: Text,
    /// `kernelVersion`.
    pub kernel: Text,
    /// `osImage`.
    pub os_image: Text,
    /// `architecture`.
    pub architecture: Text,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Node {
    /// `metadata`.
    pub meta: Meta,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
    /// `spec.unschedulable`: the node is cordoned.
    pub unschedulable: bool,
    /// Annotations of programs that hold the node for maintenance: key and value.
    pub holds: Box<[(Text, Text)]>,
    /// `spec.taints`.
    pub taints: Box<[Taint]>,
    /// `status.capacity`.
    pub capacity: Resources,
    /// `status.allocatable`.
    pub allocatable: Resources,
    /// `status.nodeInfo`.
    pub info: NodeInfo,
    /// The address of type InternalIP.
    pub internal_ip: Text,
}

impl Node {
    /// The number of GPUs in the node's labels. It is 0 without such labels, and with GPU sharing or MIG,
    /// where the scheduler counts slices instead of cards.
    pub fn labelled_gpus(&self) -> u64 {
        let labels = &self.meta.labels;
        let shared = ["nvidia.com/gpu.sharing-strategy", "nvidia.com/mig.strategy"]
            .iter()
            .any(|k| labels.get(k).is_some_and(|v| !matches!(v, "none" | "")));
        let count = labels.get("nvidia.com/gpu.count").filter(|_| !shared);
        count.and_then(|v| v.parse().ok()).unwrap_or(0)
    }
}

/// An event. core/v1 and events.k8s.io/v1 serve the same stored object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// `metadata`.
    pub meta: Meta,
    /// The object the event is about.
    pub regarding: ObjectRef,
    /// The uid of that object.
    pub regarding_uid: Uid,
    /// Such as `spec.containers{app}`.
    pub field_path: Text,
    /// Whether `type` is Warning.
    pub warning: bool,
    /// `reason`.
    pub reason: Text,
    /// `note`, or `message` in core/v1.
    pub note: Text,
    /// How often the event occurred; at least 1.
    pub count: u32,
    /// The first occurrence.
    pub first: Time,
    /// The last occurrence.
    pub last: Time,
    /// The reporting component (`kubelet`, `deployment-controller`).
    pub source: Text,
    /// The host that reported the event.
    pub host: Text,
}

/// The parts of a pod template that khud compares and shows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Template {
    /// The containers, in the order of [`Pod::containers`].
    pub containers: Box<[Arc<ContainerSpec>]>,
    /// The shared part of the pod's spec.
    pub pod: Arc<PodSpec>,
}

/// A Deployment, ReplicaSet, StatefulSet or DaemonSet. Counts that a kind does not have are zero.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// Which of the four kinds it is.
    pub kind: Kind,
    /// `metadata`.
    pub meta: Meta,
    /// `spec.replicas`, or `status.desiredNumberScheduled` of a DaemonSet.
    pub desired: u32,
    /// `status.replicas` or `currentNumberScheduled`.
    pub current: u32,
    /// Pods of the current template.
    pub updated: u32,
    /// Ready pods.
    pub ready: u32,
    /// Available pods: ready for `minReadySeconds`.
    pub available: u32,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `spec.paused`.
    pub paused: bool,
    /// `spec.selector`.
    pub selector: Selector,
    /// `spec.template`.
    pub template: Arc<Template>,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
    /// Annotation `deployment.kubernetes.io/revision` of Deployments and their ReplicaSets.
    pub revision: Option<u64>,
    /// Annotation `kubernetes.io/change-cause`.
    pub change_cause: Text,
    /// `status.currentRevision` of a StatefulSet.
    pub current_revision: Text,
    /// `status.updateRevision` of a StatefulSet.
    pub update_revision: Text,
    /// RollingUpdate, Recreate or OnDelete.
    pub strategy: Text,
    /// A number or a percentage, as written.
    pub max_unavailable: Text,
    /// `maxSurge`: a number or a percentage, as written.
    pub max_surge: Text,
    /// In seconds; 600 by default.
    pub progress_deadline: u32,
    /// `spec.revisionHistoryLimit`; 10 by default.
    pub history_limit: u32,
    /// `spec.serviceName` of a StatefulSet.
    pub service_name: Text,
    /// `spec.updateStrategy.rollingUpdate.partition` of a StatefulSet: pods with a lower ordinal keep their revision.
    pub partition: u32,
}

/// A Job.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    /// `metadata`.
    pub meta: Meta,
    /// `status.active`: running pods.
    pub active: u32,
    /// `status.succeeded`: succeeded pods.
    pub succeeded: u32,
    /// `status.failed`: failed pods.
    pub failed: u32,
    /// `status.failedIndexes`, e.g. `1,3-5`; empty unless a limit applies to each index.
    pub failed_indexes: Text,
    /// `spec.completions`; 1 by default.
    pub completions: u32,
    /// `spec.parallelism`; 1 by default.
    pub parallelism: u32,
    /// `spec.backoffLimit`; 6 by default.
    pub backoff_limit: u32,
    /// `activeDeadlineSeconds`, in seconds.
    pub deadline: Option<u32>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `status.startTime`.
    pub started: Option<Time>,
    /// `status.completionTime`.
    pub completed: Option<Time>,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
    /// `spec.template`.
    pub template: Arc<Template>,
}

/// A CronJob.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CronJob {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.schedule`, in cron notation.
    pub schedule: Text,
    /// `spec.timeZone`; empty for the controller's zone.
    pub time_zone: Text,
    /// `spec.suspend`.
    pub suspended: bool,
    /// The number of running Jobs.
    pub active: u32,
    /// `status.lastScheduleTime`.
    pub last_schedule: Option<Time>,
    /// `status.lastSuccessfulTime`.
    pub last_success: Option<Time>,
    /// `startingDeadlineSeconds`, in seconds.
    pub starting_deadline: Option<u32>,
}

/// A port of a Service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ServicePort {
    /// `name`; may be empty.
    pub name: Text,
    /// `port`.
    pub port: u16,
    /// A number or the name of a container port.
    pub target: Text,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Text,
    /// `nodePort`, if one is assigned.
    pub node_port: Option<u16>,
}

/// A Service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Service {
    /// `metadata`.
    pub meta: Meta,
    /// ClusterIP, NodePort, LoadBalancer or ExternalName.
    pub service_type: Text,
    /// `spec.clusterIP`; `None` (as text) for a headless Service.
    pub cluster_ip: Text,
    /// `None` for a Service without a selector.
    pub selector: Option<Selector>,
    /// `spec.ports`.
    pub ports: Box<[ServicePort]>,
    /// `spec.publishNotReadyAddresses`.
    pub publish_not_ready: bool,
    /// The DNS name of an ExternalName Service.
    pub external_name: Text,
}

/// An EndpointSlice.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// `metadata`.
    pub meta: Meta,
    /// Label `kubernetes.io/service-name`.
    pub service: Text,
    /// Ready endpoints. The API counts an unset `ready` as true.
    pub ready: u32,
    /// Endpoints that are not ready.
    pub not_ready: u32,
    /// `ports`.
    pub ports: Box<[Port]>,
    /// The addresses, if the slice is not written by the endpoint slice controller.
    pub by_hand: Box<[Text]>,
}

/// A ResourceQuota: used and hard amounts of each resource name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// `metadata`.
    pub meta: Meta,
    /// One entry for each name in `status.hard`.
    pub amounts: Box<[QuotaAmount]>,
}

/// One resource of a ResourceQuota.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct QuotaAmount {
    /// The resource name, such as `requests.cpu`.
    pub resource: Text,
    /// The used amount as the API writes it.
    pub used: Text,
    /// The hard limit as the API writes it.
    pub hard: Text,
    /// The used amount as a number: millicores for CPU, bytes for memory and storage, else a count.
    pub used_value: u64,
    /// The hard limit as a number, in the unit of `used_value`.
    pub hard_value: u64,
}

/// A PodDisruptionBudget.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Budget {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.selector`.
    pub selector: Selector,
    /// `spec.minAvailable`: a number or a percentage; empty if unset.
    pub min_available: Text,
    /// `spec.maxUnavailable`: a number or a percentage; empty if unset.
    pub max_unavailable: Text,
    /// `status.currentHealthy`.
    pub current_healthy: u32,
    /// `status.desiredHealthy`.
    pub desired_healthy: u32,
    /// `status.disruptionsAllowed`.
    pub disruptions_allowed: u32,
    /// `status.expectedPods`.
    pub expected_pods: u32,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`.
    pub always_evict_unhealthy: bool,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
}

/// A HorizontalPodAutoscaler.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Autoscaler {
    /// `metadata`.
    pub meta: Meta,
    /// `spec.scaleTargetRef.kind`.
    pub target_kind: Text,
    /// `spec.scaleTargetRef.name`.
    pub target_name: Text,
    /// `spec.minReplicas`; 1 by default.
    pub min: u32,
    /// `spec.maxReplicas`.
    pub max: u32,
    /// `status.currentReplicas`.
    pub current: u32,
    /// `status.desiredReplicas`.
    pub desired: u32,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
}

/// A Namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Namespace {
    /// `metadata`.
    pub meta: Meta,
    /// Active or Terminating.
    pub phase: Text,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
}

/// The metadata of a ConfigMap or Secret. Its data is never stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Configuration {
    /// ConfigMap or Secret.
    pub kind: Kind,
    /// `metadata`.
    pub meta: Meta,
}

/// The fields that all records share.
pub trait Object {
    /// The object's metadata.
    fn meta(&self) -> &Meta;
    /// The object's kind.
    fn kind(&self) -> Kind;
    /// A reference to the object.
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
