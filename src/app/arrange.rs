//! The overview's panes as the operator wants them now: which, in what order, how wide and high. config.toml keeps it.

use std::collections::BTreeMap;

use super::model::{Model, Pane, Tone};
use crate::config::Id;
use crate::config::settings::PANES;

/// Columns of the screen, and rows, one key moves a seam by.
const PERCENT: i16 = 3;
const ROWS: i16 = 2;

/// What was moved since the start of this context.
#[derive(Debug, Default)]
pub struct Arrangement {
    /// Percent of the screen's width the left side has more than configured.
    pub wider: i16,
    /// Rows by which the seam below a pane was moved (above it, where it is the lowest).
    pub taller: BTreeMap<Pane, i16>,
}

/// Keys that arrange panes.
pub fn run(model: &mut Model, id: Id) {
    if !model.views.is_empty() {
        model.say(Tone::Info, "Panes are arranged in the overview.");
        return;
    }
    let pane = model.overview.focus;
    let own = &mut model.overview.arrangement;
    match id {
        Id::PaneWider => own.wider = (own.wider + PERCENT).min(40),
        Id::PaneNarrower => own.wider = (own.wider - PERCENT).max(-40),
        Id::PaneTaller | Id::PaneShorter => {
            let by = if id == Id::PaneTaller { ROWS } else { -ROWS };
            let rows = own.taller.entry(pane).or_default();
            *rows = (*rows + by).clamp(-60, 60);
        }
        Id::PaneHide => hide(model, pane),
        Id::PaneLater => later(model, pane),
        Id::PaneAll => {
            model.overview.arrangement = Arrangement::default();
            model.prefs.settings.panes = model.prefs.configured_panes();
            model.say(Tone::Info, "The panes are as configured.");
        }
        _ => {}
    }
}

fn hide(model: &mut Model, pane: Pane) {
    let panes = &mut model.prefs.settings.panes;
    if panes.len() == 1 {
        model.say(Tone::Info, "This is the only pane left.");
        return;
    }
    panes.retain(|name| Pane::named(name) != Some(pane));
    told(model);
    super::navigate::focus(model, 0);
}

/// Changes places with the pane after it, on the screen and for tab and alt-1…6.
fn later(model: &mut Model, pane: Pane) {
    let panes = &mut model.prefs.settings.panes;
    let Some(at) = panes.iter().position(|name| Pane::named(name) == Some(pane)) else { return };
    let next = (at + 1) % panes.len();
    panes.swap(at, next);
    told(model);
}

fn told(model: &mut Model) {
    let names: Vec<String> = model.prefs.settings.panes.iter().map(|n| format!("\"{n}\"")).collect();
    model.say(Tone::Info, format!("`panes = [{}]` in config.toml keeps it.", names.join(", ")));
}

/// Whether the panes stand in the order they come with: then nodes and GPUs share a line.
pub fn usual(panes: &[Pane]) -> bool {
    panes.iter().copied().eq(PANES.iter().filter_map(|n| Pane::named(n)))
}
