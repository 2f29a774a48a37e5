//! Whether the connection still leads where it was opened to, and the question when another cluster answers there.

use super::runs::{self, Form};
use crate::app::core::model::{Dialog, Dirty, Model, Tone};
use crate::app::core::msg::Effect;
use crate::cluster::{Identity, Standing};
use crate::config::{Id, Scope};

/// Takes in how the connection stands.
pub fn changed(model: &mut Model, now: Standing) -> Vec<Effect> {
    let before = std::mem::replace(&mut model.cluster.standing, now.clone());
    let other = |s: &Standing| matches!(s.identity, Identity::Other { .. });
    match &now.identity {
        Identity::Other { .. } if !other(&before) => ask(model),
        Identity::Verified(_) if other(&before) => {
            if matches!(model.dialog, Some(Dialog::OtherCluster(_))) {
                model.dialog = None;
            }
            model.say(Tone::Good, "The cluster that khud knows answers again.");
        }
        Identity::Unverified(why) if before.identity != now.identity => {
            model.say(Tone::Info, format!("Cluster identity not verified: {why}."));
        }
        _ => {}
    }
    if let Some(why) = now.moved.filter(|_| before.moved.is_none()) {
        model.say(Tone::Bad, why);
    }
    if let Some(why) = now.plugin.filter(|_| before.plugin.is_none()) {
        let key = model.keymap.shown(Scope::Rows, Id::Login).unwrap_or_else(|| ":login".to_owned());
        model.say(Tone::Bad, format!("Login needed: {key} leaves the screen and runs the plugin. {why}"));
    }
    model.dirty = Dirty::Input;
    Vec::new()
}

/// Opens the question.
pub fn ask(model: &mut Model) {
    model.prompt = None;
    model.dialog = Some(Dialog::OtherCluster(Form::default()));
}

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
    if runs::under_way(model) {
        model.say(Tone::Bad, "An action is still under way on the cluster before; `:journal` shows it.");
        return Vec::new();
    }
    vec![Effect::AcceptCluster { known, found }, Effect::Switch(model.cluster.context.clone())]
}
