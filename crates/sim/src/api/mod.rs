//! The API server: protocol, storage, watches, admission. It is a server on a socket.
pub mod expiry;
pub mod faultproxy;
pub mod faults;
pub mod item;
pub mod kubeconfig;
pub mod load;
pub mod machines;
pub mod registry;
pub mod server;
pub mod status;
pub mod store;
pub mod tls;

mod admission;
mod apply;
pub(super) mod auth;
mod body;
mod cells;
mod customcells;
mod decode;
mod defaults;
mod deletion;
mod discovery;
mod exec;
mod faulty;
mod fields;
#[cfg(test)]
mod fuzz;
mod generated;
mod handler;
mod history;
mod ids;
mod logs;
mod made;
mod meta;
mod metrics;
mod openapi;
mod pages;
mod patch;
mod podcells;
mod portforward;
mod print;
mod protobuf;
mod proxy;
pub(super) mod quantity;
pub(super) mod rbac;
mod read;
mod request;
mod reviews;
mod schema;
mod selector;
mod settle;
mod strict;
mod subresources;
mod table;
mod validate;
mod versions;
mod watch;
mod websocket;
mod write;

use status::Status;
use std::sync::Arc;
use store::Store;

/// Creates what every cluster has: system namespaces and the default roles.
pub fn bootstrap(store: &Arc<Store>) -> Result<(), Status> {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        store.create("namespaces", "", serde_json::json!({"metadata": {"name": name}}))?;
    }
    for (key, object) in rbac::bootstrap() {
        store.create(&key, "", object)?;
    }
    Ok(())
}
