//! `:ctx`: the contexts of the kubeconfig.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::core::standing;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape};
use crate::app::views::list::{ListView, Row, Rows};

static SHAPES: &[Shape] = &[shape("CONTEXT", 10, 60, 100), shape("SERVER", 10, 80, 80)];

#[derive(Debug)]
struct Contexts;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Contexts));
}

impl Rows for Contexts {
    fn title(&self) -> String {
        "contexts".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model)
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        let name = row.id.clone();
        Some(Box::new(move |model| standing::switch(model, &name)))
    }
}

fn rows(model: &Model) -> Vec<Row> {
    let rows = model.contexts.iter().map(|(name, server)| {
        let here = *name == model.cluster.context;
        Row {
            id: name.as_str().into(),
            object: None,
            cells: vec![
                Cell::new(Value::Text(name.as_str().into()), if here { "status.ok" } else { "text" }),
                Cell::dim(Value::Text(server.as_str().into())),
            ],
            indent: 0,
        }
    });
    rows.collect()
}
