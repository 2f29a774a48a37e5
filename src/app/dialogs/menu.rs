//! The menu of actions: on the object under the cursor, or on all that is marked.

use crate::app::core::dialog::{Dialog, Menu, Offer};
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::runs::control;
use crate::app::core::runs::targets::Targets;
use crate::app::views::incidents;
use crate::config::commands::{self, Id};
use crate::remedy::run::Params;
use crate::remedy::{self, Action};
use crate::world::ObjectRef;

/// Asks the server which actions of an open menu the operator may do, once for each menu.
pub fn ask(model: &mut Model) -> Option<Effect> {
    let Some(Dialog::Menu(menu)) = &mut model.dialog else { return None };
    if std::mem::replace(&mut menu.asked, true) {
        return None;
    }
    let open = menu.offers.iter().filter(|o| o.refused.is_none());
    let actions = open.filter_map(|o| Some((o.action, o.targets.objects.first()?.clone()))).collect();
    Some(Effect::AskRights { menu: menu.token, actions })
}

/// Greys what the operator may not do.
pub fn denied(model: &mut Model, token: u64, denied: &[(&'static str, ObjectRef, String)]) {
    let Some(Dialog::Menu(menu)) = &mut model.dialog else { return };
    if menu.token != token {
        return;
    }
    for offer in menu.offers.iter_mut().filter(|o| o.refused.is_none()) {
        let why = denied.iter().find(|(name, target, _)| {
            *name == offer.action.name && offer.targets.objects.first() == Some(target)
        });
        offer.refused = why.map(|(.., why)| why.clone());
    }
    model.dirty = Dirty::Input;
}

/// The actions for an object with what each works on and whether it fits the cause; what fits comes first.
fn actions(model: &Model, object: &ObjectRef) -> Vec<(&'static Action, ObjectRef, bool)> {
    let data = &model.data;
    // Of several findings on it the one under the cursor is meant.
    let meant = model.finding().filter(|f| *f.fix() == *object).or_else(|| data.detector.of(object));
    let cause = incidents::cause_of(model, object).or(meant.map(|f| &f.cause)).cloned().unwrap_or_default();
    let fitting = remedy::for_cause(&data.world, &cause, object).into_iter();
    let all = remedy::for_object(&data.world, object).into_iter();
    let mut out: Vec<(&'static Action, ObjectRef, bool)> = Vec::new();
    for (action, target, fits) in
        fitting.map(|(a, t)| (a, t, !cause.is_empty())).chain(all.map(|(a, t)| (a, t, false)))
    {
        if out.iter().all(|(a, t, _)| (a.name, t) != (action.name, &target)) {
            out.push((action, target, fits));
        }
    }
    out
}

/// Opens the menu for an object.
pub fn of(model: &mut Model, object: ObjectRef) {
    open(model, object.to_string(), Targets::from(object));
}

/// Opens the menu for all that is marked; without marks for what is under the cursor.
pub fn here(model: &mut Model) {
    match Targets::marked(model.table(), &model.data.cx()) {
        Some(Ok((of, targets))) => open(model, of, targets),
        Some(Err(why)) => model.say(Tone::Info, why),
        None => {
            if let Some(object) = model.selected() {
                of(model, object);
            }
        }
    }
}

/// Plans an action on an object with these options, where khud may change anything.
pub fn begin(model: &mut Model, name: &str, target: ObjectRef, params: Params) -> Vec<Effect> {
    let Some(action) = remedy::action(name) else { return Vec::new() };
    if model.cluster.read_only {
        model.say(Tone::Bad, format!("{} is refused: khud runs read-only.", action.title));
        return Vec::new();
    }
    control::begin(model, action, target.into(), params)
}

/// Plans an action by its own key: on all that is marked, or on what is under the cursor.
pub fn direct(model: &mut Model, name: &str) -> Vec<Effect> {
    let Some(action) = remedy::action(name) else { return Vec::new() };
    let targets = match Targets::marked(model.table(), &model.data.cx()) {
        Some(Ok((_, targets))) => targets,
        Some(Err(why)) => {
            model.say(Tone::Info, why);
            return Vec::new();
        }
        None => match model.selected() {
            Some(object) => Targets::from(object),
            None => return Vec::new(),
        },
    };
    if model.cluster.read_only {
        model.say(Tone::Bad, format!("{} is refused: khud runs read-only.", action.title));
        return Vec::new();
    }
    if let Some(other) = targets.objects.iter().find(|o| !action.works_on(&o.kind)) {
        let why = format!("{} works on {}, not on {other}.", action.title, action.kinds_in_words());
        model.say(Tone::Info, why);
        return Vec::new();
    }
    let container =
        model.front().container(model).filter(|_| action.options.iter().any(|o| o.name == "container"));
    let params = container.map(|c| ("container".to_owned(), c.to_string())).into_iter().collect();
    control::begin(model, action, targets, params)
}

/// Opens the menu: what every one of the objects has, and what only some have with that as the reason against it.
fn open(model: &mut Model, of: String, on: Targets) {
    let mut offers: Vec<(Offer, Vec<&ObjectRef>)> = Vec::new();
    for object in &on.objects {
        for (action, target, fits) in actions(model, object) {
            let own = target == *object;
            // Several pods of one workload ask for one restart of it.
            match offers.iter_mut().find(|(o, _)| (o.action.name, o.own) == (action.name, own)) {
                Some((offer, having)) => {
                    offer.fits &= fits;
                    having.push(object);
                    if !offer.targets.objects.contains(&target) {
                        offer.targets.objects.push(target);
                    }
                }
                None => {
                    let command = commands::by_name(&format!("action.{}", action.name));
                    let targets = Targets { objects: vec![target], gone: on.gone.clone() };
                    let command = command.map(|c| c.id);
                    offers.push((Offer { action, targets, own, fits, command, refused: None }, vec![object]));
                }
            }
        }
    }
    if offers.is_empty() {
        model.say(Tone::Info, format!("khud has no action for {of}."));
        return;
    }
    for (offer, having) in &mut offers {
        let lacking: Vec<&ObjectRef> = on.objects.iter().filter(|o| !having.contains(o)).collect();
        offer.refused = match model.cluster.read_only {
            true => Some("khud runs read-only".to_owned()),
            false => lacking.first().map(|first| match lacking.len() {
                _ if having.iter().all(|o| o.kind != first.kind) => {
                    format!("not for {}", first.kind.plural())
                }
                1 => format!("not for {}", first.name),
                n => format!("not for {} and {} more", first.name, n - 1),
            }),
        };
    }
    let mut offers: Vec<Offer> = offers.into_iter().map(|(offer, _)| offer).collect();
    offers.sort_by_key(|o| (o.refused.is_some(), !o.fits));
    model.next_id += 1;
    let token = model.next_id;
    model.dialog = Some(Dialog::Menu(Menu { token, of, offers, index: 0, asked: false }));
}

/// Plans one action on what is marked or under the cursor, as its line of the menu would.
pub fn plan(model: &mut Model, name: &'static str) -> Vec<Effect> {
    here(model);
    let Some(Dialog::Menu(menu)) = &mut model.dialog else { return Vec::new() };
    let own = |o: &Offer| o.action.name == name && o.own;
    let named = |o: &Offer| o.action.name == name;
    let Some(at) = menu.offers.iter().position(own).or_else(|| menu.offers.iter().position(named)) else {
        let of = menu.of.clone();
        model.dialog = None;
        let act = model.keymap.shown(model.scope(), Id::Act).unwrap_or_else(|| ":act".to_owned());
        model.say(Tone::Info, format!("{name} does not work on {of}; {act} lists what does."));
        return Vec::new();
    };
    menu.index = at;
    let effects = keys(model, Id::Choose);
    // Refused, and the reason is said.
    if matches!(model.dialog, Some(Dialog::Menu(_))) {
        model.dialog = None;
    }
    effects
}

/// Keys in the menu.
pub fn keys(model: &mut Model, id: Id) -> Vec<Effect> {
    let Some(Dialog::Menu(menu)) = &mut model.dialog else { return Vec::new() };
    let n = menu.offers.len();
    let chosen = match id {
        Id::MoveDown => {
            menu.index = (menu.index + 1) % n;
            return Vec::new();
        }
        Id::MoveUp => {
            menu.index = (menu.index + n - 1) % n;
            return Vec::new();
        }
        Id::ActionsClose => {
            model.dialog = None;
            return Vec::new();
        }
        Id::Choose => Some(menu.index),
        other => menu.offers.iter().position(|o| o.command == Some(other)),
    };
    let Some(offer) = chosen.and_then(|i| menu.offers.get(i)).cloned() else { return Vec::new() };
    if let Some(why) = offer.refused {
        model.say(Tone::Bad, format!("{} is refused: {why}.", offer.action.title));
        return Vec::new();
    }
    model.dialog = None;
    control::begin(model, offer.action, offer.targets, Params::new())
}
