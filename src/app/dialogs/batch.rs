//! Keys in the dialog of one action on many objects.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::record;
use crate::app::core::runs::active::Form;
use crate::app::core::runs::batch::{Fate, Phase};
use crate::app::core::runs::{control, many};
use crate::config::Id;

/// Keys in the dialog of a batch.
pub fn keys(model: &mut Model, key: Id) -> Vec<Effect> {
    let Some(Dialog::Batch(id)) = model.dialog else { return Vec::new() };
    let Some(batch) = model.batches.iter_mut().find(|b| b.id == id) else {
        model.dialog = None;
        return Vec::new();
    };
    let phase = batch.phase();
    if batch.form.moved(key, matches!(phase, Phase::Asking | Phase::Halted), 0) {
        return Vec::new();
    }
    match (phase, key) {
        (_, Id::CopyKubectl) => {
            let kubectl = batch.kubectl();
            model.say(Tone::Info, format!("Copied {} kubectl commands.", kubectl.lines().count()));
            return vec![Effect::Copy(kubectl)];
        }
        (Phase::Asking, Id::DialogPress) if batch.form.go => {
            if let Some(words) = batch.wanted().filter(|w| !batch.form.released(Some(w))) {
                model.say(Tone::Info, format!("Type {words} first: this cannot be undone."));
                return Vec::new();
            }
            batch.begun = true;
            batch.form = Form::default();
            let text = format!("{}: begun with {}", batch.title, batch.ready());
            record::action(model, None, &text);
            many::clear_marks(model);
        }
        (Phase::Planning, Id::DialogCancel) | (Phase::Asking, Id::DialogCancel | Id::DialogPress) => {
            batch.stop();
            model.dialog = None;
        }
        (Phase::Halted, Id::DialogPress) if batch.form.go => {
            for item in &mut batch.items {
                item.excused |= matches!(item.fate(), Fate::Failed | Fate::Unverified);
            }
            batch.announced = false;
            batch.form = Form::default();
        }
        (Phase::Halted, Id::DialogPress | Id::DialogCancel) => batch.drop_ready(),
        (Phase::Going | Phase::Over, Id::DialogPress | Id::DialogCancel) => model.dialog = None,
        _ => {}
    }
    control::drive(model)
}
