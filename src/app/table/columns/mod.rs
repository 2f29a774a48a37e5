//! The columns of each kind's table: typed values, so that sorting and comparing never parse text back.

use std::time::Duration;

use crate::app::table::cell::{Cell, Value};
use crate::app::table::computed::Computed;
use crate::app::table::cx::Cx;
use crate::app::table::health::{self, Health};
use crate::app::table::shape::{self, Shape, number, shape};
use crate::world::histories::NodeHistory;
use crate::world::measured::NodeUsage;
use crate::world::{Kind, Meta, Object, ObjectRef, Pod, Role, Slot};

/// One column of a table of objects.
#[derive(Debug, Clone)]
pub struct Column {
    pub shape: Shape,
    make: Make,
}

/// Where a column's cells come from.
#[derive(Debug, Clone)]
enum Make {
    Own(fn(&Cx<'_>, Slot) -> Cell),
    /// Value and style apart: whoever sorts or filters by the value does not pay for a style that costs more.
    Apart(fn(&Cx<'_>, Slot) -> Value, fn(&Cx<'_>, Slot) -> &'static str),
    /// The server's own table of the kind.
    Served(Kind, served::Part),
    /// An expression of the user's.
    Computed(Computed),
}

impl Column {
    /// A column of the user's own.
    pub fn computed(of: &Computed) -> Column {
        Column { shape: of.shape.clone(), make: Make::Computed(of.clone()) }
    }

    pub fn cell(&self, cx: &Cx<'_>, slot: Slot) -> Cell {
        match &self.make {
            Make::Own(make) => make(cx, slot),
            Make::Apart(value, scope) => Cell::new(value(cx, slot), scope(cx, slot)),
            Make::Served(kind, part) => served::cell(cx, kind, part, slot),
            Make::Computed(of) => of.cell(cx.world, cx.now, slot),
        }
    }

    /// What the row is sorted and filtered by.
    pub fn value(&self, cx: &Cx<'_>, slot: Slot) -> Value {
        match &self.make {
            Make::Apart(value, _) => value(cx, slot),
            _ => self.cell(cx, slot).value,
        }
    }

    /// Whether an operator's word names it.
    pub fn is(&self, name: &str) -> bool {
        self.shape.name.eq_ignore_ascii_case(name)
    }
}

const fn col(name: &'static str, min: u16, max: u16, keep: u8, make: Make) -> Column {
    Column { shape: shape(name, min, max, keep), make }
}

const fn num(name: &'static str, min: u16, max: u16, keep: u8, make: Make) -> Column {
    Column { shape: number(name, min, max, keep), make }
}

const fn tail(name: &'static str, min: u16, max: u16, keep: u8, make: Make) -> Column {
    Column { shape: shape::tail(name, min, max, keep), make }
}

const fn image(name: &'static str, min: u16, max: u16, keep: u8, make: Make) -> Column {
    Column { shape: shape::image(name, min, max, keep), make }
}

/// A cell of the record in that table, or an empty one where it is gone; with a comma its value and its style apart.
macro_rules! of {
    ($table:ident, |$cx:ident, $r:ident| $cell:expr $(,)?) => {
        Make::Own(|cx, slot| {
            let $cx = cx;
            match cx.world.$table.get(slot) {
                Some($r) => $cell,
                None => Cell::plain(Value::None),
            }
        })
    };
    ($table:ident, |$cx:ident, $r:ident| $value:expr, $scope:expr $(,)?) => {
        Make::Apart(
            |cx, slot| cx.world.$table.get(slot).map_or(Value::None, |$r| $value),
            |cx, slot| {
                let $cx = cx;
                cx.world.$table.get(slot).map_or("text", |$r| $scope)
            },
        )
    };
}

macro_rules! ns {
    ($t:ident) => {
        col("NAMESPACE", 4, 24, 82, of!($t, |_cx, r| Cell::dim(Value::text(&r.meta.namespace))))
    };
}

macro_rules! name {
    ($t:ident) => {
        tail("NAME", 10, 60, 100, of!($t, |cx, r| Value::text(&r.meta.name), tone(cx, &r.meta, r)))
    };
}

macro_rules! age {
    ($t:ident) => {
        num("AGE", 3, 7, 50, of!($t, |_cx, r| Cell::dim(Value::age(r.meta.created))))
    };
}

/// The style of a name: what is being deleted is shown as such, what a finding points at in its severity.
fn tone<T: Object>(cx: &Cx<'_>, meta: &Meta, record: &T) -> &'static str {
    if meta.deleting.is_some() {
        return "status.done";
    }
    cx.row_scope(&record.reference())
}

fn why<T: Object>(cx: &Cx<'_>, record: &T) -> Cell {
    match cx.cause(&record.reference()) {
        Some(cause) => {
            Cell::new(Value::Text(cause.text.clone()), crate::app::table::cx::scope(cause.severity))
        }
        None => Cell::plain(Value::None),
    }
}

pub static PODS: &[Column] = &[
    ns!(pods),
    tail("NAME", 12, 60, 100, of!(pods, |cx, p| Value::text(&p.meta.name), health::pod(cx, p).scope())),
    num(
        "READY",
        5,
        5,
        80,
        of!(
            pods,
            |cx, p| {
                let s = p.status();
                Value::Of(s.ready, s.total)
            },
            {
                let s = p.status();
                let well = s.ready == s.total || health::pod(cx, p) == Health::Done;
                if well { "text.dim" } else { "status.pending" }
            }
        ),
    ),
    // Less than the namespace: where a cause stands beside it, it says the same in fewer words.
    col("STATUS", 9, 24, 79, of!(pods, |cx, p| Value::Text(p.status().status), health::pod(cx, p).scope())),
    num(
        "↻",
        3,
        5,
        70,
        of!(pods, |_cx, p| {
            let n = p.status().restarts;
            Cell::new(Value::Num(i64::from(n)), if n == 0 { "text.dim" } else { "status.pending" })
        }),
    ),
    col("CAUSE", 8, 48, 95, of!(pods, |cx, p| why(cx, p))),
    num(
        "CPU USED",
        4,
        8,
        24,
        of!(pods, |cx, p| {
            let usage = cx.world.readings.pod(&p.meta.namespace, &p.meta.name);
            Cell::dim(usage.and_then(|h| h.usage.cpu()).map_or(Value::None, Value::Millicores))
        }),
    ),
    num(
        "MEM USED",
        4,
        8,
        26,
        of!(pods, |cx, p| {
            let usage = cx.world.readings.pod(&p.meta.namespace, &p.meta.name);
            Cell::dim(usage.and_then(|h| h.usage.memory()).map_or(Value::None, Value::Bytes))
        }),
    ),
    num("MEM LIM%", 4, 8, 25, of!(pods, |cx, p| of_limit(cx, p))),
    col("OF LIMIT", 8, 8, 28, of!(pods, |cx, p| limit_bar(cx, p))),
    tail("NODE", 8, 30, 30, of!(pods, |_cx, p| Cell::dim(Value::text(&p.node)))),
    col("IP", 13, 15, 10, of!(pods, |_cx, p| Cell::dim(Value::text(&p.ip)))),
    age!(pods),
];

pub static NODES: &[Column] = &[
    tail("NAME", 10, 48, 100, of!(nodes, |cx, n| Value::text(&n.meta.name), health::node(cx, n).scope())),
    col(
        "STATUS",
        5,
        28,
        90,
        of!(nodes, |cx, n| Value::Text(health::node_status(n)), health::node(cx, n).scope()),
    ),
    num(
        "GPU",
        3,
        7,
        80,
        of!(nodes, |cx, n| {
            let has = n.allocatable.gpu.unwrap_or(0);
            let used = cx.vitals.requested(&n.meta.name).gpus;
            match (has, n.capacity.gpu.unwrap_or(0)) {
                (0, 0) => Cell::plain(Value::None),
                _ => Cell::new(
                    Value::Of(used as u32, has as u32),
                    if has == 0 { "status.bad" } else { "text" },
                ),
            }
        }),
    ),
    num(
        "PODS",
        4,
        7,
        60,
        of!(nodes, |cx, n| {
            Cell::dim(Value::Of(
                cx.vitals.requested(&n.meta.name).pods,
                n.allocatable.pods.unwrap_or(0) as u32,
            ))
        }),
    ),
    num(
        "CPU USED%",
        4,
        9,
        42,
        of!(nodes, |cx, n| used_percent(cx.world.readings.node(&n.meta.name), |u| u.cpu, n.allocatable.cpu)),
    ),
    num(
        "MEM USED%",
        4,
        9,
        47,
        of!(nodes, |cx, n| {
            used_percent(cx.world.readings.node(&n.meta.name), |u| u.memory, n.allocatable.memory)
        }),
    ),
    num(
        "CPU REQ%",
        4,
        8,
        40,
        of!(nodes, |cx, n| percent(cx.vitals.requested(&n.meta.name).cpu, n.allocatable.cpu)),
    ),
    num(
        "MEM REQ%",
        4,
        8,
        45,
        of!(nodes, |cx, n| percent(cx.vitals.requested(&n.meta.name).memory, n.allocatable.memory)),
    ),
    col("CAUSE", 8, 40, 85, of!(nodes, |cx, n| why(cx, n))),
    col("VERSION", 7, 16, 30, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.info.kubelet)))),
    col("IP", 13, 15, 10, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.internal_ip)))),
    age!(nodes),
];

