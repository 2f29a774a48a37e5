//! Moving about: cursors, panes, the stack of views, and what `enter` opens.

use crate::app::core::model::{Dialog, Dirty, Model, Pane, Tone, View};
use crate::app::core::msg::Effect;
use crate::app::core::preferences;
use crate::app::dialogs::runs;
use crate::app::dialogs::standing;
use crate::app::table::filter::Filter;
use crate::app::table::{Fence, Source, Table};
use crate::app::views::arrange;
use crate::app::views::evidence;
use crate::app::views::incidents;
use crate::app::views::list::{self, List};
use crate::app::views::logs;
use crate::app::views::why;
use crate::config::document::nearest;
use crate::world::{Kind, ObjectRef, Text};

/// Lines that a card takes, about.
const CARD: usize = 4;
/// Views kept to go back to.
const DEEPEST: usize = 50;

pub fn push(model: &mut Model, view: View) {
    model.forward.clear();
    if model.views.len() == DEEPEST {
        model.views.remove(0);
    }
    model.views.push(view);
    model.dirty = Dirty::Input;
}

/// What `esc` does: first the filter goes, then the view, then the zoom.
pub fn back(model: &mut Model) {
    let filtered = model.table().is_some_and(|t| !t.filter.is_empty())
        || model.list().is_some_and(|l| !l.filter.is_empty())
        || matches!(model.view(), View::Logs(l) if !l.filter.is_empty())
        || model.text_mut().is_some_and(|t| !t.search.is_empty());
    if filtered {
        filter(model, "");
    } else if !model.views.is_empty() {
        pop(model);
    } else if model.overview.zoom {
        model.overview.zoom = false;
    }
}

pub fn pop(model: &mut Model) {
    if let Some(view) = model.views.pop() {
        model.forward.push(view);
    }
}

pub fn forward(model: &mut Model) {
    if let Some(mut view) = model.forward.pop() {
        if let View::Logs(logs) = &mut view {
            // Its streams were hung up when it was left.
            logs.again();
        }
        model.views.push(view);
    }
}

/// The view before, and back again.
pub fn last(model: &mut Model) {
    if model.forward.is_empty() {
        pop(model);
    } else {
        forward(model);
    }
}

fn overview(model: &mut Model) {
    while let Some(view) = model.views.pop() {
        model.forward.push(view);
    }
}

pub fn focus(model: &mut Model, by: isize) {
    let panes = arrange::panes(model);
    let at = panes.iter().position(|p| *p == model.overview.focus).unwrap_or(0) as isize;
    let next = (at + by).rem_euclid(panes.len().max(1) as isize) as usize;
    if let Some(pane) = panes.get(next) {
        model.overview.focus = *pane;
    }
}

/// Puts the focus on a pane and the cursor on a row of its window, as the mouse shows them.
pub fn point(model: &mut Model, pane: Option<Pane>, row: Option<usize>) {
    if let Some(pane) = pane.filter(|_| model.views.is_empty()) {
        model.overview.focus = pane;
    }
    model.dirty = Dirty::Input;
    let Some(row) = row else { return };
    if let Some((table, _)) = model.table_mut() {
        table.point(row);
    } else if let Some(list) = model.list() {
        let rows = model.rows(&list.what, &list.filter);
        let card = list.what.cards().then(|| incidents::at_line(model, list, row));
        let Some(target) = card.unwrap_or(Some(list.offset + row)) else { return };
        if target < rows.len()
            && let Some(list) = model.list_mut()
        {
            let by = target as isize - list.index(&rows) as isize;
            list.step(&rows, by);
        }
    }
}

/// The pane of this number, from 0.
pub fn focus_number(model: &mut Model, number: usize) {
    match arrange::panes(model).get(number) {
        Some(pane) => focus_on(model, *pane),
        None => {
            model.say(
                Tone::Info,
                "There is no such pane: it is hidden, or `panes` in config.toml has no more.",
            );
        }
    }
}

pub fn focus_on(model: &mut Model, pane: Pane) {
    overview(model);
    model.overview.focus = pane;
}

pub fn zoom_on(model: &mut Model, pane: Pane) {
    focus_on(model, pane);
    model.overview.zoom = true;
}

pub fn step(model: &mut Model, by: isize) {
    match model.views.last_mut() {
        Some(View::Why(why)) => return why.step(by),
        Some(View::Logs(logs)) => return logs.scroll(by),
        _ => {}
    }
    if let Some((table, _)) = model.table_mut() {
        table.step(by);
    } else if let Some(what) = model.list().map(|l| (l.what.clone(), l.filter.clone())) {
        let rows = model.rows(&what.0, &what.1);
        if let Some(list) = model.list_mut() {
            list.step(&rows, by);
        }
    } else if let Some(text) = model.text_mut() {
        text.scroll(by);
    }
}

