//! The stream of changes: live watches, replays and tests all produce `Delta`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::platform::*;
use super::record::*;
use super::{Kind, ObjectRef, StreamId, StreamState, Text, Time, served};

/// One object of a kind that khud follows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// A Pod.
    Pod(Box<Pod>),
    /// A Node.
    Node(Box<Node>),
    /// An Event.
    Event(Box<Event>),
    /// A Deployment, ReplicaSet, StatefulSet or DaemonSet.
    Workload(Box<Workload>),
    /// A Job.
    Job(Box<Job>),
    /// A CronJob.
    CronJob(Box<CronJob>),
    /// A Service.
    Service(Box<Service>),
    /// An EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
    /// A PersistentVolumeClaim.
    Claim(Box<Claim>),
    /// A ResourceQuota.
    Quota(Box<Quota>),
    /// A PodDisruptionBudget.
    Budget(Box<Budget>),
    /// A HorizontalPodAutoscaler.
    Autoscaler(Box<Autoscaler>),
    /// A Namespace.
    Namespace(Box<Namespace>),
    /// A ConfigMap or Secret, without its data.
    Configuration(Box<Configuration>),
    /// A PersistentVolume.
    Volume(Box<Volume>),
    /// A StorageClass.
    StorageClass(Box<StorageClass>),
    /// A ResourceSlice.
    ResourceSlice(Box<ResourceSlice>),
    /// An Ingress.
    Ingress(Box<Ingress>),
    /// An IngressClass.
    IngressClass(Box<IngressClass>),
    /// A NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
    /// An APIService.
    ApiService(Box<ApiService>),
    /// A CustomResourceDefinition.
    CustomResource(Box<CustomResource>),
    /// A webhook configuration.
    WebhookConfiguration(Box<WebhookConfiguration>),
    /// A row of the server's own table.
    Served(Box<served::Row>),
}

impl Record {
    /// The record as an object with metadata and kind.
    pub fn object(&self) -> &dyn Object {
        match self {
            Record::Pod(r) => &**r,
            Record::Node(r) => &**r,
            Record::Event(r) => &**r,
            Record::Workload(r) => &**r,
            Record::Job(r) => &**r,
            Record::CronJob(r) => &**r,
            Record::Service(r) => &**r,
            Record::EndpointSlice(r) => &**r,
            Record::Claim(r) => &**r,
            Record::Quota(r) => &**r,
            Record::Budget(r) => &**r,
            Record::Autoscaler(r) => &**r,
            Record::Namespace(r) => &**r,
            Record::Configuration(r) => &**r,
            Record::Volume(r) => &**r,
            Record::StorageClass(r) => &**r,
            Record::ResourceSlice(r) => &**r,
            Record::Ingress(r) => &**r,
            Record::IngressClass(r) => &**r,
            Record::NetworkPolicy(r) => &**r,
            Record::ApiService(r) => &**r,
            Record::CustomResource(r) => &**r,
            Record::WebhookConfiguration(r) => &**r,
            Record::Served(r) => &**r,
        }
    }
}

/// A change to the World. Plain data, serialisable.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Delta {
    /// A full list of a kind begins. An empty `namespace` stands for the whole cluster. Existing records stay
    /// until `ListEnd`.
    ListStart {
        /// The listed kind.
        kind: Kind,
        /// The listed namespace; empty for the whole cluster.
        namespace: Text,
    },
    /// The list is complete. Objects of that kind and namespace that were not applied since `ListStart` no
    /// longer exist.
    ListEnd {
        /// The listed kind.
        kind: Kind,
        /// The listed namespace; empty for the whole cluster.
        namespace: Text,
    },
    /// The columns of the server's table of the kind. They precede its rows.
    Columns {
        /// The kind of the rows.
        kind: Kind,
        /// The columns, in the server's order.
        columns: Arc<[served::Column]>,
    },
    /// The object exists with this content.
    Apply(Record),
    /// The object was deleted. The uid keeps a late delete from removing a new object with the same name.
    Delete {
        /// The deleted object.
        object: ObjectRef,
        /// Its uid.
        uid: Uid,
    },
    /// The connection of a stream changed its state.
    Stream {
        /// The stream.
        id: StreamId,
        /// Its new state.
        state: StreamState,
        /// The time of the change.
        at: Time,
    },
}
