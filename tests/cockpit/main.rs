//! The binary in a real terminal, driven by keys.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod captures;
    pub mod http;
    pub mod lab;
    pub mod pty;
    pub mod stage;
}

mod foreground;
mod live;
mod marks;
mod panes;
mod probes;
mod terminal;
mod tour;
mod triage;
mod verdicts;
mod verified;
