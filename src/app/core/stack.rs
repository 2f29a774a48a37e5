//! Moving about: the stack of views, the panes of the overview, the cursor, the filter.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::pane::Pane;
use crate::app::core::panes;
use crate::app::core::view::{Motion, View};

/// Views kept to go back to.
const DEEPEST: usize = 50;

pub fn push(model: &mut Model, view: impl View) {
    model.forward.clear();
    if model.views.len() == DEEPEST {
        model.views.remove(0);
    }
    model.views.push(Box::new(view));
    model.dirty = Dirty::Input;
}

/// Handles `esc`: it removes the filter, then the view, then the zoom.
pub fn back(model: &mut Model) {
    if !model.front().filter().is_empty() {
        filter(model, "");
    } else if !model.views.is_empty() {
        pop(model);
    } else if model.overview.zoom {
        model.overview.zoom = false;
    }
}

pub fn pop(model: &mut Model) {
    if let Some(view) = model.views.pop() {
        model.forward.push(view);
    }
}

pub fn forward(model: &mut Model) {
    if let Some(mut view) = model.forward.pop() {
        view.reopened();
        model.views.push(view);
    }
}

/// The view before, and back again.
pub fn last(model: &mut Model) {
    if model.forward.is_empty() {
        pop(model);
    } else {
        forward(model);
    }
}

fn overview(model: &mut Model) {
    while let Some(view) = model.views.pop() {
        model.forward.push(view);
    }
}

pub fn focus(model: &mut Model, by: isize) {
    let panes = panes::shown(model);
    let at = panes.iter().position(|p| *p == model.overview.focus).unwrap_or(0) as isize;
    let next = (at + by).rem_euclid(panes.len().max(1) as isize) as usize;
    if let Some(pane) = panes.get(next) {
        model.overview.focus = *pane;
    }
}

/// Puts the focus on a pane and the cursor on a row of its window, as the mouse shows them.
pub fn point(model: &mut Model, pane: Option<Pane>, row: Option<usize>) {
    if let Some(pane) = pane.filter(|_| model.views.is_empty()) {
        model.overview.focus = pane;
    }
    model.dirty = Dirty::Input;
    if let Some(row) = row {
        go(model, Motion::Line(row));
    }
}

/// The pane of this number, from 0.
pub fn focus_number(model: &mut Model, number: usize) {
    match panes::shown(model).get(number) {
        Some(pane) => focus_on(model, *pane),
        None => {
            model.say(
                Tone::Info,
                "There is no such pane: it is hidden, or `panes` in config.toml has no more.",
            );
        }
    }
}

pub fn focus_on(model: &mut Model, pane: Pane) {
    overview(model);
    model.overview.focus = pane;
}

pub fn zoom_on(model: &mut Model, pane: Pane) {
    focus_on(model, pane);
    model.overview.zoom = true;
}

/// Moves the cursor or the window of the view in front.
pub fn go(model: &mut Model, motion: Motion) {
    model.with_front(|view, model| view.go(model, motion));
}

/// Filters what is on the screen.
pub fn filter(model: &mut Model, text: &str) {
    if let Some(problem) = model.with_front(|view, model| view.set_filter(model, text)) {
        model.say(Tone::Info, problem);
    }
    model.dirty = Dirty::Input;
}

/// Opens what is inside the row.
pub fn enter(model: &mut Model) -> Vec<Effect> {
    match model.front().enter(model) {
        Some(then) => then(model),
        None => Vec::new(),
    }
}
