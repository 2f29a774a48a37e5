//! The columns of workloads, jobs, services, storage, quotas and configuration.

use super::{Column, Make, col, image, num, tail, tone, why};
use crate::app::table::cell::{Cell, Value};
use crate::world::{Condition, Status, Workload, condition};

pub(super) fn short(w: &Workload) -> &'static str {
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
        image("IMAGES", 8, 60, 20, of!($t, |_cx, w| { image_names(w) }))
    };
}

pub(super) fn image_names(w: &Workload) -> Cell {
    let images: Vec<&str> = w.template.containers.iter().map(|c| short_image(&c.image)).collect();
    Cell::dim(Value::Text(images.join(",").into()))
}

/// The last part of an image's path: the registry rarely tells anything.
pub(super) fn short_image(image: &str) -> &str {
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

pub static CONFIG_MAPS: &[Column] = &[
    ns!(config_maps),
    name!(config_maps),
    col(
        "CHANGED BY",
        8,
        40,
        70,
        of!(config_maps, |_cx, c| Cell::plain(
            c.meta.writer.as_ref().map_or(Value::None, |w| Value::text(&w.manager))
        )),
    ),
    num(
        "CHANGED",
        7,
        8,
        80,
        of!(config_maps, |_cx, c| Cell::plain(Value::age(c.meta.writer.as_ref().map(|w| w.at)))),
    ),
    age!(config_maps),
];
