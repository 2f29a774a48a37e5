//! Changes the model: messages, commands, typed lines, and the layout before a frame.

pub mod command;
pub mod layout;
pub mod line;
pub mod message;
mod own;
mod start;
