//! The controllers: each reconciles one object at a time with its spec.
mod claims;
mod cron;
pub(in crate::cluster) mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
mod garbage;
mod job;
pub(in crate::cluster) mod nodes;
pub(in crate::cluster) mod quota;
pub(in crate::cluster) mod replicaset;
mod statefulset;

pub(in crate::cluster) use claims::VolumeController;
pub(in crate::cluster) use daemonset::DaemonSetController;
pub(in crate::cluster) use deployment::DeploymentController;
pub(in crate::cluster) use disruption::DisruptionController;
pub(in crate::cluster) use endpoints::EndpointSliceController;
pub(in crate::cluster) use garbage::{GarbageCollector, NamespaceController};
pub(in crate::cluster) use job::{CronJobController, JobController};
pub(in crate::cluster) use nodes::NodeController;
pub(in crate::cluster) use quota::QuotaController;
pub(in crate::cluster) use replicaset::ReplicaSetController;
pub(in crate::cluster) use statefulset::StatefulSetController;

use super::engine::Engine;

/// A controller. The engine queues each key once and calls `sync` for one key at a time.
pub(in crate::cluster) trait Controller {
    /// The queued key: usually namespace and name.
    type Key: ?Sized;

    /// Reconciles the cached object. The engine calls it again after each of its writes, so a sync of a
    /// reconciled object must write nothing.
    fn sync(engine: &mut Engine, key: &Self::Key);
}
