//! Remedies: what khud can do about a finding. Each is plan → guard → dry run → confirm → apply → watch → verify → journal.
//!
//! A [`Run`] carries one action through that pipeline. It does no I/O: it says what it needs ([`Need`]) as plain
//! values, whoever drives it (the cockpit, `khud do`) carries that out and answers. What it learns of the cluster's
//! reaction it reads from the [`World`](crate::world::World), so "verified" means seen through the watch.

mod access;
mod action;
mod actions;
pub mod bundle;
mod change;
mod cx;
mod debug;
mod definitions;
pub mod diff;
mod failover;
pub mod files;
mod forecast;
mod guard;
mod jobs;
pub mod journal;
mod jvm;
pub mod kubectl;
mod leftovers;
mod merge;
mod metadata;
mod owned;
mod page;
mod places;
pub mod plan;
mod pods;
pub mod render;
mod requests;
mod revisions;
mod rollout;
pub mod run;
mod saved;
mod schedulable;
mod seen;
mod sizing;
mod snapshot;
mod stale;
mod taints;
mod template;
mod together;
mod transfer;
pub mod waves;
mod words;

pub use action::{Action, Right, Spec, action, catalogue, cluster_wide, for_cause, for_object, the_cluster};
pub use files::{FileDone, FileOp};
pub use journal::{Entry, Journal};
pub use leftovers::of_namespace;
pub use page::page;
pub use places::places;
pub use plan::{
    ChangedObject, Guard, Impact, LocalFile, Outcome, Plan, Report, RequestLine, Severity, Stage,
};
pub use run::{Command, Confirm, Need, NeedId, Options, Params, Progress, Ran, Reply, Run};
pub use words::{joined, options};
