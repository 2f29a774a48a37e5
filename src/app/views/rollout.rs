//! A workload's rollout: how far it is, what its newest pods suffer from, its revisions newest first, their pods with the
//! sick first.

use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Dirty;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::columns;
use crate::app::table::cx::{Cx, scope};
use crate::app::table::health;
use crate::app::table::shape::{Shape, image, number, shape, tail};
use crate::app::views::inside;
use crate::app::views::kept::{self, Kept};
use crate::app::views::list::{ListView, Row, Rows};
use crate::app::views::rollout_head::{self, Newest};
use crate::config::Scope;
use crate::world::ask::{Answer, Call};
use crate::world::{Kind, Object, ObjectRef, Pod, Text, Workload};

pub static SHAPES: &[Shape] = &[
    tail("OBJECT", 20, 70, 100),
    number("READY", 5, 9, 90),
    shape("STATUS", 8, 24, 88),
    shape("CAUSE", 8, 60, 95),
    number("↻", 2, 4, 60),
    image("IMAGE", 8, 60, 50),
    tail("NODE", 8, 30, 45),
    number("AGE", 3, 7, 40),
];

/// The rollout of a workload.
#[derive(Debug)]
struct Rollout {
    workload: ObjectRef,
    /// The call that lists its ControllerRevisions; a Deployment's revisions are ReplicaSets, which khud watches.
    token: Option<u64>,
    /// The revisions that were read, newest first, or why none were.
    kept: Option<Result<Vec<Kept>, String>>,
}

/// Opens the rollout of a workload.
pub fn open(model: &mut Model, workload: ObjectRef) -> Vec<Effect> {
    let token = (workload.kind != Kind::Deployment).then(|| model.token());
    let path = format!("/apis/apps/v1/namespaces/{}/controllerrevisions", workload.namespace);
    stack::push(model, ListView::new(Rollout { workload, token, kept: None }));
    token.map(|token| Effect::Call { token, call: Call::get(path) }).into_iter().collect()
}

/// Opens the rollout that what is under the cursor is part of.
pub fn here(model: &mut Model) -> Vec<Effect> {
    let workload = model.selected().and_then(|o| model.data.world.rolled_by(&o));
    workload.map_or(Vec::new(), |workload| open(model, workload))
}

/// The ControllerRevisions came, or why they did not.
pub fn called(model: &mut Model, token: u64, result: &Result<Answer, String>) {
    let Model { views, data, dirty, .. } = model;
    let mut rollouts = crate::app::core::model::of_type::<ListView<Rollout>>(views);
    let Some(view) = rollouts.find(|v| v.of().token == Some(token)) else { return };
    let of = view.of_mut();
    let uid = data.world.meta(&of.workload).map(|m| m.uid.clone());
    of.kept = Some(match result {
        Ok(a) if a.ok() => Ok(kept::of(&a.body, &uid.map_or_else(String::new, |uid| uid.to_string()))),
        Ok(a) => Err(a.message()),
        Err(why) => Err(why.clone()),
    });
    *dirty = Dirty::Input;
}

/// In the view of a rollout, the workload and the earlier revision under the cursor; `None` elsewhere.
pub fn chosen(model: &Model) -> Option<(ObjectRef, u64)> {
    let view = model.top::<ListView<Rollout>>()?;
    let row = view.here(model)?;
    let of = view.of();
    if of.workload.kind == Kind::Deployment {
        let world = &model.data.world;
        let newest = crate::judge::workload::rollout_of(world, world.workload(&of.workload)?)?.0.revision;
        let set = world.workload(row.object.as_ref().filter(|o| o.kind == Kind::ReplicaSet)?)?;
        return Some((of.workload.clone(), set.revision.filter(|n| Some(*n) != newest)?));
    }
    let kept = of.kept.as_ref()?.as_ref().ok()?;
    let number = row.id.strip_prefix("revision/")?.parse().ok()?;
    (kept.first()?.number != number).then(|| (of.workload.clone(), number))
}

impl Rollout {
    fn kept(&self) -> &[Kept] {
        self.kept.as_ref().and_then(|k| k.as_ref().ok()).map_or(&[], |k| k)
    }
}

impl Rows for Rollout {
    fn title(&self) -> String {
        format!("rollout of {}", self.workload)
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn above(&self, model: &Model, columns: usize) -> Vec<Line> {
        let unread = self.kept.as_ref().and_then(|k| k.as_ref().err());
        rollout_head::lines(model, &self.workload, self.kept(), unread.map(String::as_str), columns)
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model, &self.workload, self.kept())
    }

    fn scope(&self) -> Scope {
        Scope::Workloads
    }

    /// The first line and the revisions of a StatefulSet stand for the workload: there is nothing more inside.
    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        inside::of(row.object.clone().filter(|o| *o != self.workload)?)
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Pod)
    }

    fn keeps_tombstones(&self) -> bool {
        true
    }
}

