//! The API server: protocol, storage, watches, admission, on a socket.

pub(crate) mod access;
mod admission;
pub mod faults;
#[cfg(test)]
mod fuzz;
mod handler;
pub mod load;
pub mod machines;
pub mod meta;
mod schema;
pub(crate) mod server;
mod server_metrics;
pub mod store;
mod tables;
mod verbs;
pub mod wire;

use access::rbac;
use meta::status::Status;
use std::sync::Arc;
use store::Store;

/// What `/version` says: `other`, or the version of the captured cluster.
pub(crate) fn server_version(other: Option<&str>) -> serde_json::Value {
    schema::discovery::version(other)
}

/// Creates the system namespaces and the default roles.
pub fn bootstrap(store: &Arc<Store>) -> Result<(), Status> {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        store.create("namespaces", "", serde_json::json!({"metadata": {"name": name}}))?;
    }
    for (key, object) in rbac::bootstrap() {
        store.create(&key, "", object)?;
    }
    Ok(())
}
