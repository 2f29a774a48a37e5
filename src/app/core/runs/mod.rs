//! Actions under way: plans, runs, and one action on many objects.

pub mod active;
pub mod batch;
pub mod control;
pub mod forwards;
pub mod many;
pub mod targets;
