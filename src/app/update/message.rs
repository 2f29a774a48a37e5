//! One message in: the model changes, and what the outside must do comes out. No input or output happens here.

use crossterm::event::{KeyCode, KeyEvent};

use crate::app::core::causes;
use crate::app::core::configure;
use crate::app::core::dialog::Dialog;
use crate::app::core::measure;
use crate::app::core::model::{Data, Model};
use crate::app::core::msg::{Effect, Msg};
use crate::app::core::namespaces;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::pane::Pane;
use crate::app::core::panes;
use crate::app::core::record;
use crate::app::core::regions;
use crate::app::core::runs::control;
use crate::app::core::served;
use crate::app::core::stack;
use crate::app::core::standing;
use crate::app::core::touch::touch;
use crate::app::core::view::{Leaving, View};
use crate::app::dialogs::{leave, menu, plan, prompt};
use crate::app::update::{command, line, own};
use crate::app::views::{describe, document, find, logs, plugin, rights, rollout, timeline, who, why};
use crate::config::{Id, Key, KeymapResult};
use crate::term::SMALLEST;
use crate::world::{Change, Delta, Kind, Time};

pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    model.data.now = model.clock.now();
    let mut effects = take(model, msg);
    effects.extend(served::follow(model));
    effects.extend(namespaces::select(model));
    effects.extend(record::save(model));
    effects.extend(panes::save(model));
    effects.extend(menu::ask(model));
    effects.extend(leave::left(model));
    effects
}

fn take(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => key_pressed(model, key),
        Msg::Paste(text) => {
            prompt::paste(model, &text);
            Vec::new()
        }
        Msg::Resize(w, h) => {
            model.size = (w, h);
            model.dialog_shown = false;
            describe::refresh(model);
            model.dirty = Dirty::Input;
            Vec::new()
        }
        Msg::Scroll(_) | Msg::Click { .. } if model.prompt.is_some() || model.dialog.is_some() => Vec::new(),
        Msg::Scroll(by) => {
            let id = if by < 0 { Id::MoveUp } else { Id::MoveDown };
            (0..by.unsigned_abs()).flat_map(|_| command::run(model, id)).collect()
        }
        Msg::Click { pane, row } => {
            stack::point(model, pane, row);
            Vec::new()
        }
        Msg::Deltas(deltas) => absorb(model, deltas),
        Msg::Tick => tick(model),
        Msg::Work => {
            work(model);
            Vec::new()
        }
        Msg::Version(version) => {
            model.cluster.version = version;
            Vec::new()
        }
        Msg::Discovered(result) => match served::discovered(model, result) {
            Some(waited) => line::line(model, &waited),
            None => Vec::new(),
        },
        Msg::Replied { run, id, reply } => control::reply(model, run, id, reply),
        Msg::Forwarded { run, state } => {
            control::forwarded(model, run, state);
            Vec::new()
        }
        Msg::EvidenceFetched { walk, read, result, took_ms } => {
            why::fetched(model, walk, &read, result, took_ms)
        }
        Msg::Chunk { view, source, bytes } => logs::chunk(model, view, source, &bytes),
        Msg::LogBegin { view, source } => {
            logs::began(model, view, source);
            Vec::new()
        }
        Msg::LogEnd { view, source, why } => logs::ended(model, view, source, why),
        Msg::Measured(readings) => {
            let Data { telemetry, world, .. } = &mut model.data;
            let touched = measure::take(telemetry, world, readings);
            model.dirty = model.dirty.max(Dirty::Data);
            causes::on_readings(model, &touched)
        }
        Msg::Region(sight) => regions::seen(model, *sight),
        Msg::Log { tail, result } => causes::on_log(model, &tail, &result),
        Msg::Certificate { secret, result } => causes::on_certificate(model, &secret, result),
        Msg::Configured(loaded) => configure::reload(model, *loaded),
        Msg::Called { token, result } => {
            describe::called(model, token, &result);
            document::called(model, token, &result);
            rollout::called(model, token, &result);
            rights::called(model, token, &result);
            who::called(model, token, &result);
            Vec::new()
        }
        Msg::StateLoaded { entries, quiet } => {
            timeline::loaded(model, entries, quiet);
            Vec::new()
        }
        Msg::Whoami(user) => {
            model.cluster.user = user;
            Vec::new()
        }
        Msg::Standing(now) => standing::changed(model, now),
        Msg::Printed { token, bytes } => plugin::printed(model, token, &bytes),
        Msg::Ended { token, result } => {
            plugin::ended(model, token, &result);
            Vec::new()
        }
        Msg::Notice(what) => {
            model.say(Tone::Good, what);
            Vec::new()
        }
        Msg::RightsAnswered { menu, denied } => {
            menu::denied(model, menu, &denied);
            Vec::new()
        }
        Msg::Failed(why) => {
            model.say(Tone::Bad, why);
            Vec::new()
        }
    }
}

