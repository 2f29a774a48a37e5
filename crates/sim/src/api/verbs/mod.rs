//! The verbs on the store: get, list, watch, create, update, patch, apply, delete and the subresources.

pub(in crate::api) mod apply;
pub(in crate::api) mod read;
pub(in crate::api) mod subresources;
pub(in crate::api) mod watch;
pub(in crate::api) mod write;
