//! What khud finds wrong, how it explains it, and the remedies it proposes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod captures;
    #[path = "../../crates/sim/tests/support/drill.rs"]
    pub mod drill;
    pub mod fault_cases;
    pub mod healthy;
    pub mod scene;
}

mod cases;
mod explained;
mod faults;
mod field_cases;
mod findings;
mod incidents;
mod kubectl_columns;
mod missing;
mod near_misses;
mod one_judge;
mod platform;
mod platform_cases;
mod playbooks;
mod recorded;
mod remedies;
mod silence;
mod sites;
mod upgrade;
mod verdicts;
mod waves;