/// A workload's rollout: the workload, its revisions newest first, their pods with the sick first. Revisions
/// without pods are one line.
pub fn rows(model: &Model, object: &ObjectRef, kept: &[Kept]) -> Vec<Row> {
    let world = &model.data.world;
    let cx = model.data.cx();
    let Some(workload) = world.workload(object) else { return Vec::new() };
    let mut out = vec![workload_row(&cx, workload, 0, "")];
    let mut sets: Vec<&Workload> = world.replica_sets_of(&workload.meta.uid).map(|(_, r)| r).collect();
    sets.sort_by_key(|r| (std::cmp::Reverse(r.revision), r.meta.name.clone()));
    let folded: Vec<&&Workload> = sets.iter().filter(|r| r.desired == 0 && r.current == 0).collect();
    for set in sets.iter().filter(|r| r.desired > 0 || r.current > 0) {
        let word = set.revision.map_or(String::new(), |r| format!("revision {r}  "));
        out.push(workload_row(&cx, set, 2, &word));
        pods(&cx, world.pods_of(&set.meta.uid).map(|(_, p)| p).collect(), 4, &mut out);
    }
    let mut own: Vec<&Pod> = world.pods_of(&workload.meta.uid).map(|(_, p)| p).collect();
    let mut empty = Vec::new();
    for revision in kept {
        let (of, rest) = own.into_iter().partition(|p| revision.has(p));
        own = rest;
        let of: Vec<&Pod> = of;
        let row = kept_row(&cx, object, revision, &of);
        if of.is_empty() {
            empty.push(row);
            continue;
        }
        out.push(row);
        pods(&cx, of, 4, &mut out);
    }
    pods(&cx, own, 2, &mut out);
    for set in folded {
        let word = set.revision.map_or(String::new(), |r| format!("revision {r}  "));
        empty.push(workload_row(&cx, set, 2, &word));
    }
    out.extend(empty.into_iter().map(|mut row| {
        for cell in &mut row.cells {
            cell.scope = "text.dim";
        }
        row
    }));
    out
}

fn images(w: &Workload) -> Value {
    let names: Vec<&str> = w.template.containers.iter().map(|c| &*c.image).collect();
    Value::Text(names.join(",").into())
}

fn cause(cx: &Cx<'_>, object: &ObjectRef) -> Cell {
    cx.cause(object)
        .map_or(Cell::plain(Value::None), |c| Cell::new(Value::Text(c.text.clone()), scope(c.severity)))
}

pub fn workload_row(cx: &Cx<'_>, w: &Workload, indent: u16, lead: &str) -> Row {
    let object = w.reference();
    let state = if w.kind == Kind::ReplicaSet { Cell::plain(Value::None) } else { columns::progress(w) };
    let short = w.ready < w.desired;
    Row {
        id: format!("{}/{}", w.kind.name(), w.meta.name).into(),
        cells: vec![
            Cell::new(
                Value::Text(format!("{lead}{} {}", w.kind.name().to_lowercase(), w.meta.name).into()),
                cx.row_scope(&object),
            ),
            Cell::new(Value::Of(w.ready, w.desired), if short { "status.pending" } else { "text" }),
            state,
            cause(cx, &object),
            Cell::plain(Value::None),
            Cell::dim(images(w)),
            Cell::plain(Value::None),
            Cell::dim(Value::age(w.meta.created)),
        ],
        object: Some(object),
        indent,
    }
}

/// A revision of a StatefulSet or a DaemonSet. Keys on it work on the workload.
fn kept_row(cx: &Cx<'_>, workload: &ObjectRef, revision: &Kept, pods: &[&Pod]) -> Row {
    let newest = Newest::count(pods.iter().copied());
    let short = newest.ready < newest.pods;
    let sick = pods.iter().map(|p| health::pod(cx, p)).min().filter(|h| h.sick());
    Row {
        id: format!("revision/{}", revision.number).into(),
        cells: vec![
            Cell::new(
                Value::Text(format!("revision {}  {}", revision.number, revision.name).into()),
                sick.map_or("text", health::Health::scope),
            ),
            Cell::new(Value::Of(newest.ready, newest.pods), if short { "status.pending" } else { "text" }),
            Cell::plain(Value::None),
            Cell::plain(Value::None),
            Cell::plain(Value::None),
            Cell::dim(Value::Text(revision.images.as_str().into())),
            Cell::plain(Value::None),
            Cell::dim(Value::age(revision.created)),
        ],
        object: Some(workload.clone()),
        indent: 2,
    }
}

fn pods(cx: &Cx<'_>, mut pods: Vec<&Pod>, indent: u16, out: &mut Vec<Row>) {
    pods.sort_by_key(|p| (health::pod(cx, p), p.meta.name.clone()));
    for pod in pods {
        let object = pod.reference();
        let (status, health) = (pod.status(), health::pod(cx, pod));
        let id: Text = format!("Pod/{}", pod.meta.name).into();
        out.push(Row {
            id,
            cells: vec![
                Cell::new(Value::Text(format!("pod {}", pod.meta.name).into()), health.scope()),
                Cell::new(Value::Of(status.ready, status.total), health.scope()),
                Cell::new(Value::Text(status.status.clone()), health.scope()),
                cause(cx, &object),
                Cell::new(
                    Value::Num(status.restarts.into()),
                    if status.restarts > 0 { "status.pending" } else { "text.dim" },
                ),
                Cell::plain(Value::None),
                Cell::dim(Value::text(&pod.node)),
                Cell::dim(Value::age(pod.meta.created)),
            ],
            object: Some(object),
            indent,
        });
    }
}
