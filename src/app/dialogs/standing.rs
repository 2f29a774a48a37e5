//! Keys in the question when another cluster answers at this address.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::runs::control;
use crate::cluster::Identity;
use crate::config::Id;

/// Keys in the question.
pub fn keys(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::OtherCluster(form)) = &mut model.dialog else { return Vec::new() };
    if form.moved(id, true, 0) {
        return Vec::new();
    }
    let go = form.go && id == Id::DialogPress;
    if go || matches!(id, Id::DialogPress | Id::DialogCancel) {
        model.dialog = None;
    }
    let Identity::Other { known, found } = model.cluster.standing.identity.clone() else { return Vec::new() };
    if !go {
        return Vec::new();
    }
    if control::under_way(model) {
        model.say(Tone::Bad, "An action is still under way on the cluster before; `:journal` shows it.");
        return Vec::new();
    }
    vec![Effect::AcceptCluster { known, found }, Effect::Switch(model.cluster.context.clone())]
}
