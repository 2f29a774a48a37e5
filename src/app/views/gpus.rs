//! The rows of the GPU pane: memory, its trend and time to full, load, errors, who holds it, and how old that is.

use std::collections::HashSet;
use std::time::Duration;

use crate::app::core::model::Model;
use crate::app::core::view::{Then, View};
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, number, shape, tail};
use crate::app::table::trend;
use crate::app::views::freshness::unlisted;
use crate::app::views::inside;
use crate::app::views::list::{ListView, Row, Rows};
use crate::world::gpu::Gpu;
use crate::world::time::human;
use crate::world::{Kind, Node, ObjectRef, Readings, Series, Text, Time};

static SHAPES: &[Shape] = &[
    tail("GPU", 5, 24, 100),
    shape("MEMORY", 8, 10, 80),
    number("USED", 6, 9, 90),
    number("TREND", 5, 9, 85),
    number("FULL IN", 4, 7, 65),
    number("BUSY", 4, 4, 60),
    number("°C", 2, 4, 40),
    number("W", 2, 5, 20),
    number("XID", 3, 4, 50),
    shape("STATE", 4, 30, 55),
    tail("POD", 8, 50, 70),
    shape("LINE", 8, 8, 30),
    shape("SOURCE", 4, 10, 15),
    number("AGE", 2, 5, 25),
];

/// Places among the columns.
const USED: usize = 2;
const POD: usize = 10;

/// A time to full below this is for tonight.
const SOON: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Gpus;

/// The view of all GPUs.
pub fn all() -> impl View {
    ListView::new(Gpus)
}

impl Rows for Gpus {
    fn title(&self) -> String {
        "gpu memory".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model, usize::MAX).0
    }

    fn first(&self, model: &Model, most: usize) -> Option<(Vec<Row>, usize)> {
        Some(rows(model, most))
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        inside::of(row.object.clone()?)
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Node)
    }

    fn noun(&self) -> &'static str {
        "GPUs"
    }

    fn empty(&self, model: &Model) -> &'static str {
        match model.data.world.synced(&Kind::Node) {
            true => "No GPUs: no node has any.",
            false => unlisted(model, &Kind::Node, "khud may not list nodes here, so it knows of no GPUs."),
        }
    }
}

/// Memory in use on all GPUs that report it, in percent.
pub fn memory_percent(readings: &Readings) -> Option<u64> {
    let (used, all) = readings.gpus().fold((0u128, 0u128), |(u, a), g| match (g.memory.used, g.total()) {
        (Some(used), Some(total)) => (u + u128::from(used), a + u128::from(total)),
        _ => (u, a),
    });
    (all > 0).then(|| u64::try_from(used * 100 / all).unwrap_or(u64::MAX))
}

/// The first of the GPUs, fullest first, and after them of the nodes whose GPUs nobody measures; and how many there are of
/// both.
pub fn rows(model: &Model, most: usize) -> (Vec<Row>, usize) {
    let now = model.data.now;
    let readings = &model.data.world.readings;
    let mut gpus: Vec<&Gpu> = readings.gpus().collect();
    let measured: HashSet<&Text> = gpus.iter().map(|g| &g.node).collect();
    let has_gpus = |n: &&Node| n.capacity.gpu.is_some_and(|n| n > 0);
    let nodes = model.data.world.nodes.values().filter(has_gpus);
    let mut others: Vec<&Node> = nodes.filter(|n| !measured.contains(&n.meta.name)).collect();
    if gpus.len() < most {
        others.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    }
    gpus.sort_by(|a, b| {
        let full = |g: &Gpu| g.fullness().unwrap_or(-1.0);
        full(b).total_cmp(&full(a)).then_with(|| (&a.node, a.index).cmp(&(&b.node, b.index)))
    });
    let total = gpus.len() + others.len();
    let rows = gpus.into_iter().map(|g| row(readings, g, now));
    (rows.chain(others.into_iter().map(|n| unmeasured(model, n))).take(most).collect(), total)
}

/// The scheduler's numbers of a node whose GPUs nobody measures: requested of allocatable; and why nobody does.
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
    let exporter = model
        .data
        .world
        .readings
        .scrapes()
        .filter(|(t, _)| t.node == *name && matches!(&*t.source, "dcgm" | "amd" | "intel"))
        .find_map(|(t, s)| Some((t, s.failing.as_ref()?)));
    cells[POD] = match exporter {
        Some((target, (since, why))) => {
            let age = human(since.age(model.data.now));
            Cell::new(
                Value::Text(format!("no answer of {} for {age}: {why}", target.source).into()),
                "status.pending",
            )
        }
        None => Cell::new(Value::Word("no metrics"), "text.dim"),
    };
    let object = Some(ObjectRef::new(Kind::Node, "", name.clone()));
    Row { id: name.clone(), object, cells, indent: 0 }
}

