//! The API server on its socket: as plain HTTP, the kube crate, kubectl and the captures of a real server see it.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod wire;
}

mod faults;
mod kubectl;
mod requests;