pub fn page(model: &mut Model, by: isize) {
    match model.views.last_mut() {
        Some(View::Why(why)) => return why.step(by * why::PAGE),
        Some(View::Logs(logs)) => return logs.page(by),
        _ => {}
    }
    let height = model
        .table()
        .map(|t| t.height)
        .or(model.list().map(|l| if l.what.cards() { l.height / CARD } else { l.height }))
        .or(match model.view() {
            View::Text(t) => Some(t.height),
            _ => None,
        })
        .unwrap_or(1);
    step(model, by * height.saturating_sub(1).max(1) as isize);
}

pub fn top(model: &mut Model) {
    match model.views.last_mut() {
        Some(View::Why(why)) => return why.step(isize::MIN / 2),
        Some(View::Logs(logs)) => return logs.top(),
        _ => {}
    }
    if let Some((table, _)) = model.table_mut() {
        table.top();
    } else if let Some(list) = model.list_mut() {
        list.top();
    } else if let Some(text) = model.text_mut() {
        text.offset = 0;
    }
}

pub fn bottom(model: &mut Model) {
    if let Some(View::Logs(logs)) = model.views.last_mut() {
        logs.follow = true;
        return;
    }
    if let Some((table, _)) = model.table_mut() {
        table.jump(usize::MAX);
    } else {
        // Half of the largest number is far below any list's end and cannot overflow.
        step(model, isize::MAX / 2);
    }
}

pub fn sideways(model: &mut Model, by: isize) {
    if let Some(View::Logs(logs)) = model.views.last_mut() {
        logs.left = logs.left.saturating_add_signed(by * 16);
        return;
    }
    if let Some(text) = model.text_mut() {
        text.left = text.left.saturating_add_signed(by * 8);
    } else if let Some((table, _)) = model.table_mut() {
        let last = table.columns().len().saturating_sub(2);
        table.left = table.left.saturating_add_signed(by).min(last);
    } else if let Some(list) = model.list_mut() {
        let last = crate::app::views::rows::shapes(&list.what).len().saturating_sub(2);
        list.left = list.left.saturating_add_signed(by).min(last);
    }
}

/// Opens the full view of a kind.
pub fn open_kind(model: &mut Model, kind: Kind) {
    open_table(model, Source { kind, fence: Fence::All });
}

/// Opens one table of all workloads.
pub fn open_workloads(model: &mut Model) {
    open_table(model, Source { kind: Kind::Deployment, fence: Fence::Workloads });
}

/// Opens a table of what the source lists, in the chosen namespaces.
pub fn open_table(model: &mut Model, source: Source) {
    let mut table = Table::new(source);
    table.relearn(&model.data.cx());
    table.within_namespaces(&model.data.cx(), &model.namespaces);
    push(model, View::Table(Box::new(table)));
}

/// Opens a short list.
pub fn open_list(model: &mut Model, what: list::What) {
    push(model, View::List(Box::new(List::new(what))));
}

/// Filters what is on the screen.
pub fn filter(model: &mut Model, text: &str) {
    if let View::Logs(_) = model.view() {
        logs::filter(model, text);
    } else if let Some((table, cx)) = model.table_mut() {
        table.filter = Filter::of_table(text, table.columns());
        table.rebuild(&cx);
    } else if let Some(list) = model.list_mut() {
        list.filter = text.to_owned();
        list.top();
    } else if let Some(view) = model.text_mut() {
        view.search(text);
    }
    model.dirty = Dirty::Input;
}

/// Shows these namespaces only; none named: all. One that does not exist is told, not shown empty: a table without
/// rows looks like good news.
pub fn namespaces(model: &mut Model, names: Vec<Text>) {
    if !known_namespaces(model, &names) {
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
        [one] => match preferences::favourites(model).position(|n| n == *one) {
            Some(i) => format!("Namespace {one}; {} leads back here.", i + 1),
            None => format!("Namespace {one}"),
        },
        many => format!("Namespaces {}", many.join(", ")),
    };
    model.say(Tone::Info, text);
}