/// Usage of a node's allocatable amount, in percent; nothing where nobody measures it.
fn used_percent(
    history: Option<&NodeHistory>,
    amount: impl Fn(&NodeUsage) -> Option<u64>,
    of: Option<u64>,
) -> Cell {
    history.and_then(|h| amount(&h.usage)).map_or(Cell::plain(Value::None), |used| percent(used, of))
}

/// A pod's usage of the limits of all its containers, in percent; nothing where one of them has none.
fn of_limit(cx: &Cx<'_>, pod: &Pod) -> Cell {
    let counted = pod.containers.iter().filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar));
    let limit = counted.map(|c| c.spec.limits.memory).sum::<Option<u64>>();
    let used = cx.world.readings.pod(&pod.meta.namespace, &pod.meta.name).and_then(|h| h.usage.memory());
    used.map_or(Cell::plain(Value::None), |used| percent(used, limit))
}

/// The same as a bar.
fn limit_bar(cx: &Cx<'_>, pod: &Pod) -> Cell {
    let Cell { value, scope } = of_limit(cx, pod);
    match value {
        Value::Num(percent) => {
            let thousandths = u16::try_from(percent.clamp(0, 100) * 10).unwrap_or(1000);
            Cell::new(Value::Bar(thousandths), if scope == "text.dim" { "gauge.low" } else { scope })
        }
        value => Cell::plain(value),
    }
}

