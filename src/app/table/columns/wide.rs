//! The columns that only the wide view has: owners, images, labels and what a node runs on.

use super::{Column, Make, col, image};
use crate::app::table::cell::{Cell, Value};
use crate::world::{Kind, Meta};

fn owner(meta: &Meta) -> Cell {
    Cell::dim(meta.owner.as_ref().map_or(Value::None, |o| {
        Value::Text(format!("{}/{}", o.kind.name().to_ascii_lowercase(), o.name).into())
    }))
}

fn labels(meta: &Meta) -> Cell {
    let all: Vec<String> = meta.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if all.is_empty() { Cell::plain(Value::None) } else { Cell::dim(Value::Text(all.join(",").into())) }
}

macro_rules! owner {
    ($t:ident) => {
        col("OWNER", 8, 48, 24, of!($t, |_cx, r| owner(&r.meta)))
    };
}

macro_rules! labels {
    ($t:ident) => {
        col("LABELS", 10, 200, 12, of!($t, |_cx, r| labels(&r.meta)))
    };
}

macro_rules! plain {
    ($kind:expr; $($name:ident $table:ident;)*) => {
        match $kind {
            $(Kind::$name => {
                static WIDE: [Column; 2] = [owner!($table), labels!($table)];
                &WIDE
            })*
            _ => &[],
        }
    };
}

static POD: [Column; 4] = [
    image(
        "IMAGES",
        8,
        80,
        26,
        of!(pods, |_cx, p| {
            let images: Vec<&str> =
                p.containers.iter().map(|c| super::kinds::short_image(&c.spec.image)).collect();
            Cell::dim(Value::Text(images.join(",").into()))
        }),
    ),
    col("ACCOUNT", 7, 30, 18, of!(pods, |_cx, p| Cell::dim(Value::text(&p.spec.service_account)))),
    owner!(pods),
    labels!(pods),
];

static NODE: [Column; 5] = [
    col(
        "TAINTS",
        8,
        60,
        28,
        of!(nodes, |_cx, n| {
            let all: Vec<String> = n.taints.iter().map(|t| format!("{}:{}", t.key, t.effect)).collect();
            if all.is_empty() {
                Cell::plain(Value::None)
            } else {
                Cell::dim(Value::Text(all.join(",").into()))
            }
        }),
    ),
    col("OS", 8, 40, 22, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.info.os_image)))),
    col("KERNEL", 8, 40, 20, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.info.kernel)))),
    col("RUNTIME", 8, 40, 18, of!(nodes, |_cx, n| Cell::dim(Value::text(&n.info.runtime)))),
    labels!(nodes),
];

/// What the wide view adds to a kind's columns.
pub fn wide_of(kind: &Kind) -> &'static [Column] {
    match kind {
        Kind::Pod => &POD,
        Kind::Node => &NODE,
        kind => plain! { kind;
            Deployment deployments; ReplicaSet replica_sets; StatefulSet stateful_sets; DaemonSet daemon_sets;
            Job jobs; CronJob cron_jobs; Service services; EndpointSlice endpoint_slices;
            PersistentVolumeClaim claims; ResourceQuota quotas; PodDisruptionBudget budgets;
            HorizontalPodAutoscaler autoscalers; Namespace namespaces; ConfigMap config_maps;
        },
    }
}
