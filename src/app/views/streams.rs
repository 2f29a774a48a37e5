//! `:streams`: what khud reads of the cluster, how each source stands, since when, how much it holds, and what went wrong.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::world::{StreamId, StreamState, Text};

static SHAPES: &[Shape] = &[
    shape("SOURCE", 10, 50, 100),
    shape("NAMESPACE", 4, 24, 82),
    shape("STATE", 6, 16, 95),
    number("SINCE", 3, 7, 90),
    number("OBJECTS", 7, 9, 85),
    shape("WHY", 10, 200, 80),
];

#[derive(Debug)]
struct Streams;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Streams));
}

impl Rows for Streams {
    fn title(&self) -> String {
        "streams".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    /// Streams that are not live come first.
    fn rows(&self, model: &Model) -> Vec<Row> {
        let world = &model.data.world;
        let watched = world.streams.iter().map(|(id, s)| {
            let (source, namespace, objects): (Text, Text, _) = match id {
                StreamId::Watch { kind, namespace } => {
                    let count =
                        world.metas(kind).filter(|m| namespace.is_empty() || m.namespace == *namespace);
                    (kind.plural().into(), namespace.clone(), Value::Num(count.count() as i64))
                }
                StreamId::Telemetry(name) => (name.clone(), "".into(), Value::None),
            };
            row(source, &namespace, &s.state, Value::Age(s.since), objects)
        });
        let measured = world.readings.states(model.data.now).into_iter().map(|(name, state)| {
            let since = match &state {
                StreamState::Stale { since } => Value::Age(*since),
                _ => Value::None,
            };
            row(name, "", &state, since, Value::None)
        });
        let mut rows: Vec<(bool, Row)> = watched.chain(measured).collect();
        rows.sort_by(|(live, a), (other, b)| live.cmp(other).then_with(|| a.id.cmp(&b.id)));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn noun(&self) -> &'static str {
        "sources"
    }

    fn empty(&self, _: &Model) -> &'static str {
        "Nothing is read yet: khud has no connection."
    }
}

/// One source, and whether it is as it should be.
fn row(source: Text, namespace: &str, state: &StreamState, since: Value, objects: Value) -> (bool, Row) {
    let (scope, why) = match state {
        StreamState::Live => ("status.ok", Text::from("")),
        StreamState::Polled { why } => ("status.pending", why.clone()),
        StreamState::Connecting | StreamState::Listing { .. } => ("status.pending", "".into()),
        StreamState::Stale { .. } => ("status.bad", "nothing came for too long".into()),
        StreamState::Reconnecting { why, .. } => ("status.bad", why.clone()),
        StreamState::Forbidden { why } => ("status.bad", why.clone()),
        StreamState::Unsupported { why } => ("text.dim", why.clone()),
    };
    let id = format!("{source} {namespace}").into();
    let cells = vec![
        Cell::plain(Value::Text(source)),
        Cell::dim(Value::text(&namespace.into())),
        Cell::new(Value::Text(state.to_string().into()), scope),
        Cell::dim(since),
        Cell::plain(objects),
        Cell::plain(Value::text(&why)),
    ];
    (state.is_live(), Row { id, object: None, cells, indent: 0 })
}
