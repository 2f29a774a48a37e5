//! Authentication and authorization: tokens, impersonation, RBAC and reviews.

pub(crate) mod auth;
pub(crate) mod rbac;
pub(in crate::api) mod reviews;
