//! `:port-forwards`: the local ports that lead to pods, what went through each, and how to close one.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::runs::forwards::Forwarded;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::config::Scope;

static SHAPES: &[Shape] = &[
    shape("LOCAL", 15, 24, 100),
    shape("TARGET", 12, 60, 95),
    shape("POD", 12, 60, 80),
    number("PORT", 5, 6, 85),
    number("OPEN", 4, 6, 70),
    number("ALL", 4, 8, 60),
    shape("SENT", 6, 8, 40),
    shape("RECEIVED", 8, 9, 50),
    shape("AGE", 4, 6, 55),
    shape("TROUBLE", 8, 90, 90),
];

#[derive(Debug)]
struct Forwards;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Forwards));
}

/// Closes the port under the cursor.
pub fn close(model: &mut Model) -> Vec<Effect> {
    let chosen = model.front().row_id(model);
    let at = chosen.and_then(|id| model.forwards.iter().position(|f| id_of(f) == *id));
    let Some(at) = at else { return Vec::new() };
    let gone = model.forwards.remove(at);
    model.say(Tone::Good, format!("Port-forward {} to {} is closed.", gone.state.local, gone.target));
    vec![Effect::StopForward(gone.run)]
}

fn id_of(forwarded: &Forwarded) -> String {
    forwarded.run.to_string()
}

impl Rows for Forwards {
    fn title(&self) -> String {
        "port-forwards".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        model.forwards.iter().map(row).collect()
    }

    fn scope(&self) -> Scope {
        Scope::Forwards
    }

    /// Copies the address.
    fn enter(&self, model: &Model, row: &Row) -> Option<Then> {
        let forwarded = model.forwards.iter().find(|f| id_of(f) == *row.id)?;
        let address = forwarded.state.local.to_string();
        Some(Box::new(move |model| {
            model.say(Tone::Good, format!("Copied {address}."));
            vec![Effect::Copy(address)]
        }))
    }

    fn noun(&self) -> &'static str {
        "ports"
    }

    fn empty(&self, _: &Model) -> &'static str {
        "No local port is open. `F` on a pod, a Service or a workload opens one."
    }
}

fn row(forwarded: &Forwarded) -> Row {
    let state = &forwarded.state;
    let bytes = |n: u64| if n == 0 { Value::None } else { Value::Bytes(n) };
    let trouble = state.trouble.as_ref().map_or(Value::None, |why| Value::Text(why.clone()));
    let scope = if state.trouble.is_some() { "status.bad" } else { "status.ok" };
    let plain = |value| Cell::plain(value);
    Row {
        id: id_of(forwarded).as_str().into(),
        object: None,
        cells: vec![
            Cell::new(Value::Text(state.local.to_string().into()), scope),
            plain(Value::Text(forwarded.target.to_string().into())),
            plain(Value::Text(state.pod.clone())),
            plain(Value::Num(i64::from(state.port))),
            plain(Value::Num(i64::from(state.open))),
            plain(Value::Num(i64::try_from(state.connections).unwrap_or(i64::MAX))),
            plain(bytes(state.sent)),
            plain(bytes(state.received)),
            plain(Value::Age(forwarded.since)),
            Cell::new(trouble, "status.bad"),
        ],
        indent: 0,
    }
}
