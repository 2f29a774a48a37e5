//! The namespaces that are shown, and the favourites among them.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::pane::Pane;
use crate::config::document::nearest;
use crate::world::{Kind, Text};

/// Shows these namespaces only; none named: all. One that does not exist is told, not shown empty: a table without
/// rows looks like good news.
pub fn show(model: &mut Model, names: Vec<Text>) {
    if !known(model, &names) {
        return;
    }
    if let [one] = names.as_slice()
        && !model.chosen.contains(one)
    {
        model.chosen.push(one.clone());
    }
    model.namespaces = names.into_iter().collect();
    confine(model);
    let names: Vec<&str> = model.namespaces.iter().map(|n| &**n).collect();
    let text = match names.as_slice() {
        [] => "All namespaces".into(),
        [one] => match favourites(model).position(|n| n == *one) {
            Some(i) => format!("Namespace {one}; {} leads back here.", i + 1),
            None => format!("Namespace {one}"),
        },
        many => format!("Namespaces {}", many.join(", ")),
    };
    model.say(Tone::Info, text);
}

/// Whether these namespaces are there, as far as is known; where one is not that is told.
pub fn known(model: &mut Model, names: &[Text]) -> bool {
    let world = &model.data.world;
    let there = |n: &Text| world.namespaces.values().any(|have| have.meta.name == *n);
    let Some(absent) = names.iter().find(|n| world.synced(&Kind::Namespace) && !there(n)) else {
        return true;
    };
    let near = nearest(absent, world.namespaces.values().map(|n| &*n.meta.name))
        .map_or(String::new(), |n| format!(" Did you mean {n}?"));
    model.say(Tone::Bad, format!("There is no namespace {absent} here.{near} `:ns` lists them."));
    false
}

/// Tells the watches which namespaces are chosen, where that changed.
pub fn select(model: &mut Model) -> Option<Effect> {
    if model.wanted == model.namespaces {
        return None;
    }
    model.wanted.clone_from(&model.namespaces);
    Some(Effect::SelectNamespaces(model.namespaces.iter().cloned().collect()))
}

/// Has every table show the chosen namespaces only.
pub fn confine(model: &mut Model) {
    let Model { data, overview, views, namespaces, .. } = model;
    let cx = data.cx();
    for pane in [Pane::Pods, Pane::Events] {
        if let Some(table) = overview.pane_mut(pane).table_mut() {
            table.within_namespaces(&cx, namespaces);
        }
    }
    for table in views.iter_mut().filter_map(|v| v.table_mut()) {
        table.within_namespaces(&cx, namespaces);
    }
}

/// The namespaces of the keys 1 to 9: those configured, then those chosen since, each staying where it is.
pub fn favourites(model: &Model) -> impl Iterator<Item = &str> {
    let configured = &model.prefs.settings.namespaces;
    let chosen = model.chosen.iter().filter(|n| !configured.iter().any(|c| **c == ***n));
    configured.iter().map(String::as_str).chain(chosen.map(|n| &**n)).take(9)
}

/// Only the favourite namespace of this number, from 0.
pub fn favourite(model: &mut Model, number: usize) {
    let name = favourites(model).nth(number).map(Into::into);
    if let Some(name) = name {
        show(model, vec![name]);
    }
}
