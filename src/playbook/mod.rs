//! Playbooks: decision trees as data, whose questions the cluster answers.
//!
//! A [`Playbook`] is a YAML file: nodes ask, name the evidence they need and decide with a CEL expression over it;
//! leaves are verdicts. A [`Walk`] goes down one tree for one object. It does no I/O: it says which reads it wants,
//! takes their answers, and shows every step with its evidence. `docs/playbooks.md` is the author's manual.

mod around;
pub mod cases;
pub mod checklist;
mod conclude;
pub mod docs;
mod edges;
mod evidence;
pub mod expr;
mod facts;
mod gather;
pub mod intrusive;
pub mod library;
pub mod lint;
pub mod need;
pub mod pages;
mod path;
mod platform;
mod probe;
mod problem;
mod recording;
pub mod render;
mod rights;
mod stake;
pub mod tree;
pub mod verify;
mod walk;
mod workloads;

pub use library::Library;
pub use lint::{lint, lint_cases};
pub use path::{
    By, Choice, Evidence, Intrusive, Proposal, Read, Reading, State, Step, Unknown, Verdict, WalkOptions,
};
pub use problem::{Position, Problem};
pub use recording::Recording;
pub use tree::{LoadError, Playbook};
pub use walk::Walk;