fn key_pressed(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.dirty = Dirty::Input;
    // What went wrong stays until someone is there to read it.
    if model.message.as_ref().is_some_and(|m| m.over(model.data.now)) {
        model.message = None;
    }
    model.last_key = Some(model.data.now);
    let scope = model.scope();
    if hidden(model) {
        // What cannot be seen takes no keys, but khud can be left.
        return match model.keymap.push_event(scope, key) {
            KeymapResult::Matched(command) if command.id == Id::Suspend => command::run(model, Id::Suspend),
            KeymapResult::Matched(command) if command.id == Id::Quit && !control::acting(model) => {
                command::run(model, Id::Quit)
            }
            _ => Vec::new(),
        };
    }
    if model.prompt.is_none() {
        model.prefs.show_key(Key::from(key).to_string());
    }
    model.prefs.choices.clear();
    if !key.is_release()
        && let Some(effects) = own::pressed(model, key.into())
    {
        return effects;
    }
    match model.keymap.push_event(scope, key) {
        KeymapResult::Matched(command) => command::run(model, command.id),
        KeymapResult::Pending(choices) => {
            model.prefs.choices = choices;
            Vec::new()
        }
        KeymapResult::Cancelled => Vec::new(),
        KeymapResult::NotFound => {
            if model.prompt.is_some() {
                prompt::typed(model, key);
            } else if let Some(Dialog::Plan(_) | Dialog::Batch(_)) = model.dialog {
                return match key.code {
                    KeyCode::Char(c) => plan::typed(model, Some(c)),
                    KeyCode::Backspace => plan::typed(model, None),
                    _ => Vec::new(),
                };
            } else if model.dialog.is_none() {
                unbound(model, key.into());
            }
            Vec::new()
        }
    }
}

/// Whether what would take the key is not on the screen: the terminal is too small for it, or no frame was drawn since
/// that changed.
fn hidden(model: &Model) -> bool {
    let (width, height) = model.size;
    let nothing = width < SMALLEST.0 || height < SMALLEST.1;
    nothing || (model.prompt.is_none() && model.dialog.is_some() && !model.dialog_shown)
}

/// A key that fingers know from elsewhere and that means nothing here.
fn unbound(model: &mut Model, key: Key) {
    let scope = model.scope();
    let shown = |id| model.keymap.shown(scope, id);
    let actions = shown(Id::Act).map_or(String::new(), |key| format!("{key} lists what can be done, "));
    let help = shown(Id::Help).map_or(String::new(), |key| format!("{key} every key."));
    model.say(Tone::Info, format!("{key} does nothing here: {actions}{help}"));
}

fn tick(model: &mut Model) -> Vec<Effect> {
    let now = model.data.now;
    if model.message.as_ref().is_some_and(|m| m.goes(model.last_key).is_some_and(|at| at <= now)) {
        model.message = None;
        model.dirty = Dirty::Input;
    }
    let (views, _) = model.in_sight_mut();
    let mut expired = false;
    for view in views {
        expired |= view.expire(now);
    }
    if expired {
        model.dirty = model.dirty.max(Dirty::Data);
    }
    let mut effects = causes::timers(model);
    effects.extend(scrape(model));
    effects.extend(control::drive(model));
    effects.extend(why::drive(model));
    effects.extend(logs::drive(model));
    effects
}

/// Asks for the telemetry that is due.
fn scrape(model: &mut Model) -> Vec<Effect> {
    let loopback = measure::loopback(model.front(), model.cluster.read_only);
    let node = measure::looked_at(model);
    let Data { telemetry, world, vitals, now, .. } = &mut model.data;
    telemetry.watch_loopback(loopback);
    telemetry.look_at(node);
    measure::due(telemetry, world, vitals, *now).into_iter().map(Effect::Scrape).collect()
}

