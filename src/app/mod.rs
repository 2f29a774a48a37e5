//! The cockpit without a screen: model, messages, update, effects, command registry.

pub mod log;
pub mod yaml;
