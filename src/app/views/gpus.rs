//! Reads the GPU exporters on time and makes the rows of the GPU pane.

use std::collections::HashSet;
use std::time::Duration;

use crate::app::core::model::{Dirty, Model};
use crate::app::core::msg::Effect;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, number, shape, tail};
use crate::app::views::list::Row;
use crate::telemetry::{self, Gpu, Reading, Telemetry};
use crate::world::{Kind, Node, ObjectRef, Text, Time};

pub static SHAPES: &[Shape] = &[
    tail("GPU", 5, 24, 100),
    shape("MEMORY", 8, 10, 80),
    number("USED", 6, 9, 90),
    number("TREND", 5, 9, 85),
    number("BUSY", 4, 4, 60),
    number("°C", 2, 4, 40),
    number("XID", 3, 4, 50),
    tail("POD", 8, 50, 70),
];

/// Places among the columns.
const USED: usize = 2;
const POD: usize = 7;

/// The span a trend is taken over.
const TREND: Duration = Duration::from_secs(1800);

/// Asks for what is due now.
pub fn scrape(model: &mut Model) -> Vec<Effect> {
    let now = model.data.now;
    if model.scraped.is_some_and(|t| t.plus(telemetry::EVERY) > now) || !model.data.world.synced(&Kind::Pod) {
        return Vec::new();
    }
    model.scraped = Some(now);
    let data = &model.data;
    let targets = telemetry::targets(data.vitals.exporters().filter_map(|slot| data.world.pods.get(slot)));
    model.data.telemetry.keep(&targets);
    targets.into_iter().map(Effect::Scrape).collect()
}

pub fn next_timer(model: &Model) -> Option<Time> {
    model.scraped.map(|t| t.plus(telemetry::EVERY))
}

pub fn apply(model: &mut Model, reading: Reading) {
    model.data.telemetry.apply(reading);
    model.dirty = model.dirty.max(Dirty::Data);
}

/// Memory in use on all GPUs that report it, in percent.
pub fn memory_percent(telemetry: &Telemetry) -> Option<u64> {
    let (used, all) = telemetry.gpus().fold((0, 0), |(u, a), g| match (g.used, g.total()) {
        (Some(used), Some(total)) => (u + used, a + total),
        _ => (u, a),
    });
    (all > 0).then(|| used * 100 / all)
}

/// The first of the GPUs, fullest first, and after them of the nodes of whose GPUs no exporter tells; and how many
/// there are of both.
pub fn rows(model: &Model, most: usize) -> (Vec<Row>, usize) {
    let now = model.data.now;
    let mut gpus: Vec<&Gpu> = model.data.telemetry.gpus().collect();
    let told: HashSet<&Text> = gpus.iter().map(|g| &g.node).collect();
    let has_gpus = |n: &&Node| n.capacity.gpu.is_some_and(|n| n > 0);
    let nodes = model.data.world.nodes.values().filter(has_gpus);
    let mut untold: Vec<&Node> = nodes.filter(|n| !told.contains(&n.meta.name)).collect();
    if gpus.len() < most {
        untold.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    }
    gpus.sort_by(|a, b| {
        let full = |g: &Gpu| g.fullness().unwrap_or(-1.0);
        full(b).total_cmp(&full(a)).then_with(|| (&a.node, a.index).cmp(&(&b.node, b.index)))
    });
    let total = gpus.len() + untold.len();
    let told = gpus.into_iter().map(|g| row(model, g, now));
    (told.chain(untold.into_iter().map(|n| unmeasured(model, n))).take(most).collect(), total)
}

/// What the scheduler knows of a node whose GPUs nobody measures: requested of allocatable.
fn unmeasured(model: &Model, node: &Node) -> Row {
    let name = &node.meta.name;
    let allocatable = node.allocatable.gpu.unwrap_or(0);
    let requested = model.data.vitals.requested(name).gpus;
    let scope = if allocatable == 0 { "status.bad" } else { "text.dim" };
    let mut cells: Vec<Cell> = SHAPES.iter().map(|_| Cell::plain(Value::None)).collect();
    cells[0] = Cell::new(Value::Text(name.clone()), "text.dim");
    cells[USED] = Cell::new(
        Value::Ranked(
            requested.try_into().unwrap_or(i64::MAX),
            format!("{requested}/{allocatable} req").into(),
        ),
        scope,
    );
    cells[POD] = Cell::new(Value::Word("no metrics"), "text.dim");
    let object = Some(ObjectRef::new(Kind::Node, "", name.clone()));
    Row { id: name.clone(), object, cells, indent: 0 }
}

fn row(model: &Model, g: &Gpu, now: Time) -> Row {
    let stale = Telemetry::is_stale(g, now);
    let full = g.fullness();
    let scope = match full {
        _ if stale => "text.dim",
        Some(f) if f >= 0.9 => "gauge.high",
        Some(f) if f >= 0.75 => "gauge.mid",
        _ => "gauge.low",
    };
    let gib = |mib: u64| format!("{}", (mib as f64 / 1024.0).round());
    let used = match (g.used, g.total()) {
        (Some(u), Some(t)) => Value::Ranked(u as i64, format!("{}/{}G", gib(u), gib(t)).into()),
        _ => Value::None,
    };
    let slope = model.data.telemetry.memory(g).and_then(|s| s.slope_per_hour(now, TREND));
    let trend = match slope {
        // MiB an hour; below a hundred it is noise.
        Some(s) if s.abs() >= 100.0 => {
            let sign = if s > 0.0 { "+" } else { "-" };
            Value::Ranked(s as i64, format!("{sign}{:.1}G/h", s.abs() / 1024.0).into())
        }
        _ => Value::None,
    };
    let instance = if g.instance.is_empty() { String::new() } else { format!(".{}", g.instance) };
    let dim = if stale { "text.dim" } else { "text" };
    let whole = |v: Option<f64>, unit: &str| {
        v.map_or(Value::None, |n| Value::Ranked(n as i64, format!("{n:.0}{unit}").into()))
    };
    let pod = if g.pod.is_empty() { Value::Word("free") } else { Value::Text(g.pod.clone()) };
    let object = if g.pod.is_empty() {
        ObjectRef::new(Kind::Node, "", g.node.clone())
    } else {
        ObjectRef::new(Kind::Pod, g.namespace.clone(), g.pod.clone())
    };
    Row {
        id: format!("{}/{}{instance}", g.node, g.index).into(),
        object: Some(object),
        cells: vec![
            Cell::new(Value::Text(format!("{}/{}{instance}", g.node, g.index).into()), dim),
            Cell::new(full.map_or(Value::None, |f| Value::Bar((f * 1000.0) as u16)), scope),
            Cell::new(used, scope),
            Cell::new(trend, if slope.is_some_and(|s| s > 0.0) { "gauge.mid" } else { "text.dim" }),
            Cell::new(whole(g.busy, "%"), dim),
            Cell::new(whole(g.temperature, ""), dim),
            Cell::new(g.xid.filter(|x| *x > 0).map_or(Value::None, |x| Value::Num(x.into())), "status.bad"),
            Cell::new(pod, if g.pod.is_empty() { "text.dim" } else { dim }),
        ],
        indent: 0,
    }
}
