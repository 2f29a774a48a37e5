//! Talks to Kubernetes: connect, watch, fetch, exec, access. The only room that names the kube crates.

pub mod ask;
pub mod connect;
mod credential;
pub mod error;
mod exec;
mod gate;
pub mod kubeconfig;
pub mod slim;

pub use ask::{Action, Behind, Chunks, Fetched, Permission, Resource, Version};
pub use connect::{Connection, Options};
pub use error::{ConnectError, Failure};
pub use exec::ExecEnd;
pub use kubeconfig::{Context, contexts};
