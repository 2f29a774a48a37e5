//! The map of the house: each room, what it is for, and which way its dependencies point. ARCHITECTURE.md explains it.
//!
//! ```text
//! cli ─► cockpit ─► ui ─► app ─► { remedy, playbook, detect } ─► judge ─► world
//!                         app ─► { config, telemetry } ─► world
//! cli ─► capture            (readers of heap and thread dumps; knows nothing of Kubernetes)
//! cluster ─► world          (the only room that names the kube crates)
//! cli ─► khud_sim           (crates/sim, the embedded cluster: named in cli/sim.rs alone, with the feature `demo`)
//! term                      (the terminal's manners; knows nothing of Kubernetes)
//! ```
//!
//! `tests/house/rooms.rs` enforces these arrows.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod app;
pub mod capture;
pub mod cli;
pub mod cluster;
pub mod cockpit;
pub mod config;
pub mod detect;
pub mod judge;
pub mod playbook;
pub mod remedy;
pub mod telemetry;
pub mod term;
pub mod ui;
pub mod world;
