//! `:ns`: the namespaces; `enter` shows one alone.

use crate::app::core::model::Model;
use crate::app::core::namespaces;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::world::{Kind, Object};

static SHAPES: &[Shape] =
    &[shape("NAMESPACE", 10, 60, 100), number("PODS", 4, 7, 90), shape("STATUS", 6, 12, 50)];

#[derive(Debug)]
struct Namespaces;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Namespaces));
}

impl Rows for Namespaces {
    fn title(&self) -> String {
        "namespaces".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model)
    }

    /// Back to the view before, in this namespace alone.
    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        let name = row.object.as_ref()?.name.clone();
        Some(Box::new(|model| {
            stack::pop(model);
            namespaces::show(model, vec![name]);
            Vec::new()
        }))
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Namespace)
    }
}

fn rows(model: &Model) -> Vec<Row> {
    let mut rows: Vec<Row> = model
        .data
        .world
        .namespaces
        .values()
        .map(|n| Row {
            id: n.meta.name.clone(),
            object: Some(n.reference()),
            cells: vec![
                Cell::plain(Value::text(&n.meta.name)),
                Cell::plain(Value::None),
                Cell::dim(Value::text(&n.phase)),
            ],
            indent: 0,
        })
        .collect();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}
