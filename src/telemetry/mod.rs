//! Numbers that are not API objects: where they are read, and what an answer means. One file a source.
//!
//! The room says what is to be read ([`Schedule`]) and what an answer means ([`outcome`]); it does no I/O.

pub mod amd;
pub mod cadvisor;
pub mod cgroup;
pub mod dcgm;
pub mod engines;
pub mod exposition;
pub mod intel;
pub mod kube_proxy;
pub mod number;
pub mod nvidia_smi;
pub mod nvml;
pub mod prom;
mod prometheus;
mod schedule;
pub mod source;
pub mod usage;

#[cfg(test)]
mod tests;

pub use crate::world::readings::Reading;
pub use schedule::{Loopback, PARALLEL, Schedule, TIMEOUT};
pub use source::{SOURCES, Source, concerns, outcome, request};
