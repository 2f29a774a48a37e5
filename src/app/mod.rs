//! The cockpit without a screen: what it knows, what each message does to it, what it asks of the outside.
//!
//! ```text
//! table     rows and columns of objects: order, filter, cells
//! core      the model, messages, the stack of views, actions under way; it knows no view and no dialog
//! views     one file a view: its state, its keys, what it selects, how it saves, its content
//! dialogs   what takes the keys over a view: prompt, menu of actions, plans
//! update    one message in; commands, typed lines, the layout before a frame
//! executor  carries effects out: jobs, what remedies need, state files
//! ```

pub mod core;
pub mod dialogs;
pub mod executor;
pub mod table;
pub mod update;
pub mod views;

pub use core::model::Model;
pub use core::msg::{Effect, Msg};
pub use update::message::{next_timer, update};
