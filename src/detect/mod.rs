//! Findings over time: what the judge says of each object, since when, how bad, grouped by root cause.
//!
//! A change touches objects; the judge answers for each with `Diagnosis`es. `group` folds the diagnoses of one root
//! cause into one `Finding`, which is pending, firing or resolving, and may be silenced.

mod ask;
mod behind;
mod changed;
pub mod common_factors;
mod complaint;
pub mod config;
mod detector;
pub mod finding;
mod fold;
mod group;
pub mod incident;
pub mod kept;
mod lists;
mod logs;
mod past_states;
pub mod postmortem;
mod preemption;
pub mod quiet;
pub mod recurrence;
pub mod report;
mod secrets;
pub mod timeline;
pub mod user;
pub mod written;

pub use config::{DetectConfig, Mute};
pub use detector::Detector;
pub use finding::{Finding, FindingChange, State, Turn, WhatChanged};
pub use incident::Incident;
pub use quiet::{How, Quiet};

pub use crate::judge::{Evidence, Key, Severity, Thresholds};
