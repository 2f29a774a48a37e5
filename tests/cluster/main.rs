//! khud's client over real HTTP: a scripted server that fails in every way, and the embedded cluster.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod front;
    pub mod pty;
    pub mod server;
}

mod embedded;
mod identity;
mod rights;
mod watches;
mod ways;
