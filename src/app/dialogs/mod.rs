//! What takes the keys over a view: the prompt and its pickers, the menu of actions, plans and questions.

pub mod batch;
pub mod complete;
pub mod jump;
pub mod leave;
pub mod meaning;
pub mod menu;
pub mod prompt;
pub mod runs;
pub mod silence;
pub mod standing;
pub mod targets;

use crate::app::core::model::{Dialog, Model};
use crate::app::core::msg::Effect;
use crate::config::commands::Id;

/// A dialog takes every command while it is open, and does with it what it will.
pub fn key(model: &mut Model, id: Id) -> Vec<Effect> {
    match &model.dialog {
        Some(Dialog::Menu(_)) => menu::keys(model, id),
        Some(Dialog::Plan(_)) => runs::in_plan(model, id),
        Some(Dialog::Batch(_)) => batch::keys(model, id),
        Some(Dialog::OtherCluster(_)) => standing::keys(model, id),
        Some(Dialog::Leave(_)) => runs::leave_keys(model, id),
        None => Vec::new(),
    }
}
