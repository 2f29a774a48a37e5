//! Remedies: what khud can do about a finding. Each is plan → guard → dry run → confirm → apply → watch → verify → journal.
//!
//! A [`Run`] carries one action through that pipeline. It does no I/O: it says what it needs ([`Need`]) as plain
//! values, whoever drives it (the cockpit, `khud do`) carries that out and answers. What it learns of the cluster's
//! reaction it reads from the [`World`](crate::world::World), so "verified" means seen through the watch.

mod action;
mod actions;
mod change;
mod cx;
pub mod diff;
pub mod files;
mod forecast;
mod guard;
pub mod journal;
mod jvm;
pub mod kubectl;
pub mod plan;
mod pods;
pub mod render;
mod revisions;
mod rollout;
pub mod run;
mod schedulable;
mod stale;
mod together;
mod transfer;
pub mod waves;

pub use action::{Action, Right, Spec, action, catalogue, cluster_wide, for_cause, for_object, the_cluster};
pub use files::{FileDone, FileOp};
pub use journal::{Entry, Journal};
pub use plan::{
    ChangedObject, Guard, Impact, LocalFile, Outcome, Plan, Report, RequestLine, Severity, Stage,
};
pub use run::{Command, Confirm, Need, NeedId, Options, Params, Progress, Ran, Reply, Run};
