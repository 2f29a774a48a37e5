//! Files, defaults, keymap and themes the user can change.
//!
//! Every file goes through [`document`], so each complaint names its file and line; every name a user may type
//! (commands, scopes, glyphs) comes from one table that also makes the documentation.

pub mod bug;
pub mod colour;
pub mod commands;
pub mod document;
pub mod files;
pub mod findings;
pub mod key;
pub mod keymap;
pub mod log;
pub mod print;
pub mod redact;
pub(crate) mod registry;
pub mod scopes;
pub mod settings;
pub mod sheet;
pub mod theme;

pub use commands::{Command, Id, Scope};
pub use document::{Level, Problem};
pub use key::Key;
pub use keymap::{Keymap, KeymapResult};
pub use settings::{Config, Settings};
pub use theme::Theme;
