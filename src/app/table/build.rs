//! A table's rows made anew, in portions with frames and keys in between: after a filter, a sort, a namespace.

use std::collections::BTreeSet;

use super::Table;
use super::order::{Key, Order, UNRANKED};
use super::sorted::Builder;
use crate::app::cell::Value;
use crate::app::cx::Cx;
use crate::world::{Kind, Slot};

/// Rows looked at in one go.
const PORTION: usize = 4096;
/// Rows put in order in one go.
const MERGED: usize = 8192;

/// A new order on its way, while the one before is shown.
#[derive(Debug)]
pub(super) struct Rebuild {
    /// Rows still to be looked at, the next one last.
    left: Vec<Slot>,
    builder: Builder,
    /// Rows that changed meanwhile: they are looked at once more at the end.
    pub(super) changed: BTreeSet<Slot>,
    /// Not a new order, but where each row stands among the names.
    pub(super) names: bool,
}

impl Rebuild {
    fn new(left: Vec<Slot>, descending: bool, names: bool) -> Box<Rebuild> {
        Box::new(Rebuild { left, builder: Builder::new(descending), changed: BTreeSet::new(), names })
    }
}

/// Where each slot's row stands by namespace and name; learned once for a large table, so that rows of one value need
/// not be compared by their texts whenever it is sorted.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<u32>);

impl Places {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn of(&self, slot: Slot) -> u32 {
        self.0.get(slot.0 as usize).copied().unwrap_or(UNRANKED)
    }

    /// Another object may have taken the slot.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(place) = self.0.get_mut(slot.0 as usize) {
            *place = UNRANKED;
        }
    }

    /// Takes the places from an order by name. What changed meanwhile may be another object in the same slot.
    fn learn(&mut self, order: &Order, changed: &BTreeSet<Slot>) {
        self.0.clear();
        for (place, slot) in (0u32..).zip(order.range(0)) {
            let i = slot.0 as usize;
            if self.0.len() <= i {
                self.0.resize(i + 1, UNRANKED);
            }
            self.0[i] = if changed.contains(&slot) { UNRANKED } else { place };
        }
    }
}

/// Frees what many rows took in a thread of its own: a hundred thousand keys take longer than a frame may.
fn let_go(rows: usize, what: impl Send + 'static) {
    if rows > PORTION {
        std::thread::spawn(move || drop(what));
    }
}

impl Table {
    /// Builds the rows anew: after a filter, a sort, a namespace. A large table goes on in `work`.
    pub fn rebuild(&mut self, cx: &Cx<'_>) {
        let mut left = self.source.candidates(cx);
        left.reverse();
        let rebuild = Rebuild::new(left, self.descending, false);
        let_go(self.order.len(), self.rebuild.replace(rebuild));
        self.inside.clear();
        self.total = 0;
        let small = self.rebuild.as_ref().is_some_and(|r| r.left.len() <= PORTION);
        self.work(cx);
        while small && self.at_work() {
            self.work(cx);
        }
    }

    /// Whether a new order is on its way.
    pub fn at_work(&self) -> bool {
        self.rebuild.is_some()
    }

    /// One portion of a rebuild under way. True when the new order stands.
    pub fn work(&mut self, cx: &Cx<'_>) -> bool {
        let Some(mut rebuild) = self.rebuild.take() else { return false };
        let rest = rebuild.left.len().saturating_sub(PORTION);
        let portion = rebuild.left.split_off(rest);
        if portion.is_empty() {
            if rebuild.builder.merge(MERGED) {
                if rebuild.names {
                    let order = rebuild.builder.done();
                    self.places.learn(&order, &rebuild.changed);
                    let_go(order.len(), order);
                    return false;
                }
                self.install(cx, *rebuild);
                return true;
            }
        } else if rebuild.names {
            let rows = portion.into_iter().filter_map(|slot| {
                let meta = self.source.meta(cx, slot)?;
                Some((slot, Key::new(Value::None, UNRANKED, meta.namespace.clone(), meta.name.clone())))
            });
            rebuild.builder.add(rows.collect());
        } else {
            let mut rows = Vec::with_capacity(portion.len());
            let mut text = String::new();
            for slot in portion.into_iter().rev() {
                let within = self.source.lists(cx, &self.namespaces, slot);
                self.note_inside(slot, within);
                if within
                    && self.keeps(cx, slot, &mut text)
                    && let Some(key) = self.key(cx, slot)
                {
                    rows.push((slot, key));
                }
            }
            rebuild.builder.add(rows);
        }
        self.rebuild = Some(rebuild);
        false
    }

    fn install(&mut self, cx: &Cx<'_>, rebuild: Rebuild) {
        let before = std::mem::replace(&mut self.order, rebuild.builder.done());
        let_go(before.len(), before);
        for slot in rebuild.changed {
            self.place(cx, slot);
        }
        if self.cursor.is_some_and(|c| !self.order.contains(c)) {
            self.cursor = None;
        }
        self.seek_again(cx);
        self.settle();
        if self.places.is_empty() && self.order.len() > PORTION && self.source.kind != Kind::Event {
            let left = self.order.range(0).collect();
            self.rebuild = Some(Rebuild::new(left, false, true));
        }
    }
}
