//! The cockpit without a screen: what it knows, what each message does to it, what it asks of the outside.
//!
//! ```text
//! core      the model, messages, update, commands
//! views     one file a view: its state, its keys, what it selects
//! dialogs   what takes the keys over a view: prompt, menu of actions, plans
//! table     rows and columns of objects: order, filter, cells
//! executor  carries effects out: jobs, what remedies need, state files
//! ```

pub mod core;
pub mod dialogs;
pub mod executor;
pub mod table;
pub mod views;

pub use core::model::Model;
pub use core::msg::{Effect, Msg};
pub use core::update::update;