/// Whether these namespaces are there, as far as is known; where one is not that is told.
fn known_namespaces(model: &mut Model, names: &[Text]) -> bool {
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
pub fn want(model: &mut Model) -> Option<Effect> {
    if model.wanted == model.namespaces {
        return None;
    }
    model.wanted.clone_from(&model.namespaces);
    Some(Effect::Want(model.namespaces.iter().cloned().collect()))
}

/// Has every table show the chosen namespaces only.
pub fn confine(model: &mut Model) {
    let Model { data, overview, views, namespaces, .. } = model;
    let cx = data.cx();
    for table in [&mut overview.pods, &mut overview.events] {
        table.within_namespaces(&cx, namespaces);
    }
    for view in views {
        if let View::Table(t) = view {
            t.within_namespaces(&cx, namespaces);
        }
    }
}

/// Leaves for another context, where there is one of that name and it is another.
pub fn switch(model: &mut Model, name: &str) -> Vec<Effect> {
    if !model.contexts.iter().any(|(n, _)| n == name) {
        model.say(Tone::Bad, format!("The kubeconfig has no context {name}; `:ctx` lists them."));
        return Vec::new();
    }
    if name == model.cluster.context && model.cluster.other().is_some() {
        standing::ask(model);
        return Vec::new();
    }
    if name == model.cluster.context && model.cluster.standing.moved.is_none() {
        model.say(Tone::Info, format!("{name} is where you are."));
        return Vec::new();
    }
    if runs::under_way(model) {
        model.say(Tone::Bad, "An action is still under way here; `:journal` shows it.");
        return Vec::new();
    }
    vec![Effect::Switch(name.to_owned())]
}

/// Opens what is inside the row.
pub fn drill(model: &mut Model) -> Vec<Effect> {
    let row = model.list().and_then(|l| {
        let rows = model.rows(&l.what, &l.filter);
        rows.get(l.index(&rows)).map(|r| (l.what.clone(), r.id.clone()))
    });
    match row {
        Some((list::What::Contexts, name)) => return switch(model, &name),
        Some((list::What::Journal, id)) => {
            let id = id.parse().unwrap_or_default();
            let of_many = model.batches.iter().any(|b| b.id == id);
            model.dialog = Some(if of_many { Dialog::Batch(id) } else { Dialog::Plan(id) });
            return Vec::new();
        }
        _ => {}
    }
    if let Some((list::What::Pulses, id)) = &row {
        if let Some(kind) = Kind::parse(id) {
            open_kind(model, kind);
        }
        return Vec::new();
    }
    if matches!(row, Some((list::What::Incidents, _))) {
        incidents::open(model);
        return Vec::new();
    }
    if let Some((list::What::Evidence(key), id)) = row {
        return evidence::jump(model, &key, &id);
    }
    let Some(object) = model.selected() else { return Vec::new() };
    if let Some(list::What::Namespaces) = model.list().map(|l| &l.what) {
        pop(model);
        namespaces(model, vec![object.name]);
        return Vec::new();
    }
    if let Some(name) = container(model) {
        return logs::open(model, object, Some(name), false);
    }
    // The first line of a rollout is the workload the view is of: there is nothing more inside it.
    if matches!(model.list().map(|l| &l.what), Some(list::What::Rollout(o)) if *o == object) {
        return Vec::new();
    }
    inside(model, &object);
    Vec::new()
}

fn inside(model: &mut Model, object: &ObjectRef) {
    let uid = model.data.world.meta(object).map(|m| m.uid.clone());
    let owned = |kind: Kind| uid.clone().map(|u| Source { kind, fence: Fence::Owned(u) });
    let source = match &object.kind {
        Kind::Node => Some(Source { kind: Kind::Pod, fence: Fence::OnNode(object.name.clone()) }),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
            push(model, View::List(Box::new(List::new(list::What::Rollout(object.clone())))));
            None
        }
        Kind::Pod => {
            push(model, View::List(Box::new(List::new(list::What::Containers(object.clone())))));
            None
        }
        Kind::Service if selects(model, object).is_some() => {
            behind(model, object);
            None
        }
        Kind::ReplicaSet | Kind::Job => owned(Kind::Pod),
        Kind::CronJob => owned(Kind::Job),
        Kind::Namespace => {
            namespaces(model, vec![object.name.clone()]);
            open_kind(model, Kind::Pod);
            None
        }
        _ => Some(Source { kind: Kind::Event, fence: Fence::Regarding(object.by_word()) }),
    };
    if let Some(source) = source {
        open_table(model, source);
    }
}

/// What a Service's pods are picked by.
fn selects(model: &Model, service: &ObjectRef) -> Option<String> {
    let service = model.data.world.services.find(&service.namespace, &service.name)?;
    service.selector.as_ref().map(ToString::to_string)
}

/// The pods that a Service picks, as a filter one can see and change: where it picks none, that is why.
fn behind(model: &mut Model, service: &ObjectRef) {
    let Some(labels) = selects(model, service) else { return };
    open_kind(model, Kind::Pod);
    if let Some((table, cx)) = model.table_mut() {
        table.within_namespaces(&cx, &[service.namespace.clone()].into());
    }
    filter(model, &format!("-l {labels}"));
}

