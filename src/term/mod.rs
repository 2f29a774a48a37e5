//! The terminal: enter, leave, panic, frames.
