//! The question what becomes of the actions under way when the cockpit is left.

use crate::app::core::dialog::{Choice, Dialog, Leave};
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::runs::control::{acting, begin_no_more, running, stop_all, under_way};
use crate::config::Id;

/// Leaves the cockpit, or asks first where actions are under way. Plans nobody said yes to are dropped.
pub fn leave(model: &mut Model) -> Vec<Effect> {
    if acting(model) {
        model.dialog = Some(Dialog::Leave(Leave::default()));
        return Vec::new();
    }
    model.quitting = true;
    vec![Effect::Quit]
}

/// Keys in the question what becomes of the actions.
pub fn keys(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Leave(leave)) = &mut model.dialog else { return Vec::new() };
    let n = Choice::ALL.len();
    match id {
        Id::MoveDown => leave.index = (leave.index + 1) % n,
        Id::MoveUp => leave.index = (leave.index + n - 1) % n,
        Id::ActionsClose => model.dialog = None,
        Id::Choose => {
            let choice = Choice::ALL[leave.index % n];
            model.dialog = None;
            return choose(model, choice);
        }
        _ => {}
    }
    Vec::new()
}

fn choose(model: &mut Model, choice: Choice) -> Vec<Effect> {
    match choice {
        Choice::Stay => Vec::new(),
        Choice::StopAfterStep => {
            model.leaving = true;
            model.say(Tone::Info, "Stopping after the step under way; then khud ends. `:journal` shows it.");
            let mut effects = stop_all(model);
            effects.extend(left(model));
            effects
        }
        Choice::GoOn => {
            model.quitting = true;
            let mut effects = begin_no_more(model);
            effects.push(Effect::Quit);
            effects
        }
    }
}

/// Ends the cockpit once nothing is under way, where the operator chose to wait for that.
pub fn left(model: &mut Model) -> Option<Effect> {
    (model.leaving && !model.quitting && !under_way(model)).then(|| {
        model.quitting = true;
        Effect::Quit
    })
}

/// The actions under way, a line each.
pub fn lines(model: &Model) -> Vec<String> {
    let line = |(name, done, total): (&str, u64, u64)| match total {
        0 => format!("{name} is under way"),
        _ => format!("{name} is under way: {done} of {total}"),
    };
    running(model).into_iter().map(line).collect()
}
