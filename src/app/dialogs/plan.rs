//! Keys in the dialog of a plan: its options, its question, what is typed to confirm it.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::runs::control::{begin, drive};
use crate::app::core::runs::targets::Targets;
use crate::config::Id;
use crate::remedy;
use crate::remedy::plan::Stage;
use crate::remedy::run::Params;

/// Keys in the dialog of a plan.
pub fn keys(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Plan(run)) = model.dialog else { return Vec::new() };
    let Some(active) = model.runs.iter_mut().find(|r| r.id == run) else {
        model.dialog = None;
        return Vec::new();
    };
    let asking = active.question.is_some();
    let controls = active.controls().len();
    if active.form.moved(id, asking, controls) {
        return Vec::new();
    }
    if let (Id::DialogPress, Some(control)) = (id, active.form.control) {
        return change(model, run, control);
    }
    match id {
        Id::CopyKubectl => {
            let kubectl = active.run.report().plan.kubectl;
            model.say(Tone::Info, "Copied the kubectl command.");
            return vec![Effect::Copy(kubectl)];
        }
        Id::DialogPress if asking => {
            if active.form.go && !active.form.released(active.wanted()) {
                model.say(Tone::Info, "Type the name first: this cannot be undone.");
                return Vec::new();
            }
            let go = active.form.go;
            active.answer(go);
            return drive(model);
        }
        Id::DialogCancel if asking => {
            active.answer(false);
            return drive(model);
        }
        // While nothing was sent yet, leaving the plan stops it; after that it goes on in the background.
        Id::DialogCancel if !active.ended && active.run.stage() < Stage::Applying => {
            active.run.cancel();
            model.dialog = None;
            return drive(model);
        }
        // The next action is planned and confirmed like any other.
        Id::DialogPress if active.ended => {
            let next = active.run.report().next.into_iter().next();
            model.dialog = None;
            if let Some((action, step)) = next.and_then(|n| Some((remedy::action(n.action)?, n))) {
                return begin(model, action, Targets::from(step.target), Params::new());
            }
        }
        Id::DialogCancel | Id::DialogPress => model.dialog = None,
        _ => {}
    }
    Vec::new()
}

/// Gives an option its next value and makes another plan with it, in the place of the one that is shown.
fn change(model: &mut Model, run: u64, control: usize) -> Vec<Effect> {
    let Some(index) = model.runs.iter().position(|r| r.id == run) else { return Vec::new() };
    let old = &model.runs[index];
    let Some(control) = old.controls().into_iter().nth(control) else { return Vec::new() };
    let (action, target, mut params) = (old.run.action(), old.run.report().target, old.run.params());
    match control.next {
        Some(value) => params.insert(control.option.to_owned(), value),
        None => params.remove(control.option),
    };
    match model.new_run(action, target, params) {
        Ok(mut new) => {
            model.dialog = Some(Dialog::Plan(new.id));
            new.form = std::mem::take(&mut model.runs[index].form);
            model.runs[index] = new;
        }
        Err(why) => model.say(Tone::Bad, why),
    }
    drive(model)
}

/// Stops what the open dialog shows after its step; asked again, without waiting for that. Clean-up is done first.
pub fn stop(model: &mut Model) -> Vec<Effect> {
    match model.dialog {
        Some(Dialog::Plan(id)) => {
            if let Some(active) = model.runs.iter_mut().find(|r| r.id == id && !r.ended) {
                active.stop();
            }
        }
        Some(Dialog::Batch(id)) => {
            if let Some(batch) = model.batches.iter_mut().find(|b| b.id == id) {
                batch.stop();
            }
        }
        _ => return Vec::new(),
    }
    drive(model)
}

/// A character typed into the dialog, or the last one erased: what a destructive plan asks for. A space changes the
/// option that is focused.
pub fn typed(model: &mut Model, c: Option<char>) -> Vec<Effect> {
    match model.dialog {
        Some(Dialog::Plan(id)) => {
            let focused = model.runs.iter().find(|r| r.id == id).and_then(|r| r.form.control);
            if let (Some(' '), Some(control)) = (c, focused) {
                return change(model, id, control);
            }
            if let Some(active) = model.runs.iter_mut().find(|r| r.id == id) {
                let wanted = active.wanted().map(str::to_owned);
                active.form.edit(c, wanted.as_deref());
            }
        }
        Some(Dialog::Batch(id)) => {
            if let Some(batch) = model.batches.iter_mut().find(|b| b.id == id) {
                let wanted = batch.wanted();
                batch.form.edit(c, wanted.as_deref());
            }
        }
        _ => {}
    }
    Vec::new()
}
