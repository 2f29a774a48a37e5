//! `:xray`: all workloads with their pods, the sick ones opened.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::Value;
use crate::app::table::shape::Shape;
use crate::app::views::list::{ListView, Row, Rows};
use crate::app::views::{inside, rollout};
use crate::config::Scope;
use crate::world::{Kind, Object, Workload};

#[derive(Debug)]
struct Xray;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Xray));
}

impl Rows for Xray {
    fn title(&self) -> String {
        "xray".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        rollout::SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model)
    }

    fn scope(&self) -> Scope {
        Scope::Workloads
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        inside::of(row.object.clone()?)
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Pod)
    }
}

/// All workloads of the chosen namespaces, the sick first and opened to their pods; a healthy one is one line.
fn rows(model: &Model) -> Vec<Row> {
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
        let rows = if sick {
            rollout::rows(model, &object, &[])
        } else {
            vec![rollout::workload_row(&cx, w, 0, "")]
        };
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
