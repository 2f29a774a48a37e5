//! The embedded cluster: a Kubernetes API server on loopback, controllers and kubelets behind it, scenarios on top.
pub mod api;
pub mod clock;
pub mod cluster;
pub mod scenario;