fn row(readings: &Readings, g: &Gpu, now: Time) -> Row {
    let stale = Readings::is_stale(g, now);
    let full = g.fullness();
    let dim = if stale { "text.dim" } else { "text" };
    let gib = |bytes: u64| (bytes as f64 / 1_073_741_824.0).round();
    let used = match (g.memory.used, g.total()) {
        (Some(u), Some(t)) => Value::Ranked(u as i64, format!("{}/{}G", gib(u), gib(t)).into()),
        (Some(u), None) => Value::Ranked(u as i64, format!("{}G", gib(u)).into()),
        // Its number is the node's.
        _ if g.memory.unified => Value::Word("unified"),
        _ => Value::None,
    };
    let memory = readings.history(g).map(|h| &h.memory);
    let moves = memory.and_then(|s| trend::of(s, now, g.usable().map(|u| u as f64)));
    let (trend, left) = (moves.map(|(t, _)| t), moves.and_then(|(_, left)| left));
    let rate = trend.map_or(Value::None, |t| {
        let sign = if t.per_hour > 0.0 { "+" } else { "-" };
        Value::Ranked(t.per_hour as i64, format!("{sign}{:.1}G/h", t.per_hour.abs() / 1_073_741_824.0).into())
    });
    let rising = trend.is_some_and(|t| t.per_hour > 0.0);
    // Engines take all they can get at their start: full is a fault only of what still grows.
    let scope = match left {
        _ if stale => "text.dim",
        Some(d) if d < SOON => "gauge.high",
        _ if rising => "gauge.mid",
        _ => "gauge.low",
    };
    let whole = |v: Option<f64>, unit: &str| {
        v.map_or(Value::None, |n| Value::Ranked(n as i64, format!("{n:.0}{unit}").into()))
    };
    let hot = g.slowdown.is_some_and(|s| s.thermal);
    let state = if !g.trouble.is_empty() {
        Cell::new(Value::Text(g.trouble.clone()), "status.bad")
    } else if stale {
        Cell::new(Value::Word("stale"), "status.pending")
    } else if hot {
        Cell::new(Value::Word("slowed by heat"), "status.pending")
    } else {
        Cell::plain(Value::None)
    };
    let main = g.holders.iter().max_by_key(|h| h.memory);
    let pod = match (main, g.holders.len()) {
        (None, _) => Value::Word("free"),
        (Some(h), 1) => Value::Text(h.pod.clone()),
        (Some(h), n) => Value::Text(format!("{} and {} more", h.pod, n - 1).into()),
    };
    let object = match main {
        None => ObjectRef::new(Kind::Node, "", g.node.clone()),
        Some(h) => ObjectRef::new(Kind::Pod, h.namespace.clone(), h.pod.clone()),
    };
    let label: Text = g.label().into();
    Row {
        id: label.clone(),
        object: Some(object),
        cells: vec![
            Cell::new(Value::Text(label), dim),
            Cell::new(full.map_or(Value::None, |f| Value::Bar((f * 1000.0) as u16)), scope),
            Cell::new(used, scope),
            Cell::new(rate, if rising { "gauge.mid" } else { "text.dim" }),
            Cell::new(
                left.map_or(Value::None, |d| Value::Ranked(d.as_secs() as i64, human(d).into())),
                if left.is_some_and(|d| d < SOON) { "gauge.high" } else { "gauge.mid" },
            ),
            Cell::new(whole(g.busy, "%"), dim),
            Cell::new(whole(g.temperature, ""), if hot { "status.pending" } else { dim }),
            Cell::new(whole(g.power, ""), dim),
            Cell::new(g.xid.as_ref().map_or(Value::None, |x| Value::Num(x.code.into())), "status.bad"),
            state,
            Cell::new(pod, if g.holders.is_empty() { "text.dim" } else { dim }),
            Cell::new(memory.map_or(Value::None, |s| line(s, now)), "text.dim"),
            Cell::dim(Value::Text(g.source.clone())),
            Cell::new(Value::Age(g.read_at), if stale { "status.pending" } else { "text.dim" }),
        ],
        indent: 0,
    }
}

/// The series as a line, from nothing to the most it reached: the span known, at most an hour.
fn line(series: &Series, now: Time) -> Value {
    Value::Spark(trend::steps(series, now))
}
