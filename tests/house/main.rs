//! The rules of this repository: which room names which, and pages and samples that say what the tables say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod causes;
mod config;
mod playbooks;
mod recipes;
mod rooms;
mod signals;
