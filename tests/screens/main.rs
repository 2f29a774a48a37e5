//! The cockpit's model driven by keys and drawn as text, without a terminal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod captures;
    pub mod stage;
}

mod every_view;
mod glance;
mod hostile;
mod incidents;
mod looks;
mod own;
mod prompt;
mod rollouts;
mod views;
