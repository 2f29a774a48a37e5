//! The files a user can change, with their defaults: configuration, keymap, themes.
//!
//! [`document`] reads every file, so that each problem names its file and line. Every name a user can type
//! (commands, scopes, glyphs) comes from one table, which also generates the documentation.

pub mod bug;
pub mod colour;
pub mod commands;
pub mod document;
pub mod files;
pub mod findings;
pub mod k9s;
pub mod key;
pub mod keymap;
pub mod log;
pub mod own;
mod pattern;
pub mod print;

pub mod regions;
pub(crate) mod registry;
pub mod scopes;
pub mod settings;
pub mod sheet;
pub mod telemetry;
pub mod theme;
mod values;

pub use commands::{Command, Id, Scope};
pub use document::{Level, Problem};
pub use key::Key;
pub use keymap::{Keymap, KeymapResult};
pub use settings::{Config, Settings};
pub use theme::Theme;
