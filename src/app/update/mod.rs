//! What happens to the model: one message in, commands and typed lines, the layout before a frame.

pub mod command;
pub mod layout;
pub mod line;
pub mod message;
mod start;