/// The container under the cursor, in a list of containers.
pub fn container(model: &Model) -> Option<Text> {
    let list = model.list()?;
    if !matches!(list.what, list::What::Containers(_)) {
        return None;
    }
    let rows = model.rows(&list.what, &list.filter);
    rows.get(list.index(&rows)).map(|r| r.id.clone())
}

/// To the object that controls this one.
pub fn owner(model: &mut Model) {
    let Some(object) = model.selected() else { return };
    if let Some(o) = model.data.world.meta(&object).and_then(|m| m.owner.clone()) {
        open_object(model, &o.kind, &object.namespace, &o.name);
    }
}

/// To the pods whose spec names this object.
pub fn used_by(model: &mut Model) {
    if let Some(object) = model.selected() {
        open_table(model, Source { kind: Kind::Pod, fence: Fence::Users(object) });
    }
}

pub fn node(model: &mut Model) {
    let Some(object) = model.selected() else { return };
    let node = model.data.world.pods.find(&object.namespace, &object.name).map(|p| p.node.clone());
    if let Some(n) = node.filter(|n| !n.is_empty()) {
        open_object(model, &Kind::Node, "", &n);
    }
}

/// Opens the kind's table with the cursor on the object; without a namespace the first of that name.
pub fn open_object(model: &mut Model, kind: &Kind, namespace: &str, name: &str) {
    let served = (!kind.watched()).then(|| model.served.kind(kind.name()).or(Some(kind.clone()))).flatten();
    let kind = &served.unwrap_or_else(|| kind.clone());
    if kind.plural().is_empty() {
        model.say(Tone::Info, format!("The server serves no kind {kind}."));
        return;
    }
    open_kind(model, kind.clone());
    let synced = model.data.world.synced(kind);
    let Some((table, cx)) = model.table_mut() else { return };
    // What was asked for is shown, wherever one looks otherwise.
    if !namespace.is_empty() && !table.namespaces.is_empty() && !table.namespaces.contains(namespace) {
        table.namespaces.clear();
        table.rebuild(&cx);
    }
    if table.seek(&cx, namespace, name) {
        return;
    }
    let object = ObjectRef::new(kind.clone(), namespace, name);
    if synced && !table.at_work() {
        absent(model, &object);
    } else {
        // What is not listed yet may still come.
        model.sought = Some(object);
    }
}

/// A first list came: what was asked for before it is there, or that it is not is told. An alert often names a pod that
/// was replaced since, and the cursor must not stand on another as if it were that one.
pub fn listed(model: &mut Model, kind: &Kind, namespace: &str) {
    if *kind == Kind::Namespace && !model.namespaces.is_empty() {
        let names = model.namespaces.iter().cloned().collect::<Vec<_>>();
        known_namespaces(model, &names);
    }
    let Some(object) =
        model.sought.take_if(|o| o.kind == *kind && (namespace.is_empty() || *o.namespace == *namespace))
    else {
        return;
    };
    if !exists(model, &object) {
        absent(model, &object);
    }
}

fn exists(model: &Model, object: &ObjectRef) -> bool {
    let mut metas = model.data.world.metas(&object.kind);
    metas.any(|m| m.name == object.name && (object.namespace.is_empty() || m.namespace == object.namespace))
}

/// Says that an object is not there. Of a pod, those that are named like it are shown: they took its place.
fn absent(model: &mut Model, object: &ObjectRef) {
    let place = if object.namespace.is_empty() { "here".into() } else { format!("in {}", object.namespace) };
    let alike = like(model, object).filter(|_| model.table().is_some_and(|t| t.source.kind == object.kind));
    let more = if alike.is_some() { " These are named like it." } else { "" };
    let kind = object.kind.name().to_lowercase();
    if let Some(stem) = alike {
        filter(model, &stem);
    }
    model.say(Tone::Bad, format!("There is no {kind} {} {place} (any more).{more}", object.name));
}

/// A filter for the part of a pod's name that its owner gave it, as far as others share it.
fn like(model: &Model, pod: &ObjectRef) -> Option<String> {
    if pod.kind != Kind::Pod {
        return None;
    }
    let shared = |stem: &&str| {
        let mut metas = model.data.world.metas(&Kind::Pod);
        metas.any(|m| {
            (pod.namespace.is_empty() || m.namespace == pod.namespace)
                && m.name.strip_prefix(*stem).is_some_and(|rest| rest.starts_with('-'))
        })
    };
    // The pod's own suffix, and its ReplicaSet's.
    let one = pod.name.rsplit_once('-')?.0;
    let stems = [Some(&*pod.name), Some(one), one.rsplit_once('-').map(|(two, _)| two)];
    stems
        .into_iter()
        .flatten()
        .find(shared)
        .map(|stem| format!("{} {stem}-", pod.namespace).trim().to_owned())
}
