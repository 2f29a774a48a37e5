//! Whether the connection still leads where it was opened to, and the way to another context.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::runs::active::Form;
use crate::app::core::runs::control;
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

/// Leaves for another context, where there is one of that name and it is another.
pub fn switch(model: &mut Model, name: &str) -> Vec<Effect> {
    if !model.contexts.iter().any(|(n, _)| n == name) {
        model.say(Tone::Bad, format!("The kubeconfig has no context {name}; `:ctx` lists them."));
        return Vec::new();
    }
    if name == model.cluster.context && model.cluster.other().is_some() {
        ask(model);
        return Vec::new();
    }
    if name == model.cluster.context && model.cluster.standing.moved.is_none() {
        model.say(Tone::Info, format!("{name} is where you are."));
        return Vec::new();
    }
    if control::under_way(model) {
        model.say(Tone::Bad, "An action is still under way here; `:journal` shows it.");
        return Vec::new();
    }
    vec![Effect::Switch(name.to_owned())]
}
