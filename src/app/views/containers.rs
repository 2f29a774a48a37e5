//! The containers of a pod, in the order of its spec.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, image, number, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::app::views::{describe, logs};
use crate::config::Scope;
use crate::world::{Kind, ObjectRef, Text};

static SHAPES: &[Shape] = &[
    shape("CONTAINER", 8, 40, 100),
    shape("ROLE", 4, 9, 40),
    shape("STATE", 10, 60, 90),
    number("↻", 2, 4, 80),
    shape("LAST EXIT", 8, 40, 85),
    image("IMAGE", 10, 80, 60),
];
/// The list of this pod's containers.
#[derive(Debug)]
struct Containers(ObjectRef);

/// Opens the containers of a pod.
pub fn open(model: &mut Model, pod: ObjectRef) {
    stack::push(model, ListView::new(Containers(pod)));
}

impl Rows for Containers {
    fn title(&self) -> String {
        format!("containers of {}", self.0)
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        containers(model, &self.0)
    }

    fn scope(&self) -> Scope {
        Scope::Containers
    }

    /// Opens the container's log.
    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        let (pod, name) = (self.0.clone(), row.id.clone());
        Some(Box::new(|model| logs::open(model, pod, Some(name), false)))
    }

    fn container(&self, row: &Row) -> Option<Text> {
        Some(row.id.clone())
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Pod)
    }
}

/// The containers of a pod, in the order of its spec.
fn containers(model: &Model, object: &ObjectRef) -> Vec<Row> {
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
