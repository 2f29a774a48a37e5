//! Scenarios played in simulated time, and the machines behind the API server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod drill;
}

mod incidents;
mod machines;