/// A portion of each large table that is being made.
fn work(model: &mut Model) {
    let (views, cx) = model.in_sight_mut();
    let mut done = false;
    for table in views.into_iter().filter_map(View::table_mut) {
        done |= table.work(&cx);
    }
    if done {
        model.dirty = Dirty::Input;
    }
}

/// Takes changes of the cluster in: the world first, then all that is derived from it, change by change.
fn absorb(model: &mut Model, deltas: Vec<Delta>) -> Vec<Effect> {
    let (mut all, mut changes, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for delta in deltas {
        if !served::wanted(model, &delta) {
            continue;
        }
        let stream = matches!(delta, Delta::Stream { .. });
        let columns = match &delta {
            Delta::Columns { kind, .. } => Some(kind.clone()),
            _ => None,
        };
        if let Delta::ListEnd { kind, namespace } = &delta {
            listed.push((kind.clone(), namespace.clone()));
        }
        bury(model, &delta);
        model.data.world.apply(delta, &mut changes);
        if let Some(kind) = columns {
            served::columns(model, &kind);
        }
        if stream {
            model.dirty = model.dirty.max(Dirty::Data);
        }
        for change in &changes {
            derive(model, change);
        }
        all.append(&mut changes);
    }
    for (kind, namespace) in &listed {
        find::listed(model, kind, namespace);
    }
    let mut effects = causes::on_changes(model, &all);
    if describe::refresh(model) {
        model.dirty = model.dirty.max(Dirty::Data);
    }
    effects.extend(scrape(model));
    effects.extend(control::drive(model));
    effects.extend(why::drive(model));
    effects.extend(logs::drive(model));
    effects
}

/// What a delta is about to take away stays on the screen for a while.
fn bury(model: &mut Model, delta: &Delta) {
    let Some(kind) = Leaving::kind_of(delta) else { return };
    let slots = model.data.world.leaving(delta);
    if slots.is_empty() {
        return;
    }
    let leaving = Leaving { kind, slots: &slots };
    if !model.views.is_empty() {
        return model.with_front(|view, model| view.bury(model, &leaving));
    }
    for pane in Pane::ALL {
        model.with_pane(pane, |view, model| view.bury(model, &leaving));
    }
}

/// What follows from one change.
fn derive(model: &mut Model, change: &Change) {
    let now = model.data.now;
    let before = header(model);
    let data = &mut model.data;
    match change.object.kind {
        Kind::Pod => data.vitals.pod(change.slot, data.world.pods.get(change.slot), now),
        Kind::Node => data.vitals.node(change.slot, data.world.nodes.get(change.slot)),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
            let pods = data.world.workload(&change.object).map(|w| (w.desired, w.ready));
            data.progress.note(&change.object, pods, now);
        }
        Kind::Event => {
            if let Some(e) = data.world.events.get(change.slot)
                && e.warning
            {
                data.vitals.warning(e.last, now);
            }
            for slot in data.events.touch(&data.world, change.slot) {
                touch(model, &Kind::Event, slot);
            }
            return;
        }
        _ => {}
    }
    touch(model, &change.object.kind, change.slot);
    if let Kind::Pod = change.object.kind {
        // What is requested on its node is shown on the node's row.
        let node = model.data.world.pods.get(change.slot).map(|p| p.node.clone());
        if let Some(slot) = node.and_then(|n| model.data.world.nodes.slot("", &n)) {
            touch(model, &Kind::Node, slot);
        }
    }
    if header(model) != before {
        model.dirty = model.dirty.max(Dirty::Data);
    }
}

/// The numbers the header shows.
fn header(model: &Model) -> [u64; 6] {
    let v = &model.data.vitals;
    [
        v.pods_all as u64,
        v.pods_sick as u64,
        v.nodes_all as u64,
        v.nodes_ready as u64,
        v.gpus_requested,
        v.gpus_allocatable,
    ]
}

/// When time alone will change something the model shows.
pub fn next_timer(model: &Model) -> Option<Time> {
    let views = model.views.iter().map(|v| &**v);
    let views = views.chain(model.in_sight()).filter_map(|v| v.next_timer(&model.data)).min();
    let timers = [
        model.message.as_ref().and_then(|m| m.goes(model.last_key)),
        views,
        model.data.detector.next_timer(),
        panes::next_timer(model),
        control::next_timer(model),
        model.data.telemetry.next(),
    ];
    timers.into_iter().flatten().min()
}
