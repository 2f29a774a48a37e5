//! All workloads in one table: Deployments, StatefulSets, DaemonSets, and ReplicaSets that nothing owns.

use super::kinds::{image_names, progress, short};
use super::{Column, Make, col, image, num, tail, tone, why};
use crate::app::table::cell::{Cell, Value};
use crate::app::table::cx::Cx;
use crate::world::{Kind, Slot, Workload};

/// The kinds in it. A row's slot is its slot in its kind's table, times their number, plus the kind's place here.
const KINDS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet];

/// The row of a kind's record; `None` for kinds that are no workloads.
pub fn workload_slot(kind: &Kind, slot: Slot) -> Option<Slot> {
    let place = KINDS.iter().position(|k| k == kind)?;
    // A billion workloads do not fit in memory.
    Some(Slot(slot.0 * KINDS.len() as u32 + place as u32))
}

/// The workload a row stands for. A ReplicaSet of a Deployment is the Deployment's affair.
pub fn of_workload<'a>(cx: &Cx<'a>, row: Slot) -> Option<&'a Workload> {
    let n = KINDS.len() as u32;
    let kind = &KINDS[(row.0 % n) as usize];
    let workload = cx.world.workloads(kind)?.get(Slot(row.0 / n))?;
    (*kind != Kind::ReplicaSet || workload.meta.owner.is_none()).then_some(workload)
}

/// Every row there is.
pub fn all(cx: &Cx<'_>) -> Vec<Slot> {
    let rows = KINDS.iter().flat_map(|kind| {
        let slots = cx.world.slots(kind).into_iter();
        slots.filter_map(move |slot| workload_slot(kind, slot))
    });
    rows.filter(|row| of_workload(cx, *row).is_some()).collect()
}

macro_rules! of {
    (|$cx:ident, $w:ident| $cell:expr) => {
        Make::Own(|cx, row| {
            let $cx = cx;
            match of_workload(cx, row) {
                Some($w) => $cell,
                None => Cell::plain(Value::None),
            }
        })
    };
}

pub static WORKLOADS: &[Column] = &[
    col("KIND", 6, 11, 84, of!(|_cx, w| Cell::dim(Value::Text(w.kind.name().into())))),
    col("NAMESPACE", 4, 24, 82, of!(|_cx, w| Cell::dim(Value::text(&w.meta.namespace)))),
    tail("NAME", 10, 60, 100, of!(|cx, w| Cell::new(Value::text(&w.meta.name), tone(cx, &w.meta, w)))),
    num("DESIRED", 7, 7, 85, of!(|_cx, w| Cell::plain(Value::Num(w.desired.into())))),
    num("UPDATED", 7, 7, 83, of!(|_cx, w| Cell::new(Value::Num(w.updated.into()), short(w)))),
    num("READY", 5, 7, 92, of!(|_cx, w| Cell::new(Value::Num(w.ready.into()), short(w)))),
    num("AVAILABLE", 9, 9, 81, of!(|_cx, w| Cell::new(Value::Num(w.available.into()), short(w)))),
    col("STATE", 5, 24, 90, of!(|_cx, w| progress(w))),
    col("CAUSE", 8, 48, 95, of!(|cx, w| why(cx, w))),
    image("IMAGES", 8, 60, 20, of!(|_cx, w| image_names(w))),
    num("AGE", 3, 7, 50, of!(|_cx, w| Cell::dim(Value::age(w.meta.created)))),
];
