//! Begins one action on many objects and moves each of its runs on.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::record;
use crate::app::core::runs::active::Form;
use crate::app::core::runs::batch::{Batch, Fate, Item, Phase, Turn};
use crate::app::core::runs::targets::Targets;
use crate::remedy::Action;
use crate::remedy::run::Params;

/// Batches kept to look at after their end.
const KEPT: usize = 10;

/// Begins to plan for each of the targets and opens the dialog of all.
///
/// # Errors
/// A sentence about options that do not fit.
pub fn begin(
    model: &mut Model,
    action: &'static Action,
    targets: Targets,
    params: Params,
) -> Result<(), String> {
    let title = format!("{} {targets}", action.title);
    let combined = (action.combined)(&model.data.world, &targets.objects);
    let mut items = Vec::with_capacity(targets.objects.len());
    for object in targets.objects {
        let uid = model.data.world.meta(&object).map(|m| m.uid.clone());
        let active = model.new_run(action, object.clone(), params.clone())?;
        items.push(Item { object, uid, active, turn: Turn::Held, excused: false });
    }
    model.next_id += 1;
    let id = model.next_id;
    model.batches.push(Batch {
        id,
        action,
        title,
        items,
        gone: targets.gone,
        combined,
        form: Form::default(),
        begun: false,
        announced: false,
        ended: false,
    });
    model.dialog = Some(Dialog::Batch(id));
    Ok(())
}

/// Moves every batch on as far as it goes now.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let (mut effects, mut notes, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let Model { batches, data, dirty, .. } = model;
    for batch in batches.iter_mut().filter(|b| !b.ended) {
        loop {
            for item in batch.items.iter_mut().filter(|i| i.turn != Turn::Held) {
                if item.active.advance(data, dirty, &mut effects) && item.turn == Turn::Begun {
                    notes.push((Some(item.object.clone()), item.active.ending().0));
                }
            }
            if !batch.release(&data.world) {
                break;
            }
        }
        match batch.phase() {
            // A plan is made again: the yes that was about to be given was to another.
            Phase::Planning => batch.form.go = false,
            Phase::Over => {
                batch.ended = true;
                *dirty = (*dirty).max(Dirty::Data);
                let text = format!("{}: {}.", batch.title, batch.summary());
                let done = batch.count(Fate::Done) == batch.items.len();
                let tone = match batch.count(Fate::Failed) + batch.count(Fate::Unverified) {
                    0 if done => Tone::Good,
                    0 => Tone::Info,
                    _ => Tone::Bad,
                };
                notes.push((None, text.clone()));
                said.push((tone, text));
            }
            Phase::Halted if !batch.announced => {
                batch.announced = true;
                // Whatever the operator was about to press was not meant for this.
                batch.form = Form::default();
                let (title, ready) = (&batch.title, batch.ready());
                let text = format!("{title} stopped, {ready} not begun (`:journal`): {}", batch.failure());
                said.push((Tone::Bad, text));
            }
            _ => {}
        }
    }
    for (object, text) in notes {
        record::action(model, object, &text);
    }
    for (tone, text) in said {
        model.say(tone, text);
    }
    if model.batches.len() > KEPT
        && let Some(i) =
            model.batches.iter().position(|b| b.ended && model.dialog != Some(Dialog::Batch(b.id)))
    {
        model.batches.remove(i);
    }
    effects
}

/// Clears the marks once a run acts on them: the next action must not meet them by accident.
pub fn clear_marks(model: &mut Model) {
    if let Some((table, _)) = model.table_mut() {
        table.marks.clear();
    }
}
