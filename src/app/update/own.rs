//! The keys that the user added in config.toml: hotkeys, and plugins on the row under the cursor.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::update::line;
use crate::app::views::plugin;
use crate::config::Key;

/// The effects of such a key; `None` where it is none, or where a line or a dialog has the keys.
pub fn pressed(model: &mut Model, key: Key) -> Option<Vec<Effect>> {
    if model.prompt.is_some() || model.dialog.is_some() || !model.keymap.pending().is_empty() {
        return None;
    }
    let own = model.prefs.own();
    if let Some(line) = own.hotkey(key).map(|h| h.line.clone()) {
        return Some(line::line(model, &line));
    }
    let plural = model.selected().map(|o| o.kind.plural().to_owned());
    let plugin = model.prefs.own().plugin(key, plural.as_deref())?.clone();
    Some(plugin::begin(model, plugin))
}
