//! The columns of each kind's table: typed values, so that sorting and comparing never parse text back.

use super::cell::{Cell, Value};
use super::cx::Cx;
use super::health::{self, Health};
use crate::world::{
    Condition, Container, ContainerState, Kind, Meta, Object, ObjectRef, Slot, Status, Workload, condition,
};

/// How a column looks. Widths are in terminal columns; a table that is too narrow drops the columns with the
/// lowest `keep` first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub name: &'static str,
    pub min: u16,
    pub max: u16,
    pub right: bool,
    pub keep: u8,
    /// When cut, the end of the text is kept too: generated names differ there.
    pub tail: bool,
}

/// One column of a table of objects.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub shape: Shape,
    pub cell: fn(&Cx<'_>, Slot) -> Cell,
}

const fn col(name: &'static str, min: u16, max: u16, keep: u8, cell: fn(&Cx<'_>, Slot) -> Cell) -> Column {
    Column { shape: Shape { name, min, max, right: false, keep, tail: false }, cell }
}

const fn num(name: &'static str, min: u16, max: u16, keep: u8, cell: fn(&Cx<'_>, Slot) -> Cell) -> Column {
    Column { shape: Shape { name, min, max, right: true, keep, tail: false }, cell }
}

const fn tail(name: &'static str, min: u16, max: u16, keep: u8, cell: fn(&Cx<'_>, Slot) -> Cell) -> Column {
    Column { shape: Shape { name, min, max, right: false, keep, tail: true }, cell }
}

/// A cell of the record in that table, or an empty one where it is gone.
macro_rules! of {
    ($table:ident, |$cx:ident, $r:ident| $cell:expr) => {
        |cx: &Cx<'_>, slot: Slot| {
            let $cx = cx;
            match cx.world.$table.get(slot) {
                Some($r) => $cell,
                None => Cell::plain(Value::None),
            }
        }
    };
}

macro_rules! ns {
    ($t:ident) => {
        col("NAMESPACE", 4, 24, 82, of!($t, |_cx, r| Cell::dim(Value::text(&r.meta.namespace))))
    };
}
macro_rules! name {
    ($t:ident) => {
        tail("NAME", 10, 60, 100, of!($t, |cx, r| Cell::new(Value::text(&r.meta.name), tone(cx, &r.meta, r))))
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
        Some(cause) => Cell::new(Value::Text(cause.text.clone()), super::cx::scope(cause.severity)),
        None => Cell::plain(Value::None),
    }
}

pub static PODS: &[Column] = &[
    ns!(pods),
    tail(
        "NAME",
        12,
        60,
        100,
        of!(pods, |cx, p| Cell::new(Value::text(&p.meta.name), health::pod(cx, p).scope())),
    ),
    num(
        "READY",
        5,
        5,
        80,
        of!(pods, |cx, p| {
            let s = p.status();
            let (ready, of) = (s.ready, s.total);
            Cell::new(
                Value::Of(ready, of),
                if health::pod(cx, p) == Health::Done || ready == of { "text.dim" } else { "status.pending" },
            )
        }),
    ),
    col(
        "STATUS",
        9,
        24,
        90,
        of!(pods, |cx, p| Cell::new(Value::Text(p.status().status), health::pod(cx, p).scope())),
    ),
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
    tail("NODE", 8, 30, 30, of!(pods, |_cx, p| Cell::dim(Value::text(&p.node)))),
    col("IP", 7, 15, 10, of!(pods, |_cx, p| Cell::dim(Value::text(&p.ip)))),
    age!(pods),
];

pub static NODES: &[Column] = &[
    tail(
        "NAME",
        10,
        48,
        100,
        of!(nodes, |cx, n| Cell::new(Value::text(&n.meta.name), health::node(cx, n).scope())),
    ),
    col(
        "STATUS",
        5,
        28,
        90,
        of!(nodes, |cx, n| Cell::new(Value::Text(health::node_status(n)), health::node(cx, n).scope())),
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
        "CPU%",
        4,
        4,
        40,
        of!(nodes, |cx, n| percent(cx.vitals.requested(&n.meta.name).cpu, n.allocatable.cpu)),
    ),
    num(
        "MEM%",
        4,
        4,
        45,
        of!(nodes, |cx, n| percent(cx.vitals.requested(&n.meta.name).memory, n.allocatable.memory)),
    ),
    col("CAUSE", 8, 40, 85, of!(nodes, |cx, n| why(cx, n))),
    col("VERSION", 7, 16, 30, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.info.kubelet)))),
    col("IP", 7, 15, 10, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.internal_ip)))),
    age!(nodes),
];

