//! The API server: protocol, storage, watches, admission. It is a server on a socket.
pub mod item;
pub mod machines;
pub mod registry;
pub mod status;
pub mod store;

mod deletion;
mod history;
mod ids;
mod meta;