/// What is requested of what can be, in percent.
fn percent(used: u64, of: Option<u64>) -> Cell {
    let Some(of) = of.filter(|o| *o > 0) else { return Cell::plain(Value::None) };
    let p = (u128::from(used) * 100 / u128::from(of)).min(999) as i64;
    Cell::new(
        Value::Num(p),
        // A level alone is no fault: what is wrong with it, a finding says.
        if p >= 95 {
            "gauge.mid"
        } else if p >= 75 {
            "text"
        } else {
            "text.dim"
        },
    )
}

mod kinds;
pub mod served;
mod wide;
mod workloads;

pub use kinds::*;
pub use wide::wide_of;
pub use workloads::{WORKLOADS, all as all_workloads, of_workload, workload_slot};

/// Aggregated events: rows of `Cx::events`, not of the world's table.
pub static EVENTS: &[Column] = &[
    col(
        "LAST",
        8,
        8,
        96,
        Make::Own(|cx, s| match cx.events.get(s) {
            Some(e) => Cell::dim(Value::Clock(e.last)),
            None => Cell::plain(Value::None),
        }),
    ),
    col(
        " ",
        1,
        1,
        92,
        Make::Own(|cx, s| match cx.events.get(s) {
            Some(e) if e.warning => Cell::new(Value::Sign("warning", "Warning"), "event.warning"),
            Some(_) => Cell::dim(Value::Sign("info", "Normal")),
            None => Cell::plain(Value::None),
        }),
    ),
    col(
        "REASON",
        9,
        24,
        95,
        Make::Own(|cx, s| match cx.events.get(s) {
            Some(e) => Cell::new(Value::text(&e.reason), if e.warning { "event.warning" } else { "text" }),
            None => Cell::plain(Value::None),
        }),
    ),
    num(
        "×",
        2,
        5,
        70,
        Make::Own(|cx, s| match cx.events.get(s) {
            Some(e) if e.count > 1 => Cell::dim(Value::Num(e.count.into())),
            _ => Cell::plain(Value::None),
        }),
    ),
    tail(
        "OBJECT",
        10,
        52,
        94,
        Make::Own(|cx, s| match cx.events.get(s) {
            Some(e) => Cell::plain(Value::Text(object_text(&e.regarding).into())),
            None => Cell::plain(Value::None),
        }),
    ),
    col(
        "MESSAGE",
        10,
        400,
        98,
        Make::Own(|cx, s| match cx.events.get(s) {
            Some(e) => Cell::plain(Value::text(&e.note)),
            None => Cell::plain(Value::None),
        }),
    ),
];

/// `prod/api-server-…` for pods, with the kind in front for all else.
fn object_text(o: &ObjectRef) -> String {
    let kind = match o.kind {
        Kind::Pod => String::new(),
        _ => format!("{} ", o.kind.name().to_ascii_lowercase()),
    };
    if o.namespace.is_empty() {
        format!("{kind}{}", o.name)
    } else {
        format!("{kind}{}/{}", o.namespace, o.name)
    }
}

