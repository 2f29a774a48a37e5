//! Requests, bodies, encodings, upgraded connections, TLS and the kubeconfig.

pub(in crate::api) mod body;
pub(in crate::api) mod decode;
pub mod kubeconfig;
pub(in crate::api) mod protobuf;
pub(crate) mod request;
pub mod tls;
pub(in crate::api) mod websocket;
