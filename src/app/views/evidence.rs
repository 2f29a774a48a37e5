//! `v`: what proves a finding and what changed before it, each with the key to the event, log or object it was read from.

use std::sync::Arc;

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape, tail};
use crate::app::table::{Fence, Source};
use crate::app::views::list::{ListView, Row, Rows};
use crate::app::views::{describe, find, logs, objects};
use crate::config::Scope;
use crate::detect::{Evidence, Finding, Key};
use crate::term::clean::{clean, wrap};
use crate::world::{ContainerState, Kind, ObjectRef, Text, Time};

static SHAPES: &[Shape] = &[
    shape("SOURCE", 8, 34, 85),
    shape("AT", 8, 8, 90),
    shape("WHAT IT SAYS", 44, 400, 95),
    tail("OBJECT", 12, 44, 50),
];

/// The proof of the finding of this key.
#[derive(Debug)]
struct Proof(Key);

/// Opens the proof of the finding under the cursor.
pub fn open(model: &mut Model) {
    match model.finding().map(|f| f.key.clone()) {
        Some(key) => stack::push(model, ListView::new(Proof(key))),
        None => model.say(Tone::Info, "khud has no finding about this."),
    }
}

impl Rows for Proof {
    fn title(&self) -> String {
        "evidence: enter goes to where it was read".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model, &self.0)
    }

    fn scope(&self) -> Scope {
        Scope::Findings
    }

    fn finding<'m>(&self, model: &'m Model, _: Option<&Row>) -> Option<&'m Arc<Finding>> {
        finding(model, &self.0)
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        let (key, row) = (self.0.clone(), row.id.clone());
        Some(Box::new(move |model| jump(model, &key, &row)))
    }

    fn empty(&self, _: &Model) -> &'static str {
        "It is over: khud no longer holds its proof. The timeline has it."
    }
}

/// The finding of a key, as its line says it: with the others that line stands for.
fn finding<'m>(model: &'m Model, key: &Key) -> Option<&'m Arc<Finding>> {
    let all = model.data.detector.findings();
    all.iter().find(|f| f.key == *key).or_else(|| model.data.detector.finding(key))
}

/// A quote on as many rows as it needs: all of them lead to the same place.
fn rows(model: &Model, key: &Key) -> Vec<Row> {
    let Some(f) = finding(model, key) else { return Vec::new() };
    // What the other columns leave where none of them is dropped, and what it gets before they do.
    let width = usize::from(model.size.0).saturating_sub(34 + 8 + 44 + 8).max(44);
    let mut out = Vec::new();
    let mut add = |id: &str, source: &str, at: Option<Time>, says: &str, object: &ObjectRef, scope| {
        for (n, line) in wrap(&clean(says), width).into_iter().enumerate() {
            let first = |v: Value| if n == 0 { v } else { Value::None };
            out.push(Row {
                id: format!("{id}.{n}").into(),
                object: Some(object.clone()),
                cells: vec![
                    Cell::dim(first(Value::Text(source.into()))),
                    Cell::dim(first(at.map_or(Value::None, Value::Clock))),
                    Cell::new(Value::Text(line.into()), scope),
                    Cell::plain(first(Value::Text(object.to_string().into()))),
                ],
                indent: 0,
            });
        }
    };
    for (i, e) in f.evidence.iter().enumerate() {
        add(&format!("e{i}"), &e.source, e.at, &e.quote, &e.object, "tree.evidence");
    }
    for (i, c) in f.changed.iter().enumerate() {
        add(&format!("c{i}"), "changed before", Some(c.at), &c.what, &c.object, "timeline.change");
    }
    if let Some(q) = &f.quiet {
        let until = q.until.map_or(String::new(), |t| format!(" until {t}"));
        let who = if q.who.is_empty() { "config.toml" } else { &q.who };
        let how = if f.is(crate::detect::How::Muted) { "muted" } else { "acknowledged" };
        add("q", how, None, &format!("{} ({who}{until})", q.reason), f.fix(), "finding.acknowledged");
    }
    out
}

/// To where the piece under the cursor was read: the event among the object's events, the log, else the object.
fn jump(model: &mut Model, key: &Key, row: &str) -> Vec<Effect> {
    let Some(f) = finding(model, key) else { return Vec::new() };
    let index = |prefix: char| row.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    let piece = index('e').and_then(|i| f.evidence.get(i)).cloned();
    let changed = index('c').and_then(|i| f.changed.get(i)).map(|c| c.object.clone());
    let fix = f.fix().clone();
    let crashed = f.evidence.iter().find_map(|e| e.source.strip_prefix("pod status, container "));
    let crashed = crashed.map(Text::from);
    match piece {
        Some(e) if e.source.starts_with("event ") => event(model, &e),
        Some(e) if &*e.source == "log" => return log(model, e.object, crashed),
        Some(e) => return object(model, e.object),
        None => return object(model, changed.unwrap_or(fix)),
    }
    Vec::new()
}

fn event(model: &mut Model, e: &Evidence) {
    let reason = e.source.strip_prefix("event ").unwrap_or_default();
    objects::open(model, Source { kind: Kind::Event, fence: Fence::Regarding(e.object.by_word()) });
    let Some((table, cx)) = model.table_mut() else { return };
    table.namespaces.clear();
    table.rebuild(&cx);
    if !table.seek_reason(&cx, reason) {
        model.say(Tone::Info, "The event is no longer kept by the cluster; khud quoted it when it was.");
    }
}

/// The log of the run that ended: of the one before, where the container runs again.
fn log(model: &mut Model, pod: ObjectRef, container: Option<Text>) -> Vec<Effect> {
    let found = model.data.world.pods.find(&pod.namespace, &pod.name);
    let of = |name: &Text| found.and_then(|p| p.containers.iter().find(|c| c.spec.name == *name));
    let previous = container
        .as_ref()
        .and_then(of)
        .is_some_and(|c| c.last.is_some() && !matches!(c.state, ContainerState::Terminated(_)));
    logs::open(model, pod, container, previous)
}

fn object(model: &mut Model, object: ObjectRef) -> Vec<Effect> {
    if !object.kind.watched() {
        return describe::open(model, object);
    }
    find::open(model, &object.kind, &object.namespace, &object.name);
    Vec::new()
}
