//! Talks to Kubernetes: connect, watch, fetch, exec, access. The only room that names the kube crates.

pub mod slim;
