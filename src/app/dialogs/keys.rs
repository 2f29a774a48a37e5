//! Passes a command to the dialog that is open.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::dialogs::{batch, leave, menu, plan, standing};
use crate::config::commands::Id;

/// A dialog takes every command while it is open, and does with it what it will.
pub fn pressed(model: &mut Model, id: Id) -> Vec<Effect> {
    match &model.dialog {
        Some(Dialog::Menu(_)) => menu::keys(model, id),
        Some(Dialog::Plan(_)) => plan::keys(model, id),
        Some(Dialog::Batch(_)) => batch::keys(model, id),
        Some(Dialog::OtherCluster(_)) => standing::keys(model, id),
        Some(Dialog::Leave(_)) => leave::keys(model, id),
        None => Vec::new(),
    }
}
