//! The control loops: each looks at one object and brings what belongs to it closer to what its spec asks for.
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

/// A control loop. The engine queues keys for it, each once however often it is asked for, and calls `sync` for one key
/// at a time.
pub(in crate::cluster) trait Controller {
    /// What is queued: usually the object's namespace and name.
    type Key: ?Sized;

    /// Looks at the object as the cache has it and writes what is missing. Called again after every write that it makes,
    /// so it does nothing once nothing is missing.
    fn sync(engine: &mut Engine, key: &Self::Key);
}
