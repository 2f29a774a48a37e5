//! The log view's memory: lines from any number of containers, bounded, filtered, folded.

mod buffer;
mod fold;

pub use buffer::{Line, LogBuffer, SourceId};
pub use fold::{Folded, Level, fold};
