//! Kinds beyond those khud keeps records of: what the server serves, and which of its tables are watched now.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::world::{Delta, Kind, Offer, StreamId};

/// Tables of the server watched at once; the views lowest in the stack go without.
const MOST: usize = 8;
/// After so long the server is asked again what it serves, when a command is typed.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// The kind whose name or short name this is: one that is watched, or any other the server serves.
pub fn kind(model: &Model, word: &str) -> Option<Kind> {
    Kind::parse(word)
        .filter(Kind::watched)
        .or_else(|| model.served.kind(word))
        .or_else(|| Kind::parse(word).map(|k| k.table()))
}

/// Asks the server what it serves, where that was never or long ago.
pub fn ask(model: &mut Model) -> Option<Effect> {
    let now = model.data.now;
    let catalogue = &mut model.served;
    if catalogue.asked.is_some_and(|at| at.age(now) < AGAIN) {
        return None;
    }
    catalogue.asked = Some(now);
    Some(Effect::Discover)
}

/// The server said what it serves, or why it does not.
///
/// Returns the line that waited for it, to be run now.
pub fn discovered(model: &mut Model, result: Result<Vec<Offer>, String>) -> Option<String> {
    let catalogue = &mut model.served;
    match result {
        Ok(offers) => {
            catalogue.offers = offers;
            catalogue.known = true;
            catalogue.trouble = None;
        }
        Err(why) => {
            catalogue.asked = None;
            catalogue.trouble = Some(why);
        }
    }
    catalogue.waiting.take()
}

/// Keeps a line until the server said what it serves; false where it already has, or cannot.
pub fn wait(model: &mut Model, line: &str) -> bool {
    let waits = !model.served.known && model.served.trouble.is_none() && model.served.asked.is_some();
    if waits {
        model.served.waiting = Some(line.to_owned());
        model.say(Tone::Info, "Asking the server what it serves…");
    }
    waits
}

/// Watches the tables that views show and no others.
pub fn follow(model: &mut Model) -> Vec<Effect> {
    let mut shown: Vec<Kind> = Vec::new();
    for view in model.views.iter().rev() {
        if let Some(t) = view.table()
            && !t.source.kind.watched()
            && !shown.contains(&t.source.kind)
            && shown.len() < MOST
        {
            shown.push(t.source.kind.clone());
        }
    }
    let open: Vec<Kind> = model.data.world.served.keys().cloned().collect();
    let mut effects = Vec::new();
    for kind in open.iter().filter(|k| !shown.contains(k)) {
        model.data.world.close(kind);
        let Model { data, views, forward, .. } = model;
        for view in views.iter_mut().chain(forward) {
            if let Some(t) = view.table_mut()
                && t.source.kind == *kind
            {
                t.rebuild(&data.cx());
            }
        }
        effects.push(Effect::Unwatch(kind.clone()));
    }
    for kind in shown.into_iter().filter(|k| !open.contains(k)) {
        model.data.world.open(kind.clone());
        effects.push(Effect::Watch(kind));
    }
    effects
}

/// Whether a change is of a kind that is still looked at.
pub fn wanted(model: &Model, delta: &Delta) -> bool {
    let kind = match delta {
        Delta::ListStart { kind, .. } | Delta::ListEnd { kind, .. } | Delta::Columns { kind, .. } => kind,
        Delta::Delete { object, .. } => &object.kind,
        Delta::Stream { id: StreamId::Watch { kind, .. }, .. } => kind,
        Delta::Apply(_) | Delta::Stream { .. } => return true,
    };
    kind.recorded() || model.data.world.served.contains_key(kind)
}

/// The columns of a kind's table came or changed.
pub fn columns(model: &mut Model, kind: &Kind) {
    let Model { data, views, dirty, .. } = model;
    for view in views {
        if let Some(t) = view.table_mut()
            && t.source.kind == *kind
        {
            t.relearn(&data.cx());
            *dirty = (*dirty).max(Dirty::Data);
        }
    }
}
