//! `:pulses`: each kind, with how many objects there are and how many of them are sick.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::cx::Cx;
use crate::app::table::health::{self, Health};
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::app::views::objects;
use crate::detect::Severity;
use crate::world::{Kind, ObjectRef};

static SHAPES: &[Shape] = &[
    shape("KIND", 10, 40, 100),
    number("ALL", 3, 8, 90),
    number("SICK", 4, 8, 95),
    shape("SHARE", 8, 8, 80),
    shape("FIRST", 12, 80, 70),
];

/// The kinds that have a pulse, what runs first.
const KINDS: &[Kind] = &[
    Kind::Pod,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::Node,
    Kind::Service,
    Kind::Ingress,
    Kind::PersistentVolumeClaim,
    Kind::ResourceQuota,
    Kind::HorizontalPodAutoscaler,
];

#[derive(Debug)]
struct Pulses;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Pulses));
}

impl Rows for Pulses {
    fn title(&self) -> String {
        "pulses".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    /// A line for each kind that was listed; of one that was not, nothing is known.
    fn rows(&self, model: &Model) -> Vec<Row> {
        KINDS.iter().map(|kind| row(&model.data.cx(), kind)).collect()
    }

    /// Opens the kind's table.
    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        let kind = Kind::parse(&row.id)?;
        Some(Box::new(|model| {
            objects::open_kind(model, kind);
            Vec::new()
        }))
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Pod)
    }
}

fn row(cx: &Cx<'_>, kind: &Kind) -> Row {
    let of = |m: &crate::world::Meta| ObjectRef::new(kind.clone(), m.namespace.clone(), m.name.clone());
    let mut sick: Vec<ObjectRef> = match kind {
        Kind::Pod => {
            cx.world.pods.values().filter(|p| health::pod(cx, p).sick()).map(|p| of(&p.meta)).collect()
        }
        Kind::Node => {
            let sick = cx.world.nodes.values().filter(|n| health::node(cx, n) < Health::Pending);
            sick.map(|n| of(&n.meta)).collect()
        }
        _ => {
            let loud = |o: &ObjectRef| cx.cause(o).is_some_and(|c| c.severity > Severity::Info);
            cx.world.metas(kind).map(of).filter(loud).collect()
        }
    };
    sick.sort();
    let all = cx.world.metas(kind).count();
    let known = cx.world.synced(kind);
    let count = |n: usize| if known { Value::Num(n as i64) } else { Value::Word("?") };
    let scope = if sick.is_empty() { "text" } else { "status.bad" };
    // All of a thousand is a full bar.
    let share = (sick.len() * 1000).checked_div(all).map_or(Value::None, |of| Value::Bar(of as u16));
    Row {
        id: kind.plural().into(),
        object: None,
        cells: vec![
            Cell::new(Value::Text(kind.plural().into()), scope),
            Cell::plain(count(all)),
            Cell::new(count(sick.len()), scope),
            Cell::new(share, if sick.is_empty() { "gauge.empty" } else { "gauge.high" }),
            Cell::plain(sick.first().map_or(Value::None, |o| Value::Text(o.to_string().into()))),
        ],
        indent: 0,
    }
}
