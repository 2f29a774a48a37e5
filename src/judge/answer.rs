//! What the judge answers when somebody asks about one object: its causes, worst first, and what could not be seen.

use crate::world::{Kind, ObjectRef, StreamId, StreamState, Text, Time, World};

use super::evidence::{Evidence, Severity, Sure};

/// One cause of an object's trouble.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    pub rule: Text,
    pub cause: Text,
    pub severity: Severity,
    pub sure: Sure,
    /// The object to fix.
    pub blamed: ObjectRef,
    /// The object that shows it: a pod of the workload, the node, the claim.
    pub shown_by: ObjectRef,
    /// The container to blame, where one is.
    pub container: Option<Text>,
    /// One sentence.
    pub title: String,
    /// A few words.
    pub row: String,
    pub evidence: Vec<Evidence>,
    pub since: Time,
    /// The decision tree that explains it.
    pub playbook: Text,
}

/// The answer about one object.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Answer {
    /// Critical first, proved before likely, oldest first. Empty: nothing speaks against the object.
    pub causes: Vec<Found>,
    /// A log that may change the answer is still to come.
    pub waiting: bool,
    /// What could not be looked at, with why. While there is any, an empty answer is not "nothing is wrong".
    pub unseen: Vec<(String, String)>,
    /// Whether khud has rules for objects of this kind.
    pub ruled: bool,
}

impl Answer {
    /// Sorts the causes as the contract says.
    pub fn sort(&mut self) {
        self.causes.sort_by(|a, b| {
            let rank = |f: &Found| (std::cmp::Reverse(f.severity), f.sure, f.since);
            rank(a).cmp(&rank(b)).then_with(|| (&a.cause, &a.blamed).cmp(&(&b.cause, &b.blamed)))
        });
    }
}

/// Kinds that must have been seen before "nothing is wrong" is proved; `None` where khud has no rules for the kind.
fn needed(kind: &Kind) -> Option<&'static [Kind]> {
    Some(match kind {
        Kind::Pod => &[Kind::Pod, Kind::Node, Kind::Event],
        Kind::Deployment => &[Kind::Deployment, Kind::ReplicaSet, Kind::Pod, Kind::Event],
        Kind::ReplicaSet => &[Kind::ReplicaSet, Kind::Deployment, Kind::Pod, Kind::Event],
        Kind::StatefulSet => &[Kind::StatefulSet, Kind::Pod, Kind::Event],
        Kind::DaemonSet => &[Kind::DaemonSet, Kind::Pod, Kind::Node, Kind::Event],
        Kind::Job => &[Kind::Job, Kind::Pod, Kind::Event],
        Kind::CronJob => &[Kind::CronJob, Kind::Job, Kind::Pod, Kind::Event],
        Kind::Service => &[Kind::Service, Kind::EndpointSlice, Kind::Pod, Kind::NetworkPolicy],
        Kind::PersistentVolumeClaim => {
            &[Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::StorageClass, Kind::Pod, Kind::Event]
        }
        Kind::Node => &[Kind::Node, Kind::Pod],
        Kind::ResourceQuota => &[Kind::ResourceQuota],
        Kind::HorizontalPodAutoscaler => &[Kind::HorizontalPodAutoscaler],
        Kind::Namespace => &[Kind::Namespace],
        Kind::Ingress => &[Kind::Ingress, Kind::IngressClass, Kind::Service, Kind::EndpointSlice],
        Kind::APIService => &[Kind::APIService],
        Kind::CustomResourceDefinition => {
            &[Kind::CustomResourceDefinition, Kind::Service, Kind::EndpointSlice]
        }
        Kind::ValidatingWebhookConfiguration => {
            &[Kind::ValidatingWebhookConfiguration, Kind::Service, Kind::EndpointSlice, Kind::Deployment]
        }
        Kind::MutatingWebhookConfiguration => {
            &[Kind::MutatingWebhookConfiguration, Kind::Service, Kind::EndpointSlice, Kind::Deployment]
        }
        _ => return None,
    })
}

/// Whether khud has rules for objects of the kind.
pub fn ruled(kind: &Kind) -> bool {
    needed(kind).is_some()
}

/// What could not be looked at and belongs to an answer about the object, each with why.
pub fn unseen(world: &World, object: &ObjectRef) -> Vec<(String, String)> {
    let all: Text = "".into();
    let mut out = Vec::new();
    // A pod that has failed is judged by what its Job says of the failure.
    let pod = world.pods.find(&object.namespace, &object.name).filter(|_| object.kind == Kind::Pod);
    let job = pod.and_then(|p| p.meta.owner.as_ref()).filter(|o| o.kind == Kind::Job).map(|o| &o.kind);
    for kind in needed(&object.kind).unwrap_or_default().iter().chain(job) {
        let seen = [&all, &object.namespace].into_iter().any(|ns| world.synced_in(kind, ns));
        if seen {
            continue;
        }
        let mut states = world.streams.iter().filter_map(|(id, stream)| match id {
            StreamId::Watch { kind: k, namespace } if k == kind => {
                (namespace.is_empty() || *namespace == object.namespace).then_some(&stream.state)
            }
            _ => None,
        });
        let why = states.next_back().map_or_else(|| "it was not asked for".to_owned(), said);
        out.push((kind.plural().to_owned(), why));
    }
    out
}

fn said(state: &StreamState) -> String {
    match state {
        StreamState::Forbidden { why } | StreamState::Unsupported { why } => why.to_string(),
        StreamState::Reconnecting { why, .. } => format!("the list did not come: {why}"),
        _ => "the list did not come in time".to_owned(),
    }
}
