//! The one stream everything lives on: live watches, replays and tests all speak `Delta`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::platform::*;
use super::record::*;
use super::{Kind, ObjectRef, StreamId, StreamState, Text, Time, served};

/// One object of any watched kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Record {
    Pod(Box<Pod>),
    Node(Box<Node>),
    Event(Box<Event>),
    Workload(Box<Workload>),
    Job(Box<Job>),
    CronJob(Box<CronJob>),
    Service(Box<Service>),
    EndpointSlice(Box<EndpointSlice>),
    Claim(Box<Claim>),
    Quota(Box<Quota>),
    Budget(Box<Budget>),
    Autoscaler(Box<Autoscaler>),
    Namespace(Box<Namespace>),
    Configuration(Box<Configuration>),
    Volume(Box<Volume>),
    StorageClass(Box<StorageClass>),
    ResourceSlice(Box<ResourceSlice>),
    Ingress(Box<Ingress>),
    IngressClass(Box<IngressClass>),
    NetworkPolicy(Box<NetworkPolicy>),
    ApiService(Box<ApiService>),
    CustomResource(Box<CustomResource>),
    WebhookConfiguration(Box<WebhookConfiguration>),
    /// A row of the server's own table.
    Served(Box<served::Row>),
}

impl Record {
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

/// A change to what we know. Plain data, serialisable.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Delta {
    /// A full list of a kind begins (`namespace` empty: the whole cluster). What is there stays until `ListEnd`.
    ListStart { kind: Kind, namespace: Text },
    /// The list is complete: objects of that kind (and namespace) not applied since `ListStart` are gone.
    ListEnd { kind: Kind, namespace: Text },
    /// The columns of the server's own table of the kind. They come before its rows.
    Columns { kind: Kind, columns: Arc<[served::Column]> },
    /// The object exists and looks like this.
    Apply(Record),
    /// The object is gone. With the uid, so that a delete that arrives late never removes its successor.
    Delete { object: ObjectRef, uid: Uid },
    /// A stream's connection changed.
    Stream { id: StreamId, state: StreamState, at: Time },
}
