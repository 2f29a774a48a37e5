//! What fills the screen: one file a view.

pub mod arrange;
pub mod cards;
pub mod describe;
mod details;
pub mod document;
pub mod evidence;
pub mod fold;
pub mod gpus;
pub mod help;
pub mod incidents;
pub mod list;
pub mod log;
pub mod logs;
pub mod page;
pub mod pulses;
pub mod report;
pub mod rows;
pub mod save;
pub mod text;
pub mod timeline;
pub mod trees;
pub mod why;
pub mod yaml;
