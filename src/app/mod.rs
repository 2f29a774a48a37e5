//! The cockpit without a screen: model, messages, update, effects, command registry.

pub mod causes;
pub mod cell;
pub mod columns;
pub mod command;
pub mod cx;
pub mod describe;
pub mod document;
pub mod events;
pub mod filter;
pub mod gpus;
pub mod hands;
pub mod headless;
pub mod health;
pub mod help;
pub mod jobs;
pub mod list;
pub mod log;
pub mod logs;
pub mod model;
pub mod msg;
pub mod navigate;
pub mod order;
pub mod preferences;
pub mod prompt;
pub mod rows;
pub mod runs;
pub mod table;
pub mod text;
pub mod trees;
pub mod update;
pub mod vitals;
pub mod why;
pub mod yaml;

pub use model::Model;
pub use msg::{Effect, Msg};
pub use update::update;
