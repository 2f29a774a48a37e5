//! A workload's rollout: the workload, its revisions newest first, their pods with the sick first.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::columns;
use crate::app::table::cx::{Cx, scope};
use crate::app::table::health;
use crate::app::table::shape::{Shape, image, number, shape, tail};
use crate::app::views::inside;
use crate::app::views::list::{ListView, Row, Rows};
use crate::config::Scope;
use crate::world::{Kind, Object, ObjectRef, Pod, Text, Workload};

pub static SHAPES: &[Shape] = &[
    tail("OBJECT", 20, 70, 100),
    number("READY", 5, 9, 90),
    shape("STATUS", 8, 24, 88),
    shape("CAUSE", 8, 60, 95),
    number("↻", 2, 4, 60),
    image("IMAGE", 8, 60, 50),
    number("AGE", 3, 7, 40),
];
/// The rollout of this workload.
#[derive(Debug)]
struct Rollout(ObjectRef);

/// Opens the rollout of a workload.
pub fn open(model: &mut Model, workload: ObjectRef) {
    stack::push(model, ListView::new(Rollout(workload)));
}

impl Rows for Rollout {
    fn title(&self) -> String {
        format!("rollout of {}", self.0)
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model, &self.0)
    }

    fn scope(&self) -> Scope {
        Scope::Workloads
    }

    /// The first line is the workload itself: there is nothing more inside it.
    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        inside::of(row.object.clone().filter(|o| *o != self.0)?)
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
pub fn rows(model: &Model, object: &ObjectRef) -> Vec<Row> {
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
        pods(&cx, set.meta.uid.clone(), 4, &mut out);
    }
    pods(&cx, workload.meta.uid.clone(), 2, &mut out);
    for set in folded {
        let word = set.revision.map_or(String::new(), |r| format!("revision {r}  "));
        let mut row = workload_row(&cx, set, 2, &word);
        for cell in &mut row.cells {
            cell.scope = "text.dim";
        }
        out.push(row);
    }
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
            Cell::dim(Value::age(w.meta.created)),
        ],
        object: Some(object),
        indent,
    }
}

fn pods(cx: &Cx<'_>, owner: crate::world::Uid, indent: u16, out: &mut Vec<Row>) {
    let mut pods: Vec<&Pod> = cx.world.pods_of(&owner).map(|(_, p)| p).collect();
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
                Cell::dim(Value::age(pod.meta.created)),
            ],
            object: Some(object),
            indent,
        });
    }
}
