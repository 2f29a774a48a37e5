//! Bytes in and out: requests, bodies, the encodings and the upgrades of connections; TLS and the kubeconfig that leads here.

pub(in crate::api) mod body;
pub(in crate::api) mod decode;
pub mod kubeconfig;
pub(in crate::api) mod protobuf;
pub(in crate::api) mod request;
pub mod tls;
pub(in crate::api) mod websocket;
