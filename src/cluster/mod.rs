//! Talks to Kubernetes: connect, watch, fetch, exec, access. The only room that names the kube crates.

pub mod ask;
mod backoff;
mod certificate;
pub mod connect;
mod credential;
mod discovery;
pub mod end;
mod error;
mod exec;
pub mod feed;
mod forward;
mod gate;
mod identity;
mod interactive;
pub mod kubeconfig;
mod lines;
mod outbox;
mod proxy;
pub mod slim;
mod target;
mod tls_secret;
mod token;
mod transport;
mod url;
mod watch;

pub use ask::{Action, Chunks, Permission, ProxyAnswer, ProxyBackend, Version};
pub use connect::{Connection, Options};
pub use discovery::Resource;
pub use error::{ConnectError, Failure};
pub use feed::{Feed, Scope, Tuning, watch_all, watch_all_tuned, watch_tables};
pub use forward::Forwarding;
pub use identity::{Identity, Standing};
pub use interactive::Running;
pub use kubeconfig::{Context, Environment, contexts};
pub use outbox::Counters;
pub use url::status_of;
