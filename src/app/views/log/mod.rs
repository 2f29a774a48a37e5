//! The log view's memory: lines from any number of containers, bounded, filtered, folded.

mod buffer;
mod fold;
mod lines;

pub use crate::app::core::msg::SourceId;
pub use buffer::{Line, LogBuffer};
pub use fold::{Folded, Level, fold};
pub use lines::{Window, lines, window};
