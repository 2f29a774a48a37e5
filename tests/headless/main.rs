//! The binary without a screen: what scripts and alerts call, and the commands that the README shows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod hprof;
    pub mod http;
    pub mod lab;
    pub mod pty;
}

mod access;
mod actions;
mod bundle;
mod debug;
mod definitions;
mod dumps;
mod evidence;
mod failover;
mod forward;
mod history;
mod readme;
mod regions;
mod upgrade;
mod verbs;
mod waves;