/// kube-proxy's pods.
pub static KUBE_PROXY: &[Column] = &[
    tail("POD", 8, 20, 70, of!(pods, |cx, p| Value::text(&p.meta.name), health::pod(cx, p).scope())),
    tail("NODE", 8, 30, 100, of!(pods, |_cx, p| Cell::plain(Value::text(&p.node)))),
    num(
        "↻",
        2,
        5,
        95,
        of!(pods, |_cx, p| {
            let n = p.status().restarts;
            Cell::new(Value::Num(n.into()), if n > 0 { "status.pending" } else { "text.dim" })
        }),
    ),
    num("15M", 3, 4, 75, of!(pods, |cx, p| seen_restarts(cx, p, 15))),
    num("1H", 2, 4, 65, of!(pods, |cx, p| seen_restarts(cx, p, 60))),
    num(
        "LAST",
        4,
        7,
        80,
        of!(pods, |_cx, p| Cell::dim(Value::age(health::last_exit(&p.containers).map(|(_, at)| at)))),
    ),
    col(
        "REASON",
        5,
        18,
        90,
        of!(pods, |cx, p| match (health::pod(cx, p), health::last_exit(&p.containers)) {
            (Health::Ok, Some((reason, _))) => Cell::plain(Value::Text(reason)),
            (Health::Ok, None) => Cell::dim(Value::Word("never")),
            // It runs again, and why it did not is what is asked here.
            (h, Some((reason, _))) if &*p.status().status == "Running" => {
                Cell::new(Value::Text(reason), h.scope())
            }
            (h, _) => Cell::new(Value::Text(p.status().status), h.scope()),
        }),
    ),
    num(
        "SYNC",
        3,
        6,
        85,
        of!(pods, |cx, p| {
            let proxy = cx.world.readings.proxy(&p.node);
            let scope =
                if proxy.is_some_and(|p| p.healthy == Some(false)) { "status.bad" } else { "text.dim" };
            Cell::new(Value::age(proxy.and_then(|p| p.last_sync)), scope)
        }),
    ),
    num(
        "RULES",
        3,
        7,
        60,
        of!(pods, |cx, p| {
            let rules = cx.world.readings.proxy(&p.node).map(|p| p.all_rules()).filter(|n| *n > 0);
            Cell::dim(rules.map_or(Value::None, |n| Value::Num(n as i64)))
        }),
    ),
    num(
        "FAILED",
        3,
        6,
        55,
        of!(pods, |cx, p| {
            let failures = cx.world.readings.proxy(&p.node).and_then(|p| p.failures);
            let scope = if failures.is_some_and(|n| n > 0) { "status.pending" } else { "text.dim" };
            Cell::new(failures.map_or(Value::None, |n| Value::Num(n as i64)), scope)
        }),
    ),
    col(
        "MODE",
        4,
        8,
        30,
        of!(pods, |cx, p| {
            let mode = cx.world.readings.proxy(&p.node).map(|p| p.mode.clone()).filter(|m| !m.is_empty());
            Cell::dim(mode.map_or(Value::None, Value::Text))
        }),
    ),
];

/// Restarts that khud saw within so many minutes. It knows of one at most from before it started.
fn seen_restarts(cx: &Cx<'_>, pod: &Pod, minutes: u64) -> Cell {
    let from = cx.now.minus(Duration::from_secs(minutes * 60));
    match cx.world.restarts.since(&pod.meta.uid, from) {
        0 => Cell::dim(Value::None),
        n => Cell::new(Value::Num(n.into()), "status.pending"),
    }
}

/// The columns of a watched kind's table; empty for kinds that are shown as the server's own tables.
pub fn of_kind(kind: &Kind) -> &'static [Column] {
    match kind {
        Kind::Pod => PODS,
        Kind::Node => NODES,
        Kind::Event => EVENTS,
        Kind::Deployment => DEPLOYMENTS,
        Kind::ReplicaSet => REPLICA_SETS,
        Kind::StatefulSet => STATEFUL_SETS,
        Kind::DaemonSet => DAEMON_SETS,
        Kind::Job => JOBS,
        Kind::CronJob => CRON_JOBS,
        Kind::Service => SERVICES,
        Kind::EndpointSlice => ENDPOINT_SLICES,
        Kind::PersistentVolumeClaim => CLAIMS,
        Kind::ResourceQuota => QUOTAS,
        Kind::PodDisruptionBudget => BUDGETS,
        Kind::HorizontalPodAutoscaler => AUTOSCALERS,
        Kind::Namespace => NAMESPACES,
        Kind::ConfigMap => CONFIG_MAPS,
        // The others are shown as the server's own tables.
        _ => &[],
    }
}
