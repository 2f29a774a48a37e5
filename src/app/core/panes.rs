//! The panes of the overview, shown and arranged by the operator: saved per cluster in the state directory. A saved
//! arrangement comes before what config.toml says.

use std::time::Duration;

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::pane::{Arrangement, Pane};
use crate::app::core::saved_panes::{Configured, SavedPanes};
use crate::world::Time;

/// After so long without another change, the arrangement is saved.
const STILL: Duration = Duration::from_millis(500);

fn configured(model: &Model) -> Configured {
    let settings = &model.prefs.settings;
    let panes = settings.panes.iter().filter_map(|name| Pane::named(name)).collect();
    Configured { panes, left: settings.left_width }
}

/// The panes that show, in the order of tab and alt-1 to alt-6.
pub fn shown(model: &Model) -> Vec<Pane> {
    model.overview.arrangement.panes.clone().unwrap_or_else(|| configured(model).panes)
}

/// Changes the arrangement, which is saved once nothing more follows.
pub(in crate::app) fn change(model: &mut Model, f: impl FnOnce(&mut Arrangement)) {
    f(&mut model.overview.arrangement);
    model.overview.rearranged = Some(model.data.now);
    keep_focus(model);
}

/// The focus stays where there is a pane.
pub fn keep_focus(model: &mut Model) {
    let panes = shown(model);
    if !panes.contains(&model.overview.focus) {
        // Pods are what most come for.
        let first = panes.first().copied().unwrap_or(Pane::Pods);
        model.overview.focus = if panes.contains(&Pane::Pods) { Pane::Pods } else { first };
    }
}

/// Takes in what was kept, where the panes are still configured as they were then.
pub fn restore(model: &mut Model, saved: Result<Option<SavedPanes>, String>) {
    match saved {
        Ok(Some(saved)) if saved.configured == configured(model) => {
            model.overview.arrangement = saved.arrangement;
            keep_focus(model);
            model.dirty = Dirty::Input;
        }
        Ok(_) => {}
        Err(why) => {
            tracing::warn!("{why}");
            model.say(Tone::Bad, why);
        }
    }
}

/// The configuration was read again and says something else of the panes: that holds, whatever keys did before.
pub fn reconfigured(model: &mut Model) {
    model.overview.arrangement = Arrangement::default();
    model.overview.rearranged = None;
    keep_focus(model);
}

/// When an arrangement has settled and is to be kept.
pub fn next_timer(model: &Model) -> Option<Time> {
    model.overview.rearranged.map(|at| at.plus(STILL))
}

/// The arrangement to save now.
pub fn save(model: &mut Model) -> Option<Effect> {
    next_timer(model).filter(|due| *due <= model.data.now)?;
    leave(model)
}

/// The arrangement to save when the cockpit ends, in any way.
pub fn leave(model: &mut Model) -> Option<Effect> {
    model.overview.rearranged.take()?;
    let arrangement = model.overview.arrangement.clone();
    let saved =
        (arrangement != Arrangement::default()).then(|| SavedPanes::new(configured(model), arrangement));
    Some(Effect::SavePanes(saved))
}
