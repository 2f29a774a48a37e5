//! One message in: the model changes, and what the outside must do comes out. No input or output happens here.

use crossterm::event::{KeyCode, KeyEvent};

use crate::app::core::causes;
use crate::app::core::command;
use crate::app::core::line;
use crate::app::core::measure;
use crate::app::core::model::{Data, Dialog, Dirty, Model, Tone, View};
use crate::app::core::msg::{Effect, Msg};
use crate::app::core::navigate;
use crate::app::core::preferences;
use crate::app::core::served;
use crate::app::dialogs::menu;
use crate::app::dialogs::prompt;
use crate::app::dialogs::runs;
use crate::app::dialogs::standing;
use crate::app::table::Table;
use crate::app::views::arrange;
use crate::app::views::describe;
use crate::app::views::document;
use crate::app::views::list::What;
use crate::app::views::logs;
use crate::app::views::timeline;
use crate::app::views::why;
use crate::config::{Id, Key, KeymapResult};
use crate::term::SMALLEST;
use crate::world::{Change, Delta, Kind, ObjectRef, Slot};

pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    model.data.now = model.clock.now();
    let mut effects = take(model, msg);
    effects.extend(served::follow(model));
    effects.extend(navigate::want(model));
    effects.extend(timeline::keep(model));
    effects.extend(arrange::keep(model));
    effects.extend(menu::ask(model));
    effects.extend(runs::left(model));
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
            navigate::point(model, pane, row);
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
        Msg::Replied { run, id, reply } => runs::reply(model, run, id, reply),
        Msg::Given { walk, read, result, took_ms } => why::given(model, walk, &read, result, took_ms),
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
        Msg::Log { tail, result } => causes::on_log(model, &tail, &result),
        Msg::Certificate { secret, result } => causes::on_certificate(model, &secret, result),
        Msg::Configured(loaded) => preferences::reload(model, *loaded),
        Msg::Called { token, result } => {
            document::called(model, token, result);
            Vec::new()
        }
        Msg::Remembered { entries, quiet } => {
            timeline::remembered(model, entries, quiet);
            Vec::new()
        }
        Msg::Whoami(user) => {
            model.cluster.user = user;
            Vec::new()
        }
        Msg::Standing(now) => standing::changed(model, now),
        Msg::Told(what) => {
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
            KeymapResult::Matched(command) if command.id == Id::Quit && !runs::acting(model) => {
                command::run(model, Id::Quit)
            }
            _ => Vec::new(),
        };
    }
    preferences::show_key(model, key.into());
    model.prefs.choices.clear();
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
                    KeyCode::Char(c) => runs::typed(model, Some(c)),
                    KeyCode::Backspace => runs::typed(model, None),
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
    let (tables, _) = model.tables_on_screen_mut();
    let mut buried = false;
    for table in tables {
        buried |= table.bury(now);
    }
    if let Some(View::List(list)) = model.views.last_mut() {
        buried |= list.bury(now);
    }
    if buried {
        model.dirty = model.dirty.max(Dirty::Data);
    }
    let mut effects = causes::timers(model);
    effects.extend(scrape(model));
    effects.extend(runs::drive(model));
    effects.extend(why::drive(model));
    effects.extend(logs::drive(model));
    effects
}

/// Asks for the telemetry that is due.
fn scrape(model: &mut Model) -> Vec<Effect> {
    let Data { telemetry, world, vitals, now, .. } = &mut model.data;
    measure::due(telemetry, world, vitals, *now).into_iter().map(Effect::Scrape).collect()
}

/// A portion of each large table that is being made.
fn work(model: &mut Model) {
    let (tables, cx) = model.tables_on_screen_mut();
    let mut done = false;
    for table in tables {
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
        mourn(model, &delta);
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
        navigate::listed(model, kind, namespace);
    }
    let mut effects = causes::on_changes(model, &all);
    if describe::refresh(model) {
        model.dirty = model.dirty.max(Dirty::Data);
    }
    effects.extend(scrape(model));
    effects.extend(runs::drive(model));
    effects.extend(why::drive(model));
    effects.extend(logs::drive(model));
    effects
}

/// What a delta is about to take away stays on the screen for a while.
fn mourn(model: &mut Model, delta: &Delta) {
    let (Delta::Delete { object: ObjectRef { kind, .. }, .. } | Delta::ListEnd { kind, .. }) = delta else {
        return;
    };
    let leaving = model.data.world.leaving(delta);
    if leaving.is_empty() {
        return;
    }
    let (tables, cx) = model.tables_on_screen_mut();
    for table in tables {
        for slot in &leaving {
            if let Some(row) = table.source.row(kind, *slot) {
                table.mourn(&cx, row);
            }
        }
    }
    let rollout = match model.view() {
        View::List(l) if matches!(l.what, What::Rollout(_)) => model.rows(&l.what, &l.filter),
        _ => return,
    };
    let Model { data, views, .. } = model;
    let Some(View::List(list)) = views.last_mut() else { return };
    let leaves = |o: &ObjectRef| o.kind == *kind && data.world.slot(o).is_some_and(|s| leaving.contains(&s));
    for (index, row) in rollout.into_iter().enumerate() {
        if row.object.as_ref().is_some_and(leaves) {
            list.mourn(row, index, data.now);
        }
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

/// A row changed: every table that may list it looks at it again.
pub fn touch(model: &mut Model, kind: &Kind, slot: Slot) {
    let Model { data, overview, views, forward, dirty, .. } = model;
    let cx = data.cx();
    let mut look = |table: &mut Table, on_screen: bool| {
        if let Some(row) = table.source.row(kind, slot)
            && table.touch(&cx, row)
            && on_screen
        {
            *dirty = (*dirty).max(Dirty::Data);
        }
    };
    let overview_on_screen = matches!(views.last(), None | Some(View::Overview));
    for table in overview.tables() {
        look(table, overview_on_screen);
    }
    let top = views.len().saturating_sub(1);
    for (i, view) in views.iter_mut().enumerate() {
        if let View::Table(t) = view {
            look(t, i == top);
        }
    }
    for view in forward {
        if let View::Table(t) = view {
            look(t, false);
        }
    }
}
