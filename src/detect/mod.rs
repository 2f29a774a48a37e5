//! Rules that turn changes of the world into findings, grouped by root cause.
//!
//! A change touches objects; each is judged by the rules for its kind (`pod`, `node`, `workload`, …), which say in
//! `Signal`s what is wrong and quote the proof. `group` folds the signals of one root cause into one `Finding`.

mod changed;
pub mod config;
mod crash;
mod create;
mod detector;
mod ended;
mod fields;
pub mod finding;
mod fleet;
mod fold;
mod group;
mod image;
mod job;
pub mod kept;
mod logs;
mod memory;
mod node;
mod pod;
pub mod quiet;
mod ready;
mod reasons;
pub mod registry;
pub mod report;
mod roles;
mod room;
mod schedule;
mod service;
mod signal;
pub mod text;
pub mod timeline;
mod traits;
pub mod user;
mod volume;
mod workload;

pub use config::{DetectConfig, Mute, Thresholds};
pub use detector::Detector;
pub use finding::{Evidence, Finding, FindingChange, Key, Severity, State, Turn, WhatChanged};
pub use quiet::{How, Quiet};

/// A pattern of this room's own: every one of them is compiled in a test.
#[allow(clippy::expect_used)]
fn pattern(text: &str) -> regex::Regex {
    // Invariant: the patterns are literals.
    regex::Regex::new(text).expect("a literal pattern compiles")
}
