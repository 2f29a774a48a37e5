//! Rows of trees: a workload's rollout by revision, a pod's containers.

use crate::app::core::model::Model;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::columns::{self};
use crate::app::table::cx::{Cx, scope};
use crate::app::table::health;
use crate::app::table::shape::{Shape, image, number, shape, tail};
use crate::app::views::describe;
use crate::app::views::list::Row;
use crate::world::{Kind, Object, ObjectRef, Pod, Text, Workload};

pub static CONTAINERS: &[Shape] = &[
    shape("CONTAINER", 8, 40, 100),
    shape("ROLE", 4, 9, 40),
    shape("STATE", 10, 60, 90),
    number("↻", 2, 4, 80),
    shape("LAST EXIT", 8, 40, 85),
    image("IMAGE", 10, 80, 60),
];

pub static ROLLOUT: &[Shape] = &[
    tail("OBJECT", 20, 70, 100),
    number("READY", 5, 9, 90),
    shape("STATUS", 8, 24, 88),
    shape("CAUSE", 8, 60, 95),
    number("↻", 2, 4, 60),
    image("IMAGE", 8, 60, 50),
    number("AGE", 3, 7, 40),
];

/// The containers of a pod, in the order of its spec.
pub fn containers(model: &Model, object: &ObjectRef) -> Vec<Row> {
    let now = model.data.now;
    let Some(pod) = model.data.world.pods.find(&object.namespace, &object.name) else { return Vec::new() };
    pod.containers
        .iter()
        .map(|c| {
            let (state, scope) = describe::state(c, now);
            let last = c.last.as_ref().map_or(Value::None, |t| {
                let ago = t
                    .finished
                    .map_or(String::new(), |f| format!(" {} ago", crate::world::time::human(f.age(now))));
                Value::Text(format!("{} exit {}{ago}", t.reason, t.exit_code).into())
            });
            Row {
                id: c.spec.name.clone(),
                object: Some(object.clone()),
                cells: vec![
                    Cell::plain(Value::text(&c.spec.name)),
                    Cell::dim(Value::Text(format!("{:?}", c.spec.role).to_lowercase().into())),
                    Cell::new(Value::Text(state.into()), scope),
                    Cell::new(
                        Value::Num(c.restarts.into()),
                        if c.restarts > 0 { "status.pending" } else { "text.dim" },
                    ),
                    Cell::new(last, "status.bad"),
                    Cell::dim(Value::text(&c.spec.image)),
                ],
                indent: 0,
            }
        })
        .collect()
}

/// A workload's rollout: the workload, its revisions newest first, their pods with the sick first. Revisions
/// without pods are one line.
pub fn rollout(model: &Model, object: &ObjectRef) -> Vec<Row> {
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

/// All workloads of the chosen namespaces, the sick first and opened to their pods; a healthy one is one line.
pub fn xray(model: &Model) -> Vec<Row> {
    let (world, cx) = (&model.data.world, model.data.cx());
    let chosen = |w: &&Workload| model.namespaces.is_empty() || model.namespaces.contains(&w.meta.namespace);
    let all =
        world.deployments.values().chain(world.stateful_sets.values()).chain(world.daemon_sets.values());
    let mut workloads: Vec<(i64, &Workload)> = all
        .filter(chosen)
        .map(|w| (cx.cause(&w.reference()).map_or(9, |c| -(c.severity as i64)), w))
        .collect();
    workloads.sort_by_key(|(rank, w)| (*rank, w.meta.namespace.clone(), w.meta.name.clone()));
    let mut out = Vec::new();
    for (_, w) in workloads {
        let object = w.reference();
        let sick = cx.cause(&object).is_some() || w.ready < w.desired;
        let rows = if sick { rollout(model, &object) } else { vec![workload_row(&cx, w, 0, "")] };
        out.extend(rows.into_iter().map(|mut row| {
            // Names are unique only within a namespace.
            row.id = format!("{}/{}", w.meta.namespace, row.id).into();
            if row.indent == 0
                && let Some(first) = row.cells.first_mut()
            {
                first.value = Value::Text(object.to_string().into());
            }
            row
        }));
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

fn workload_row(cx: &Cx<'_>, w: &Workload, indent: u16, lead: &str) -> Row {
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
