//! khud's client over real HTTP: a scripted server that fails in every way, and the embedded cluster.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support"]
mod support {
    pub mod server;
}

mod embedded;
mod watches;