/// What is requested of what can be, in percent.
fn percent(used: u64, of: Option<u64>) -> Cell {
    let Some(of) = of.filter(|o| *o > 0) else { return Cell::plain(Value::None) };
    let p = (u128::from(used) * 100 / u128::from(of)).min(999) as i64;
    Cell::new(
        Value::Num(p),
        if p >= 95 {
            "gauge.high"
        } else if p >= 75 {
            "gauge.mid"
        } else {
            "text.dim"
        },
    )
}

fn short(w: &Workload) -> &'static str {
    if w.paused || (w.desired == 0 && w.current == 0) {
        "text.dim"
    } else if w.available < w.desired && w.available == 0 {
        "status.bad"
    } else if w.ready < w.desired || w.updated < w.desired {
        "status.pending"
    } else {
        "text"
    }
}

macro_rules! images {
    ($t:ident) => {
        col(
            "IMAGES",
            8,
            60,
            20,
            of!($t, |_cx, w| {
                let images: Vec<&str> = w.template.containers.iter().map(|c| short_image(&c.image)).collect();
                Cell::dim(Value::Text(images.join(",").into()))
            }),
        )
    };
}

/// The last part of an image's path: the registry rarely tells anything.
fn short_image(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

macro_rules! workload {
    ($name:ident, $t:ident) => {
        pub static $name: &[Column] = &[
            ns!($t),
            name!($t),
            num("READY", 5, 9, 90, of!($t, |_cx, w| Cell::new(Value::Of(w.ready, w.desired), short(w)))),
            num("UPDATED", 7, 7, 70, of!($t, |_cx, w| Cell::new(Value::Num(w.updated.into()), short(w)))),
            num("AVAILABLE", 9, 9, 65, of!($t, |_cx, w| Cell::new(Value::Num(w.available.into()), short(w)))),
            num(
                "REV",
                3,
                5,
                55,
                of!($t, |_cx, w| { Cell::dim(w.revision.map_or(Value::None, |r| Value::Num(r as i64))) }),
            ),
            col("STATE", 5, 24, 60, of!($t, |_cx, w| progress(w))),
            col("CAUSE", 8, 48, 95, of!($t, |cx, w| why(cx, w))),
            images!($t),
            age!($t),
        ];
    };
}

/// In a word, where the workload's rollout stands.
pub fn progress(w: &Workload) -> Cell {
    let late =
        condition(&w.conditions, "Progressing").is_some_and(|c| &*c.reason == "ProgressDeadlineExceeded");
    if w.paused {
        Cell::new(Value::Word("paused"), "status.pending")
    } else if late {
        Cell::new(Value::Word("deadline exceeded"), "status.bad")
    } else if w.observed_generation < w.meta.generation {
        Cell::new(Value::Word("not seen yet"), "status.pending")
    } else if w.desired == 0 {
        Cell::dim(Value::Word("scaled to 0"))
    } else if w.updated < w.desired || w.current > w.desired {
        Cell::new(Value::Word("rolling out"), "status.pending")
    } else if w.available < w.desired {
        Cell::new(Value::Word("unavailable"), "status.pending")
    } else {
        Cell::new(Value::Word("ok"), "status.ok")
    }
}

workload!(DEPLOYMENTS, deployments);
workload!(STATEFUL_SETS, stateful_sets);
workload!(DAEMON_SETS, daemon_sets);

pub static REPLICA_SETS: &[Column] = &[
    ns!(replica_sets),
    name!(replica_sets),
    num("DESIRED", 7, 7, 80, of!(replica_sets, |_cx, w| Cell::plain(Value::Num(w.desired.into())))),
    num("CURRENT", 7, 7, 70, of!(replica_sets, |_cx, w| Cell::plain(Value::Num(w.current.into())))),
    num("READY", 5, 9, 90, of!(replica_sets, |_cx, w| Cell::new(Value::Num(w.ready.into()), short(w)))),
    num(
        "REV",
        3,
        5,
        60,
        of!(replica_sets, |_cx, w| Cell::dim(w.revision.map_or(Value::None, |r| Value::Num(r as i64)))),
    ),
    col("CAUSE", 8, 48, 95, of!(replica_sets, |cx, w| why(cx, w))),
    images!(replica_sets),
    age!(replica_sets),
];

pub static JOBS: &[Column] = &[
    ns!(jobs),
    name!(jobs),
    num("DONE", 5, 9, 90, of!(jobs, |_cx, j| Cell::plain(Value::Of(j.succeeded, j.completions.max(1))))),
    num("ACTIVE", 6, 6, 70, of!(jobs, |_cx, j| Cell::plain(Value::Num(j.active.into())))),
    num(
        "FAILED",
        6,
        6,
        80,
        of!(jobs, |_cx, j| Cell::new(
            Value::Num(j.failed.into()),
            if j.failed > 0 { "status.bad" } else { "text.dim" }
        )),
    ),
    col(
        "STATE",
        5,
        20,
        60,
        of!(jobs, |_cx, j| {
            let is = |kind: &str| condition(&j.conditions, kind).is_some_and(|c| c.status == Status::True);
            if j.suspended {
                Cell::dim(Value::Word("suspended"))
            } else if is("Failed") {
                Cell::new(Value::Word("failed"), "status.bad")
            } else if is("Complete") {
                Cell::new(Value::Word("complete"), "status.done")
            } else {
                Cell::new(Value::Word("running"), "status.ok")
            }
        }),
    ),
    col("CAUSE", 8, 48, 95, of!(jobs, |cx, j| why(cx, j))),
    num("STARTED", 7, 7, 40, of!(jobs, |_cx, j| Cell::dim(Value::age(j.started)))),
    age!(jobs),
];

pub static CRON_JOBS: &[Column] = &[
    ns!(cron_jobs),
    name!(cron_jobs),
    col("SCHEDULE", 8, 24, 80, of!(cron_jobs, |_cx, j| Cell::plain(Value::text(&j.schedule)))),
    col("ZONE", 4, 20, 20, of!(cron_jobs, |_cx, j| Cell::dim(Value::text(&j.time_zone)))),
    col(
        "STATE",
        5,
        10,
        70,
        of!(cron_jobs, |_cx, j| if j.suspended {
            Cell::new(Value::Word("suspended"), "status.pending")
        } else {
            Cell::dim(Value::Word("on"))
        }),
    ),
    num("ACTIVE", 6, 6, 60, of!(cron_jobs, |_cx, j| Cell::plain(Value::Num(j.active.into())))),
    num("LAST RUN", 8, 8, 65, of!(cron_jobs, |_cx, j| Cell::plain(Value::age(j.last_schedule)))),
    num("SUCCESS", 7, 7, 66, of!(cron_jobs, |_cx, j| Cell::plain(Value::age(j.last_success)))),
    col("CAUSE", 8, 48, 95, of!(cron_jobs, |cx, j| why(cx, j))),
    age!(cron_jobs),
];

pub static SERVICES: &[Column] = &[
    ns!(services),
    name!(services),
    col("TYPE", 8, 12, 60, of!(services, |_cx, s| Cell::plain(Value::text(&s.service_type)))),
    col("CLUSTER-IP", 9, 15, 40, of!(services, |_cx, s| Cell::dim(Value::text(&s.cluster_ip)))),
    col(
        "PORTS",
        8,
        40,
        70,
        of!(services, |_cx, s| {
            let ports: Vec<String> = s
                .ports
                .iter()
                .map(|p| match p.node_port {
                    Some(n) => format!("{}:{n}→{}/{}", p.port, p.target, p.protocol),
                    None => format!("{}→{}/{}", p.port, p.target, p.protocol),
                })
                .collect();
            Cell::plain(Value::Text(ports.join(",").into()))
        }),
    ),
    col(
        "SELECTOR",
        8,
        48,
        50,
        of!(services, |_cx, s| Cell::dim(
            s.selector.as_ref().map_or(Value::None, |x| Value::Text(x.to_string().into()))
        )),
    ),
    col("CAUSE", 8, 48, 95, of!(services, |cx, s| why(cx, s))),
    age!(services),
];

pub static ENDPOINT_SLICES: &[Column] = &[
    ns!(endpoint_slices),
    name!(endpoint_slices),
    col("SERVICE", 8, 40, 80, of!(endpoint_slices, |_cx, e| Cell::plain(Value::text(&e.service)))),
    num(
        "READY",
        5,
        5,
        90,
        of!(endpoint_slices, |_cx, e| Cell::new(
            Value::Num(e.ready.into()),
            if e.ready == 0 { "status.pending" } else { "text" }
        )),
    ),
    num(
        "NOT READY",
        9,
        9,
        85,
        of!(endpoint_slices, |_cx, e| Cell::new(
            Value::Num(e.not_ready.into()),
            if e.not_ready > 0 { "status.pending" } else { "text.dim" }
        )),
    ),
    age!(endpoint_slices),
];

pub static CLAIMS: &[Column] = &[
    ns!(claims),
    name!(claims),
    col(
        "STATUS",
        6,
        8,
        90,
        of!(claims, |_cx, c| Cell::new(
            Value::text(&c.phase),
            match &*c.phase {
                "Bound" => "status.ok",
                "Lost" => "status.bad",
                _ => "status.pending",
            }
        )),
    ),
    num("SIZE", 5, 8, 80, of!(claims, |_cx, c| Cell::plain(Value::Bytes(c.capacity.max(c.requested))))),
    col(
        "CLASS",
        5,
        24,
        60,
        of!(claims, |_cx, c| Cell::plain(c.class.as_ref().map_or(Value::Word("(default)"), Value::text))),
    ),
    col("MODES", 5, 20, 40, of!(claims, |_cx, c| Cell::dim(Value::Text(c.access_modes.join(",").into())))),
    col("VOLUME", 8, 42, 30, of!(claims, |_cx, c| Cell::dim(Value::text(&c.volume)))),
    col("CAUSE", 8, 48, 95, of!(claims, |cx, c| why(cx, c))),
    age!(claims),
];

pub static QUOTAS: &[Column] = &[
    ns!(quotas),
    name!(quotas),
    num(
        "FULLEST",
        4,
        7,
        90,
        of!(quotas, |_cx, q| {
            let p = q
                .amounts
                .iter()
                .filter(|a| a.hard_value > 0)
                .map(|a| a.used_value.saturating_mul(100) / a.hard_value)
                .max();
            match p {
                Some(p) => Cell::new(
                    Value::Num(p.min(999) as i64),
                    if p >= 90 {
                        "gauge.high"
                    } else if p >= 75 {
                        "gauge.mid"
                    } else {
                        "text"
                    },
                ),
                None => Cell::plain(Value::None),
            }
        }),
    ),
    col(
        "USED / HARD",
        20,
        120,
        80,
        of!(quotas, |_cx, q| {
            let all: Vec<String> =
                q.amounts.iter().map(|a| format!("{} {}/{}", a.resource, a.used, a.hard)).collect();
            Cell::plain(Value::Text(all.join("  ").into()))
        }),
    ),
    age!(quotas),
];

pub static BUDGETS: &[Column] = &[
    ns!(budgets),
    name!(budgets),
    col("MIN", 3, 6, 70, of!(budgets, |_cx, b| Cell::plain(Value::text(&b.min_available)))),
    col("MAX UNAVAIL", 6, 11, 65, of!(budgets, |_cx, b| Cell::plain(Value::text(&b.max_unavailable)))),
    num(
        "HEALTHY",
        7,
        9,
        80,
        of!(budgets, |_cx, b| Cell::plain(Value::Of(b.current_healthy, b.desired_healthy))),
    ),
    num(
        "ALLOWED",
        7,
        7,
        90,
        of!(budgets, |_cx, b| Cell::new(
            Value::Num(b.disruptions_allowed.into()),
            if b.disruptions_allowed == 0 { "status.pending" } else { "text" }
        )),
    ),
    col("SELECTOR", 8, 48, 40, of!(budgets, |_cx, b| Cell::dim(Value::Text(b.selector.to_string().into())))),
    age!(budgets),
];

pub static AUTOSCALERS: &[Column] = &[
    ns!(autoscalers),
    name!(autoscalers),
    col(
        "TARGET",
        8,
        48,
        80,
        of!(autoscalers, |_cx, h| Cell::plain(Value::Text(
            format!("{}/{}", h.target_kind, h.target_name).into()
        ))),
    ),
    num("MIN", 3, 5, 60, of!(autoscalers, |_cx, h| Cell::dim(Value::Num(h.min.into())))),
    num(
        "MAX",
        3,
        5,
        60,
        of!(autoscalers, |_cx, h| Cell::new(
            Value::Num(h.max.into()),
            if h.current >= h.max { "status.pending" } else { "text.dim" }
        )),
    ),
    num("NOW", 3, 5, 90, of!(autoscalers, |_cx, h| Cell::plain(Value::Num(h.current.into())))),
    num("WANTED", 6, 6, 85, of!(autoscalers, |_cx, h| Cell::plain(Value::Num(h.desired.into())))),
    col(
        "STATE",
        5,
        40,
        70,
        of!(autoscalers, |_cx, h| first_bad(&h.conditions, &["AbleToScale", "ScalingActive"])),
    ),
    age!(autoscalers),
];

/// The reason of the first of these conditions that is not True.
fn first_bad(conditions: &[Condition], wanted: &[&str]) -> Cell {
    for kind in wanted {
        if let Some(c) = condition(conditions, kind)
            && c.status != Status::True
        {
            return Cell::new(Value::text(&c.reason), "status.bad");
        }
    }
    Cell::dim(Value::Word("ok"))
}

pub static NAMESPACES: &[Column] = &[
    name!(namespaces),
    col(
        "STATUS",
        6,
        12,
        90,
        of!(namespaces, |_cx, n| Cell::new(
            Value::text(&n.phase),
            if &*n.phase == "Active" { "text" } else { "status.pending" }
        )),
    ),
    age!(namespaces),
];

macro_rules! configuration {
    ($name:ident, $t:ident) => {
        pub static $name: &[Column] = &[
            ns!($t),
            name!($t),
            col(
                "CHANGED BY",
                8,
                40,
                70,
                of!($t, |_cx, c| Cell::plain(
                    c.meta.writer.as_ref().map_or(Value::None, |w| Value::text(&w.manager))
                )),
            ),
            num(
                "CHANGED",
                7,
                8,
                80,
                of!($t, |_cx, c| Cell::plain(Value::age(c.meta.writer.as_ref().map(|w| w.at)))),
            ),
            age!($t),
        ];
    };
}
configuration!(CONFIG_MAPS, config_maps);
configuration!(SECRETS, secrets);

/// Aggregated events: rows of `Cx::events`, not of the world's table.
pub static EVENTS: &[Column] = &[
    col("LAST", 8, 8, 79, |cx, s| match cx.events.get(s) {
        Some(e) => Cell::dim(Value::Clock(e.last)),
        None => Cell::plain(Value::None),
    }),
    col(" ", 1, 1, 92, |cx, s| match cx.events.get(s) {
        Some(e) if e.warning => Cell::new(Value::Sign("warning", "Warning"), "event.warning"),
        Some(_) => Cell::dim(Value::Sign("info", "Normal")),
        None => Cell::plain(Value::None),
    }),
    col("REASON", 9, 24, 95, |cx, s| match cx.events.get(s) {
        Some(e) => Cell::new(Value::text(&e.reason), if e.warning { "event.warning" } else { "text" }),
        None => Cell::plain(Value::None),
    }),
    num("×", 2, 5, 70, |cx, s| match cx.events.get(s) {
        Some(e) if e.count > 1 => Cell::dim(Value::Num(e.count.into())),
        _ => Cell::plain(Value::None),
    }),
    tail("OBJECT", 12, 52, 94, |cx, s| match cx.events.get(s) {
        Some(e) => Cell::plain(Value::Text(object_text(&e.regarding).into())),
        None => Cell::plain(Value::None),
    }),
    col("MESSAGE", 10, 400, 98, |cx, s| match cx.events.get(s) {
        Some(e) => Cell::plain(Value::text(&e.note)),
        None => Cell::plain(Value::None),
    }),
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
    tail(
        "POD",
        8,
        20,
        70,
        of!(pods, |cx, p| Cell::new(Value::text(&p.meta.name), health::pod(cx, p).scope())),
    ),
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
    num(
        "LAST",
        4,
        7,
        80,
        of!(pods, |_cx, p| Cell::dim(Value::age(last_exit(&p.containers).map(|(_, at)| at)))),
    ),
    col(
        "REASON",
        5,
        18,
        90,
        of!(pods, |cx, p| match (health::pod(cx, p), last_exit(&p.containers)) {
            (Health::Ok, Some((reason, _))) => Cell::plain(Value::Text(reason)),
            (Health::Ok, None) => Cell::dim(Value::Word("never")),
            (h, _) => Cell::new(Value::Text(p.status().status), h.scope()),
        }),
    ),
];

/// Why and when a container of the pod last ended.
pub fn last_exit(containers: &[Container]) -> Option<(crate::world::Text, crate::world::Time)> {
    containers
        .iter()
        .flat_map(|c| {
            let now = match &c.state {
                ContainerState::Terminated(t) => Some(&**t),
                _ => None,
            };
            now.into_iter().chain(c.last.as_deref())
        })
        .filter_map(|t| {
            let reason = if t.reason.is_empty() || &*t.reason == "Error" {
                format!("exit {}", t.exit_code).into()
            } else {
                t.reason.clone()
            };
            t.finished.map(|at| (reason, at))
        })
        .max_by_key(|(_, at)| *at)
}

/// The columns of a watched kind's table; empty for kinds without a table of their own.
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
        Kind::Secret => SECRETS,
        Kind::PersistentVolume | Kind::StorageClass | Kind::Other(_) => &[],
    }
}
