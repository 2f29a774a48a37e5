//! Who asks, and may they: tokens, impersonation, RBAC, and the reviews that ask the same.

pub(crate) mod auth;
pub(crate) mod rbac;
pub(in crate::api) mod reviews;
